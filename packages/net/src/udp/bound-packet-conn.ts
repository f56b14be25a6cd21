import type { IpAddr } from "../contracts/addr.ts";
import type { WaitOptions } from "../contracts/conn.ts";
import { argumentError } from "../contracts/failures.ts";
import type { Message, SendOutcome } from "../contracts/message-conn.ts";
import { attempt, checkTtl, setMembership, setMulticastInterface } from "./multicast.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import type { GroupOptions, OutgoingPacket, Packet, PacketConn } from "../contracts/packet-conn.ts";
import type { SourceAddrs } from "./source-addr.ts";
import { shown } from "../options/check-values.ts";
import { rejection } from "../flow/told.ts";
import { keptMessage } from "./kept-message.ts";
import { UdpSocket } from "./udp-socket.ts";
import { parseAddr } from "../contracts/parse-addr.ts";

/** A datagram socket that is bound and not connected. */
export class BoundPacketConn extends UdpSocket<Packet, OutgoingPacket> implements PacketConn {
  send(message: Message, addr: IpAddr | string, options?: WaitOptions): Promise<void> {
    let to: IpAddr;
    try {
      to = typeof addr === "string" ? parseAddr("udp", addr, "write") : addr;
      // JavaScript may pass anything.
      if (typeof to?.host !== "string") {
        throw argumentError("write", `${shown(addr)} is not an address to send to`);
      }
      if (to.port === 0) throw argumentError("write", `cannot send to port 0 of ${String(to)}`);
    } catch (error) {
      return rejection(netErrorFrom(error, this.site("write")));
    }
    return this.sending.send(message, to, options);
  }

  trySend(message: Message, addr: IpAddr): SendOutcome {
    return this.sending.trySend(message, addr);
  }

  setBroadcast(isAllowed: boolean): void {
    this.#set(() => this.socket.setBroadcast(isAllowed));
  }

  setTtl(ttl: number): void {
    checkTtl(ttl, 1);
    this.#set(() => void this.socket.setTTL(ttl));
  }

  join(group: string, options: GroupOptions = {}): void {
    this.mustBeOpen();
    setMembership(this.socket, "join", group, options, this.site("set"));
  }

  leave(group: string, options: GroupOptions = {}): void {
    this.mustBeOpen();
    setMembership(this.socket, "leave", group, options, this.site("set"));
  }

  setMulticastInterface(nameOrAddress: string): void {
    this.mustBeOpen();
    setMulticastInterface(this.socket, nameOrAddress, this.isIPv6, this.site("set"));
  }

  setMulticastTtl(ttl: number): void {
    checkTtl(ttl, 0);
    this.#set(() => void this.socket.setMulticastTTL(ttl));
  }

  setMulticastLoopback(isOn: boolean): void {
    this.#set(() => void this.socket.setMulticastLoopback(isOn));
  }

  protected received(bytes: Uint8Array, sources: SourceAddrs, host: string, port: number): Packet {
    return { bytes, addr: sources.of(host, port) };
  }

  protected sendOne(packet: OutgoingPacket, options: WaitOptions | undefined): Promise<void> {
    const { bytes, addr } = checkedPacket(packet);
    return this.send(bytes, addr, options);
  }

  protected trySendOne(packet: OutgoingPacket): SendOutcome {
    const { bytes, addr } = checkedPacket(packet);
    return this.sending.trySend(bytes, addr);
  }

  protected kept(packet: OutgoingPacket): OutgoingPacket {
    const { bytes, addr } = checkedPacket(packet);
    return { bytes: keptMessage(bytes), addr };
  }

  #set(set: () => void): void {
    this.mustBeOpen();
    attempt(this.site("set"), set);
  }
}

/** @throws NetError `invalid_argument` for what is no object. */
function checkedPacket(packet: OutgoingPacket): OutgoingPacket {
  if (typeof packet === "object" && packet !== null) return packet;
  throw argumentError("write", `${shown(packet)} is not a datagram with its address`);
}
