import type { Socket } from "node:dgram";
import { isIp } from "./udp-lookup.ts";

/** A datagram that was handed over, and of which it is not yet known how it went. */
export class InFlight {
  /** Nothing but the word on it is missing: the system has taken or refused it. */
  isDecided = false;
  /** Called once, with what went wrong or `null`. */
  onSettled: ((error: Error | null) => void) | undefined;
  /** Called before it, whoever else waits. */
  always: (() => void) | undefined;

  settle(error: Error | null): void {
    this.always?.();
    this.onSettled?.(error);
  }
}

/** `taken` by the system, refused by it, or not known yet. */
export type SendStatus = "taken" | InFlight | Error;

/** How one socket's datagrams get to the system. */
export interface DatagramSender {
  /** Bytes that wait in this process, because the system is behind. */
  readonly queuedBytes: number;
  /**
   * `host` and `port` are left out on a connected socket. A name is looked up. `bytes` are read until it is
   * known how it went.
   *
   * @throws what Node does for bad arguments.
   */
  send(bytes: Uint8Array, host?: string, port?: number): SendStatus;
  /**
   * As `send`, for those who do not wait for the outcome; `taken` may then be a guess. `bytes` are not read
   * after the call.
   */
  trySend(bytes: Uint8Array, host?: string, port?: number): SendStatus;
}

/** Sends as Node documents it. What became of a datagram is told by a callback in a later tick. */
export function documentedSender(socket: Socket): DatagramSender {
  const send = (bytes: Uint8Array, host?: string, port?: number): InFlight => {
    const inFlight = new InFlight();
    const onSent = (error: Error | null): void => inFlight.settle(error);
    if (host === undefined) socket.send(bytes, onSent);
    else socket.send(bytes, port, host, onSent);
    inFlight.isDecided = (host === undefined || isIp(host)) && socket.getSendQueueCount() === 0;
    return inFlight;
  };
  return {
    get queuedBytes() {
      return socket.getSendQueueSize();
    },
    send,
    // Node does not say beforehand whether a datagram will wait, for the system or for a name, so each is
    // copied.
    trySend(bytes, host, port) {
      const inFlight = send(ownCopy(bytes), host, port);
      return inFlight.isDecided ? "taken" : inFlight;
    },
  };
}

/** The same bytes in memory of their own; what is no bytes is left for Node to refuse. */
export function ownCopy(bytes: Uint8Array): Uint8Array {
  if (!ArrayBuffer.isView(bytes)) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  copy.set(asBytes(bytes));
  return copy;
}

/** Callers in JavaScript pass other views too. */
export function asBytes(view: Uint8Array): Uint8Array {
  return view instanceof Uint8Array
    ? view
    : new Uint8Array((view as DataView).buffer, (view as DataView).byteOffset, (view as DataView).byteLength);
}
