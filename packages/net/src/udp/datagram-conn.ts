import type { Socket } from "node:dgram";
import type { IpAddr } from "../contracts/addr.ts";
import type { WaitOptions } from "../contracts/conn.ts";
import type { DatagramSocket, DatagramSocketHandler } from "../contracts/datagram-socket.ts";
import type { Message, SendOutcome } from "../contracts/message-conn.ts";
import { keptMessage } from "./kept-message.ts";
import { type UdpLimits, UdpSocket } from "./udp-socket.ts";

/** Receives the datagrams of one peer. */
export type DatagramHandler = DatagramSocketHandler<Uint8Array>;

/**
 * A datagram socket connected to one peer: only its datagrams are received, and what the network reports
 * about those sent to it (ICMP) becomes an error. Datagrams may be lost, doubled or overtaken. Connecting
 * sends none, so it says nothing about whether anybody is there.
 *
 * Whose memory it is: a received datagram is the application's own. A sent one is read until the promise of
 * `send` has settled, by `trySend` until it returns, and not after.
 *
 * @example
 * const conn = await dial("udp", "127.0.0.1:7001");
 * await conn.send("hola");
 * const answer = await conn.receive({ signal: AbortSignal.timeout(1000) });
 */
export interface DatagramConn extends DatagramSocket<Uint8Array, Message> {
  readonly remoteAddr: IpAddr;

  /**
   * Sends one datagram, bytes or text, which leaves as UTF-8; resolves when the system has taken it. Its
   * memory is read until then, see `PacketConn.send`.
   *
   * @throws NetError `invalid_argument` for what is neither, `too_large`, `refused` (of an earlier one), …
   */
  send(message: Message, options?: WaitOptions): Promise<void>;

  /**
   * Sends without waiting. See `PacketConn.trySend`. What the network reports goes to `receive`, or to the
   * handler's `error`.
   */
  trySend(message: Message): SendOutcome;
}

/** A datagram socket that is connected. */
export class ConnectedDatagramConn extends UdpSocket<Uint8Array, Message> implements DatagramConn {
  readonly remoteAddr: IpAddr;

  constructor(socket: Socket, network: string, limits: UdpLimits, remoteAddr: IpAddr) {
    super(socket, network, limits, remoteAddr);
    this.remoteAddr = remoteAddr;
  }

  send(message: Message, options?: WaitOptions): Promise<void> {
    return this.sending.send(message, undefined, options);
  }

  trySend(message: Message): SendOutcome {
    return this.sending.trySend(message, undefined);
  }

  protected received(bytes: Uint8Array): Uint8Array {
    return bytes;
  }

  protected sendOne(message: Message, options: WaitOptions | undefined): Promise<void> {
    return this.send(message, options);
  }

  protected trySendOne(message: Message): SendOutcome {
    return this.trySend(message);
  }

  protected kept(message: Message): Message {
    return keptMessage(message);
  }
}
