import type { Socket } from "node:dgram";
import type { IpAddr } from "../contracts/addr.ts";
import type { WaitOptions } from "../contracts/conn.ts";
import type { DatagramSocket, DatagramSocketHandler } from "../contracts/datagram-socket.ts";
import type { SendOutcome } from "../contracts/message-conn.ts";
import { keptBytes } from "./send-half.ts";
import { type UdpLimits, UdpSocket } from "./udp-socket.ts";

/** Receives the datagrams of one peer. */
export type DatagramHandler = DatagramSocketHandler<Uint8Array>;

/**
 * A datagram socket connected to one peer: only its datagrams are received, and what the network reports about those sent to
 * it (ICMP) becomes an error. Datagrams may be lost, doubled or overtaken. Connecting sends none, so it says nothing about
 * whether anybody is there.
 *
 * Whose memory it is: a received datagram is the application's own. A sent one is read until the promise of `send` has settled, by `trySend` until
 * it returns, and not after.
 *
 * @example
 * const conn = await dial("udp", "127.0.0.1:7001");
 * await conn.send(Buffer.from("hola"));
 * const answer = await conn.receive({ signal: AbortSignal.timeout(1000) });
 */
export interface DatagramConn extends DatagramSocket<Uint8Array> {
  readonly remoteAddr: IpAddr;

  /**
   * Sends one datagram; resolves when the system has taken it. Its memory is read until then, see `PacketConn.send`.
   *
   * @throws NetError `too_large`, `refused` (of an earlier one), …
   */
  send(bytes: Uint8Array, options?: WaitOptions): Promise<void>;

  /** Sends without waiting. See `PacketConn.trySend`. What the network reports goes to `receive`, or to the handler's `error`. */
  trySend(bytes: Uint8Array): SendOutcome;
}

/** A datagram socket that is connected. */
export class ConnectedDatagramConn extends UdpSocket<Uint8Array> implements DatagramConn {
  readonly remoteAddr: IpAddr;

  constructor(socket: Socket, network: string, limits: UdpLimits, remoteAddr: IpAddr) {
    super(socket, network, limits, remoteAddr);
    this.remoteAddr = remoteAddr;
  }

  send(bytes: Uint8Array, options?: WaitOptions): Promise<void> {
    return this.sending.send(bytes, undefined, options);
  }

  trySend(bytes: Uint8Array): SendOutcome {
    return this.sending.trySend(bytes, undefined);
  }

  protected received(bytes: Uint8Array): Uint8Array {
    return bytes;
  }

  protected sendOne(bytes: Uint8Array, options: WaitOptions | undefined): Promise<void> {
    return this.send(bytes, options);
  }

  protected trySendOne(bytes: Uint8Array): SendOutcome {
    return this.trySend(bytes);
  }

  protected kept(bytes: Uint8Array): Uint8Array {
    return keptBytes(bytes);
  }
}
