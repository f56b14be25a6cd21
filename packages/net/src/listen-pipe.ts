import { type PipeAddr, pipeAddr } from "./contracts/addr.ts";
import type { Conn, Listener, WaitOptions } from "./contracts/conn.ts";
import { NetError } from "./contracts/error.ts";
import { canceledError } from "./contracts/failures.ts";
import { AcceptQueue } from "./flow/accept-queue.ts";
import { checkLimit, checkNames, checkSignal } from "./options/check-values.ts";
import { pipeOwnedBy } from "./stream/pipe.ts";
import type { StreamConn } from "./stream/stream-conn.ts";

/** How `listenPipe` accepts. Names that are not listed here are refused (`invalid_argument`). */
export interface PipeListenOptions {
  /** Most connections that wait for `accept`; one more is refused. Default 512. */
  readonly maxPending?: number | undefined;
  /** Most connections open at once; one more is refused. Default `Infinity`. */
  readonly maxConnections?: number | undefined;
}

/** A listener in memory, and the way to it. */
export interface PipeListener extends Listener<Conn<PipeAddr>, PipeAddr> {
  /**
   * Connects to it, as `dial` does to a port.
   *
   * @throws NetError `refused` where it is closed or at a limit, `canceled` by the signal.
   */
  dial(options?: WaitOptions): Promise<Conn<PipeAddr>>;
}

/**
 * Listens in memory: a server and its clients in one process, without a port. Its connections are those of
 * `pipe()`. For tests, and for what is given a listener.
 *
 * @throws NetError `invalid_argument`.
 * @example
 * const listener = listenPipe();
 * const client = await listener.dial();
 * const server = await listener.accept();
 */
export function listenPipe(options: PipeListenOptions = {}): PipeListener {
  checkNames("listen", "a listener in memory", options, { maxPending: 1, maxConnections: 1 });
  for (const name of ["maxPending", "maxConnections"] as const) {
    const value = options[name];
    if (value !== undefined) checkLimit("listen", name, value);
  }
  return new PipeQueue(options);
}

class PipeQueue extends AcceptQueue<StreamConn & Conn<PipeAddr>> implements PipeListener {
  declare readonly addr: PipeAddr;

  constructor(options: PipeListenOptions) {
    super({ ...options, addr: pipeAddr, stop: nothing });
  }

  // Async, so that what is wrong rejects.
  async dial(options?: WaitOptions): Promise<Conn<PipeAddr>> {
    const site = { op: "dial", network: "pipe", remoteAddr: pipeAddr } as const;
    const signal = options?.signal;
    checkSignal("dial", signal);
    if (signal?.aborted) throw canceledError(site, signal);
    if (this.isFull) throw new NetError({ ...site, code: "refused", reason: "connection refused" });
    const [client, server] = pipeOwnedBy(this);
    this.offer(server);
    return client;
  }
}

function nothing(): void {}
