import type { Socket } from "node:net";
import type { NetOp } from "../contracts/error.ts";
import { checkSystemTime, checkTime } from "./check-values.ts";

/**
 * Idle time after which the system asks whether the peer is still there, unless told otherwise, in
 * milliseconds; as in Go.
 */
export const DEFAULT_KEEP_ALIVE_IDLE_MS = 15_000;

/**
 * What can be set on a connection, with the kernel's names. Node has no way to set the linger time (`abort()`
 * resets, everything else is sent), the socket's buffer sizes, nor how often and at what interval keep-alive
 * asks: those are the system's.
 */
export interface SocketOptions {
  /**
   * Send small writes at once (TCP_NODELAY). `false` lets the system collect them, for up to 40 ms. Default
   * `true`.
   */
  readonly noDelay?: boolean | undefined;
  /**
   * Find out about dead peers on idle connections (SO_KEEPALIVE). Told to whoever reads or writes; while
   * reading is paused, because what arrived is not taken, only the next call is. Default `true`.
   */
  readonly keepAlive?: boolean | undefined;
  /**
   * Idle time before the first keep-alive probe, in milliseconds, rounded down to seconds: 1,000 to 2^31 - 1,
   * as it is the system's. Default 15 s.
   */
  readonly keepAliveIdleMs?: number | undefined;
  /**
   * How long `close` waits for the peer to take what was written, in milliseconds. Default 10 s; `Infinity`:
   * for ever.
   */
  readonly closeTimeoutMs?: number | undefined;
}

/** The same with the defaults filled in, as Node names them. */
export interface NodeSocketOptions {
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelay: number;
}

/** Checks the options and fills in the defaults. @throws NetError `invalid_argument`. */
export function nodeSocketOptions(options: SocketOptions | undefined, op: NetOp): NodeSocketOptions {
  const { keepAliveIdleMs: keepAliveInitialDelay = DEFAULT_KEEP_ALIVE_IDLE_MS } = options ?? {};
  checkSystemTime(op, "keepAliveIdleMs", keepAliveInitialDelay, 1000);
  if (options?.closeTimeoutMs !== undefined) checkTime(op, "closeTimeoutMs", options.closeTimeoutMs);
  return {
    noDelay: options?.noDelay ?? true,
    keepAlive: options?.keepAlive ?? true,
    keepAliveInitialDelay,
  };
}

/** Whether the path of a Unix socket means an abstract name, and how Node wants it. */
export function nodePath(path: string): string {
  return path.startsWith("@") ? `\0${path.slice(1)}` : path;
}

/** An address of this machine or the peer, as Go prints it: IPv4 also when it came by a dual-stack socket. */
export function plainHost(host: string | undefined): string {
  if (host === undefined) return "";
  return host.startsWith("::ffff:") && host.includes(".") ? host.slice(7) : host;
}

/** Where the peer of a socket is, before it is closed. */
export function peerOf(socket: Socket): { host: string; port: number } {
  return { host: plainHost(socket.remoteAddress), port: socket.remotePort ?? 0 };
}
