import type { Socket } from "node:dgram";
import { type IpAddr, parseAddr } from "./addr.ts";
import type { Deadline, WaitOptions } from "./conn.ts";
import { argumentError, closedError } from "./failures.ts";
import type { SendOutcome } from "./message-conn.ts";
import { attempt, checkTtl, type GroupOptions, setMembership, setMulticastInterface } from "./multicast.ts";
import { netErrorFrom } from "./node-error.ts";
import type { Packet, PacketConn, PacketHandler } from "./packet-conn.ts";
import { type UdpLimits, UdpSocket } from "./udp-socket.ts";

/** A datagram socket that is bound and not connected. */
export class BoundPacketConn implements PacketConn {
  readonly #udp: UdpSocket;
  readonly #socket: Socket;

  constructor(socket: Socket, network: string, limits: UdpLimits) {
    this.#socket = socket;
    this.#udp = new UdpSocket(socket, network, limits);
  }

  get localAddr(): IpAddr {
    return this.#udp.localAddr;
  }

  get dropped(): number {
    return this.#udp.dropped;
  }

  receive(options?: WaitOptions): Promise<Packet> {
    return this.#udp.receive(asItIs, options);
  }

  serve(handler: PacketHandler): void {
    this.#udp.serve(handler);
  }

  send(bytes: Uint8Array, addr: IpAddr | string, options?: WaitOptions): Promise<void> {
    let to: IpAddr;
    try {
      to = typeof addr === "string" ? parseAddr("udp", addr, "write") : addr;
      if (to.port === 0) throw argumentError("write", `cannot send to port 0 of ${String(to)}`);
    } catch (error) {
      return Promise.reject(netErrorFrom(error, this.#udp.site("write")));
    }
    return this.#udp.send(bytes, to, options);
  }

  trySend(bytes: Uint8Array, addr: IpAddr): SendOutcome {
    return this.#udp.trySend(bytes, addr);
  }

  setBroadcast(isAllowed: boolean): void {
    this.#set(() => this.#socket.setBroadcast(isAllowed));
  }

  setTtl(ttl: number): void {
    checkTtl(ttl, 1);
    this.#set(() => void this.#socket.setTTL(ttl));
  }

  join(group: string, options: GroupOptions = {}): void {
    this.#open();
    setMembership(this.#socket, "join", group, options, this.#udp.site("set"));
  }

  leave(group: string, options: GroupOptions = {}): void {
    this.#open();
    setMembership(this.#socket, "leave", group, options, this.#udp.site("set"));
  }

  setMulticastInterface(nameOrAddress: string): void {
    this.#open();
    setMulticastInterface(this.#socket, nameOrAddress, this.#udp.isIPv6, this.#udp.site("set"));
  }

  setMulticastTtl(ttl: number): void {
    checkTtl(ttl, 0);
    this.#set(() => void this.#socket.setMulticastTTL(ttl));
  }

  setMulticastLoopback(isOn: boolean): void {
    this.#set(() => void this.#socket.setMulticastLoopback(isOn));
  }

  close(): Promise<void> {
    return this.#udp.close();
  }

  setDeadline(at: Deadline): void {
    this.#udp.setReadDeadline(at);
    this.#udp.setWriteDeadline(at);
  }

  setReadDeadline(at: Deadline): void {
    this.#udp.setReadDeadline(at);
  }

  setWriteDeadline(at: Deadline): void {
    this.#udp.setWriteDeadline(at);
  }

  [Symbol.asyncIterator](): AsyncIterator<Packet, undefined> {
    return this.#udp.iterate(asItIs);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @throws NetError `closed` */
  #open(): void {
    if (this.#udp.isClosed) throw closedError(this.#udp.site("set"));
  }

  #set(set: () => void): void {
    this.#open();
    attempt(this.#udp.site("set"), set);
  }
}

function asItIs(packet: Packet): Packet {
  return packet;
}
