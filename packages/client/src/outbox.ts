import { commandBytesFor, type ReceivedAnswer, type ErrorAnswer, LIMITS } from "@zocalo/protocol";
import type { Clock } from "./clock.ts";
import { ChannelError, isTemporary } from "./error.ts";
import type { Link } from "./link.ts";

/**
 * How much may wait for the server's acknowledgement. Past either limit a publish is refused with
 * `outbox_full`.
 */
export interface OutboxLimits {
  /** Publications. Default 1,000. */
  readonly entries?: number;
  /** Their JSON text together, in UTF-16 code units. Default 1,048,576. */
  readonly length?: number;
}

/** Used where `OutboxLimits` leaves a field out. */
export const defaultOutbox = { entries: 1_000, length: 1_048_576 } as const;

/** How long to wait after "not now" when the server does not say, in milliseconds. */
export const RETRY_MS = 1_000;

/**
 * How many commands are on the way at once: few on a new connection, so that one that is cut soon still gets
 * some through, and more with each answer.
 */
const IN_FLIGHT = { first: 8, most: 64 } as const;

/** Shortest and longest pause after "not now", in milliseconds; longer when the server says so. */
const PAUSE_MS = { least: 250, most: 8_000 } as const;

/** A command that is sent again on each connection until it is answered. */
export interface Entry {
  readonly channel: string;
  readonly encode: (id: number) => string;
  /** Set for what counts against the outbox limits: the length of its JSON text. */
  readonly length?: number;
  /** Set for what is given up after this many milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

interface Waiting extends Entry {
  isInFlight: boolean;
  finish(outcome: ReceivedAnswer | Error): void;
}

/**
 * Commands that must survive a lost connection, in the order in which they were given: publications (with the
 * same idempotency key each time, so that sending again is safe) and reads.
 */
export class Outbox {
  readonly #clock: Clock;
  readonly #limits: Required<OutboxLimits>;
  readonly #waiting = new Set<Waiting>();
  #entries = 0;
  #length = 0;
  #inFlight = 0;
  /** How many may be in flight. */
  #window: number = IN_FLIGHT.first;
  /** Told "not now" on this connection: grow slowly, as a server ends a session that is refused too often. */
  #isCareful = false;
  #pauseMs: number = PAUSE_MS.least;
  /** What the server has taken since the last pause. */
  #taken = 0;
  #link: Link | undefined;
  #commandBytes: number = LIMITS.commandBytes;
  #stopPause: (() => void) | undefined;
  #closedBy: Error | undefined;

  constructor(clock: Clock, limits: OutboxLimits = {}) {
    this.#clock = clock;
    this.#limits = { ...defaultOutbox, ...limits };
  }

  /** Sends what waits, in order, and from now on everything at once. */
  connected(link: Link, commandBytes: number): void {
    this.#link = link;
    this.#commandBytes = Math.min(commandBytes, commandBytesFor(LIMITS.largestDataLength));
    this.#flush();
  }

  /** The link is gone: everything is to be sent again. */
  lost(): void {
    this.#link = undefined;
    this.#stopPause?.();
    this.#stopPause = undefined;
    this.#inFlight = 0;
    this.#window = IN_FLIGHT.first;
    this.#isCareful = false;
    this.#pauseMs = PAUSE_MS.least;
    this.#taken = 0;
    for (const entry of this.#waiting) entry.isInFlight = false;
  }

  /** Rejects what waits and what comes. */
  close(error: Error | undefined): void {
    this.#closedBy = error ?? new Error("the session was closed");
    this.lost();
    for (const entry of this.#waiting) entry.finish(this.#closedError(entry.channel));
  }

  /** Resolves with the answer; rejects with a `ChannelError`, or with the signal's reason. */
  request(entry: Entry): Promise<ReceivedAnswer> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal(entry);
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      const { signal, timeoutMs, length } = entry;
      const onAbort = () => waiting.finish(toError(signal?.reason));
      const stopTimer =
        timeoutMs === undefined
          ? undefined
          : this.#clock.after(timeoutMs, () =>
              waiting.finish(new ChannelError("timeout", entry.channel, `no answer within ${timeoutMs} ms`)),
            );
      const waiting: Waiting = {
        ...entry,
        isInFlight: false,
        finish: (outcome) => {
          if (!this.#waiting.delete(waiting)) return;
          if (length !== undefined) {
            this.#entries -= 1;
            this.#length -= length;
          }
          stopTimer?.();
          signal?.removeEventListener("abort", onAbort);
          if (outcome instanceof Error) reject(outcome);
          else resolve(outcome);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(waiting);
      if (length !== undefined) {
        this.#entries += 1;
        this.#length += length;
      }
      this.#flush();
    });
  }

  #refusal({ channel, signal, length }: Entry): Error | undefined {
    if (signal?.aborted) return toError(signal.reason);
    if (this.#closedBy !== undefined) return this.#closedError(channel);
    if (length === undefined) return undefined;
    const { entries, length: most } = this.#limits;
    if (this.#entries >= entries) {
      return new ChannelError("outbox_full", channel, `${entries} publications wait for the server already`);
    }
    if (this.#length + length > most) {
      return new ChannelError(
        "outbox_full",
        channel,
        `more than ${most} characters would wait for the server`,
      );
    }
    return undefined;
  }

  #closedError(channel: string): ChannelError {
    return new ChannelError("closed", channel, "the session is closed", { cause: this.#closedBy });
  }

  #flush(): void {
    const link = this.#link;
    if (link === undefined || this.#stopPause !== undefined) return;
    for (const entry of this.#waiting) {
      if (this.#inFlight + 1 > this.#window) return;
      if (!entry.isInFlight) this.#send(entry, link);
    }
  }

  #send(entry: Waiting, link: Link): void {
    // A server closes for good on a command that is too large, so it must not get there. The id's digits
    // vary.
    const text = entry.encode(Number.MAX_SAFE_INTEGER);
    if (text.length * 3 > this.#commandBytes && utf8Length(text) > this.#commandBytes) {
      entry.finish(
        new ChannelError("too_large", entry.channel, `this server takes ${this.#commandBytes} bytes`),
      );
      return;
    }
    entry.isInFlight = true;
    this.#inFlight += 1;
    link.send(entry.encode, (answer) => {
      entry.isInFlight = false;
      this.#inFlight -= 1;
      if (answer.type === "error" && isTemporary(answer.code)) return this.#pause(answer);
      this.#taken += 1;
      this.#window = Math.min(IN_FLIGHT.most, this.#window + (this.#isCareful ? 1 / this.#window : 1));
      if (answer.type !== "error") entry.finish(answer);
      else entry.finish(new ChannelError(answer.code, entry.channel, answer.message));
      this.#flush();
    });
  }

  /** "Not now": everything waits, so that what was refused is not overtaken by what comes later. */
  #pause({ retryMs = RETRY_MS }: ErrorAnswer): void {
    if (this.#stopPause !== undefined) return;
    // Too little was taken to be worth the refusals: longer pauses gather more permission.
    const wasFutile = this.#taken < 4 * this.#window;
    const pauseMs = wasFutile ? this.#pauseMs * 2 : this.#pauseMs / 2;
    this.#pauseMs = Math.min(PAUSE_MS.most, Math.max(PAUSE_MS.least, pauseMs));
    this.#isCareful = true;
    this.#window = 1;
    this.#taken = 0;
    this.#stopPause = this.#clock.after(Math.max(retryMs, this.#pauseMs), () => {
      this.#stopPause = undefined;
      this.#flush();
    });
  }
}

const encoder = new TextEncoder();

function utf8Length(text: string): number {
  return encoder.encode(text).length;
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("aborted", { cause: reason });
}
