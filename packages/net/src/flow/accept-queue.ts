import { untilCanceled } from "./abort-listeners.ts";
import type { Addr } from "../contracts/addr.ts";
import { AddressCounts, exemptSet, type Holder } from "./address-limits.ts";
import type { Deadline, Listener, WaitOptions } from "../contracts/conn.ts";
import { DeadlineTimer } from "./deadline.ts";
import type { NetError } from "../contracts/error.ts";
import { argumentError, canceledError, closedError } from "../contracts/failures.ts";
import { Roster, type RosterMember } from "./roster.ts";
import { rejection, told } from "./told.ts";
import { asIteratorResult, Waiter, Waiters } from "./waiters.ts";
import { checkLimit } from "../options/check-values.ts";

/**
 * How many connections may wait for `accept` unless told otherwise: Node's and Go's listen backlog in round
 * figures.
 */
export const DEFAULT_MAX_PENDING = 512;

/** What an `AcceptQueue` needs to know of its source. */
export interface AcceptQueueOptions {
  /** Where the source listens. */
  readonly addr: Addr;
  /** The network as the user named it, for error messages. Default: that of `addr`. */
  readonly network?: string | undefined;
  /** Most connections that wait for `accept`; one more is refused. Default 512. */
  readonly maxPending?: number | undefined;
  /**
   * Whose connections may fill all places of `maxPending`; those of any other address half of them, rounded
   * up. Default: this machine, `localAddresses`.
   */
  readonly exemptAddresses?: readonly string[] | undefined;
  /** Most connections open at once, waiting ones included; one more is refused. Default `Infinity`. */
  readonly maxConnections?: number | undefined;
  /** Stops the source: no `offer` follows. Called once. */
  stop(): void | Promise<void>;
  /** The source holds the process from now on, or does not. Default: nothing is done: memory holds none. */
  holdProcess?(holds: boolean): void;
}

/**
 * How many of `maxPending` places one address may take: half of them, rounded up. Else the first that comes
 * while the application is slow would have them all, since it may have more connections open than there are
 * places.
 */
function pendingShare(maxPending: number): number {
  return Math.ceil(maxPending / 2);
}

/** A connection that can be offered, to one queue. */
export interface Accepted extends RosterMember {
  /** Cuts it at once: nobody will accept it. */
  abort(): void;
}

/**
 * The accepting half of every listener: a bounded queue between a source that offers connections as they
 * arrive and an application that accepts them, and the set of those that are open.
 *
 * The source calls `offer(conn)` for each, drops the connection if the answer is `false`, and calls
 * `ended(conn)` when it is over.
 *
 * @example
 * const queue = new AcceptQueue<Conn>({ addr, stop: () => server.close() });
 * server.on("connection", (socket) => { if (!queue.offer(wrap(socket))) socket.destroy(); });
 */
export class AcceptQueue<C extends Accepted> implements Listener<C> {
  readonly addr: Addr;
  readonly #network: string;
  readonly #maxPending: number;
  readonly #maxConnections: number;
  readonly #stopSource: () => void | Promise<void>;
  readonly #holdProcess: (holds: boolean) => void;
  readonly #open = new Roster<C>();
  /** Closed by the application, still held by the system for the peer's sake. */
  readonly #leaving = new Roster<C>();
  readonly #pending: Pending<C>[] = [];
  /** Of `#pending`. */
  readonly #perAddress: AddressCounts;
  /** Calls of `accept`, and of a loop's `next`; `null` tells them that the listener is closed. */
  readonly #waiters = new Waiters<Waiter<C | null, unknown>>();
  readonly #onEmpty: (() => void)[] = [];
  /** Who gets each connection, in place of those who wait. */
  #take: ((conn: C) => void) | undefined;
  #isStopped = false;
  #stopped = Promise.resolve();
  #failure: NetError | undefined;

  /** @throws NetError `invalid_argument` for a limit that is not a whole number of at least 1. */
  constructor(options: AcceptQueueOptions) {
    this.addr = options.addr;
    this.#network = options.network ?? options.addr.network;
    checkAcceptLimits(options);
    this.#maxPending = options.maxPending ?? DEFAULT_MAX_PENDING;
    this.#perAddress = new AddressCounts(pendingShare(this.#maxPending), exemptSet(options.exemptAddresses));
    this.#maxConnections = options.maxConnections ?? Number.POSITIVE_INFINITY;
    this.#stopSource = () => options.stop();
    this.#holdProcess = (holds) => options.holdProcess?.(holds);
  }

  /** Connections that are open, those waiting for `accept` and those `leaving` included. */
  get openCount(): number {
    return this.#open.size + this.#leaving.size;
  }

  /** Connections that wait for `accept`. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  /** True if one more connection would be refused: closed, or at a limit. */
  get isFull(): boolean {
    if (this.#isStopped || this.openCount >= this.#maxConnections) return true;
    return !this.isAwaited && this.#pending.length >= this.#maxPending;
  }

  /** True if somebody waits in `accept`: the next connection takes no place, whoever's it is. */
  get isAwaited(): boolean {
    return this.#waiters.first !== undefined;
  }

  /**
   * True if one more connection from `host` would be refused: `isFull`, or its address has its share of the
   * places.
   */
  isFullFor(host: string | undefined): boolean {
    if (this.isFull) return true;
    return host !== undefined && !this.isAwaited && !this.#perAddress.hasRoom(host);
  }

  /**
   * Takes a new connection in. `false` means it was refused and the source must drop it.
   *
   * @param host the peer's address. Left out where nobody can say: then all places are open to it.
   */
  offer(conn: C, host?: string): boolean {
    if (this.isFull) return false;
    const take = this.#take;
    const waiter = take === undefined ? this.#waiters.shift() : undefined;
    if (take === undefined && waiter === undefined) {
      const holder = host === undefined ? undefined : this.#perAddress.take(host);
      if (host !== undefined && holder === undefined) return false;
      this.#pending.push({ conn, holder });
    }
    this.#open.add(conn);
    this.admitted(conn);
    if (take === undefined) waiter?.resolve(conn);
    else take(conn);
    return true;
  }

  /** Called for each connection that is let in, before anybody has it. */
  protected admitted(_conn: C): void {}

  /**
   * The application is done with the connection: `drain` no longer waits for it. Until it has `ended` it
   * still counts.
   */
  leaving(conn: C): void {
    if (this.#done(conn)) this.#leaving.add(conn);
  }

  /** The connection is over, accepted or not: it no longer counts. Calling it again does nothing. */
  ended(conn: C): void {
    if (!this.#done(conn)) this.#leaving.delete(conn);
  }

  /** Calls `visit` for each open connection, those that wait for `accept` included. */
  forEachOpen(visit: (conn: C) => void): void {
    this.#open.forEach(visit);
  }

  /** The same, and for those that are `leaving`. */
  forEachHeld(visit: (conn: C) => void): void {
    this.#open.forEach(visit);
    this.#leaving.forEach(visit);
  }

  /**
   * The source broke: waiting and later calls of `accept` reject with `failure`, iteration throws it. Open
   * connections live on.
   */
  fail(failure: NetError): void {
    this.#failure ??= failure;
    void told(this.#stop()); // `accept` tells `failure`; `close` tells what went wrong in stopping.
  }

  accept(options?: WaitOptions): Promise<C> {
    const signal = options?.signal;
    if (signal?.aborted) return rejection(this.#canceled(signal));
    const conn = this.#nextPending();
    if (conn !== undefined) return Promise.resolve(conn);
    if (this.#isStopped) return rejection(this.#endedError());
    if (this.#take !== undefined) return rejection(takenError(this.addr));
    const waiter = new Waiter((next: C | null): C => {
      if (next === null) throw this.#endedError();
      return next;
    });
    return this.#waiters.add(waiter, signal, (by) => this.#canceled(by)).promise;
  }

  /**
   * Ends quietly when the listener is closed. Leaving the loop closes nothing: iterate again to go on.
   *
   * Not a generator: that would leave a kilobyte of garbage for each connection.
   */
  [Symbol.asyncIterator](): AsyncIterator<C, undefined> {
    let hasLeft = false;
    return {
      next: () => {
        if (hasLeft) return Promise.resolve(OVER);
        return this.#take && !this.#isStopped ? rejection(takenError(this.addr)) : this.#next();
      },
      return: () => {
        hasLeft = true;
        return Promise.resolve(OVER);
      },
    };
  }

  #next(): Promise<IteratorResult<C, undefined>> {
    const conn = this.#nextPending();
    if (conn !== undefined) return Promise.resolve({ done: false, value: conn });
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#isStopped) return Promise.resolve(OVER);
    return this.#waiters.add(new Waiter(asIteratorResult<C>)).promise;
  }

  /**
   * Gives each connection to `take` in the call of `offer`, without the promise that `accept` and a loop have
   * for each. Called once, in place of them.
   *
   * @param take must not throw.
   * @returns when the listener is closed.
   * @throws through the promise what a loop would throw.
   */
  async takeEach(take: (conn: C) => void): Promise<void> {
    for (let conn = this.#nextPending(); conn !== undefined; conn = this.#nextPending()) take(conn);
    this.#take = take;
    await this.#next(); // It is told of nothing but the end.
  }

  close(): Promise<void> {
    return this.#stop();
  }

  unref(): void {
    this.#holdProcess(false);
  }

  ref(): void {
    this.#holdProcess(true);
  }

  drain(deadline: Deadline, { signal }: WaitOptions = {}): Promise<void> {
    return told(untilCanceled(this.#drain(deadline), signal, (by) => this.#canceled(by)));
  }

  async #drain(deadline: Deadline): Promise<void> {
    let giveUp: (() => void) | undefined;
    const timer = new DeadlineTimer(() => giveUp?.());
    timer.set(deadline); // Before anything is stopped: it may throw.
    await this.#stop();
    if (this.#open.size === 0 || timer.hasPassed) {
      timer.set(null);
      return this.abort();
    }
    // A connection that is not being read does not keep the process alive; whoever waits for it does.
    const alive = setInterval(() => undefined, 2 ** 30);
    await new Promise<void>((resolve) => {
      giveUp = resolve;
      this.#onEmpty.push(resolve);
    });
    clearInterval(alive);
    timer.set(null);
    return this.abort();
  }

  async abort(): Promise<void> {
    const stopped = this.#stop();
    this.#open.forEach((conn) => {
      conn.abort();
      this.ended(conn);
    });
    await stopped;
  }

  /** `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #nextPending(): C | undefined {
    const pending = this.#pending.shift();
    return pending && this.#leavesQueue(pending);
  }

  #leavesQueue({ conn, holder }: Pending<C>): C {
    if (holder !== undefined) this.#perAddress.release(holder);
    return conn;
  }

  /** True if it was open. */
  #done(conn: C): boolean {
    if (!this.#open.delete(conn)) return false;
    const at = this.#pending.findIndex((pending) => pending.conn === conn);
    if (at !== -1) for (const pending of this.#pending.splice(at, 1)) this.#leavesQueue(pending);
    if (this.#open.size === 0) for (const tell of this.#onEmpty.splice(0)) tell();
    return true;
  }

  #stop(): Promise<void> {
    if (!this.#isStopped) {
      this.#isStopped = true; // First of all: what is called below may call back.
      this.#stopped = this.#stopNow();
    }
    return this.#stopped;
  }

  async #stopNow(): Promise<void> {
    const stopping = this.#stopSource();
    for (const waiter of this.#waiters.takeAll()) {
      if (this.#failure) waiter.reject(this.#failure);
      else waiter.resolve(null);
    }
    for (const pending of this.#pending.splice(0)) {
      const conn = this.#leavesQueue(pending);
      conn.abort();
      this.ended(conn);
    }
    await stopping;
  }

  #endedError(): NetError {
    if (this.#failure) return this.#failure;
    return closedError({ op: "accept", network: this.#network, localAddr: this.addr });
  }

  #canceled(signal: AbortSignal): NetError {
    return canceledError({ op: "accept", network: this.#network, localAddr: this.addr }, signal);
  }
}

/** Who asked would wait for ever. */
function takenError(addr: Addr): NetError {
  return argumentError(
    "accept",
    `what arrives at ${String(addr)} goes to the listener that stands on this one`,
  );
}

const OVER: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined });

/** A connection that waits for `accept`. */
interface Pending<C> {
  readonly conn: C;
  readonly holder: Holder | undefined;
}

/** Checks the limits before there is a queue. @throws NetError `invalid_argument`. */
export function checkAcceptLimits(limits: Pick<AcceptQueueOptions, "maxPending" | "maxConnections">): void {
  for (const name of ["maxPending", "maxConnections"] as const) {
    const value = limits[name];
    if (value !== undefined) checkLimit("listen", name, value);
  }
}
