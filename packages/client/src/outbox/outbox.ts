import {
  base64Length,
  commandBytesFor,
  type ErrorAnswer,
  LIMITS,
  type ReceivedAnswer,
} from "@zocalo/protocol";
import { Attempts } from "./attempts.ts";
import { callSafely } from "../primitives/call-safely.ts";
import type { Clock } from "../primitives/clock.ts";
import { ChannelError, isTemporary, RETRY_MS, toError } from "../primitives/error.ts";
import type { KeepOptions, KeptEntry } from "./keep.ts";
import { Keeper } from "./keeper.ts";
import type { Link } from "../connection/link.ts";
import {
  encodePublish,
  type Published,
  readContent,
  toPublished,
  unknownOutcome,
  type Unpublished,
} from "./publication.ts";
import { SendWindow } from "./send-window.ts";
import { utf8Length } from "../primitives/utf8-length.ts";
import { type Entry, refuse, type Treatment, type Waiting } from "./waiting.ts";
import { withResolvers } from "../primitives/with-resolvers.ts";

/**
 * How much may wait for the server's acknowledgement. Past either limit a publish is refused with
 * `outbox_full`.
 */
export interface OutboxLimits {
  /** Publications. Default 1,000. */
  readonly entries?: number;
  /** Their JSON text together, bytes in base64, in UTF-16 code units. Default 1,048,576. */
  readonly length?: number;
}

/** Used where `OutboxLimits` leaves a field out. */
export const defaultOutbox = { entries: 1_000, length: 1_048_576 } as const;

/** A server that remembers keys for less remembers none: to write down that it is sent takes longer. */
const LEAST_KEY_MS = 1_000;

/** Part of that time in which something is sent again. The rest is room for a slow path. */
const SAFE_PART = 0.75;

/** The largest command that any server takes. */
const MOST_BYTES = commandBytesFor(base64Length(LIMITS.largestDataLength));

/**
 * Commands that must survive a lost connection, in the order in which they were given: publications (with the
 * same idempotency key each time, so that sending again is safe) and reads.
 */
export class Outbox {
  readonly #clock: Clock;
  readonly #limits: Required<OutboxLimits>;
  readonly #keeper: Keeper | undefined;
  readonly #waiting = new Set<Waiting>();
  #entries = 0;
  #length = 0;
  #inFlight = 0;
  #window = new SendWindow();
  #link: Link | undefined;
  #commandBytes: number = LIMITS.commandBytes;
  /** How long the server remembers keys, in milliseconds. One that does not say so remembers none. */
  #keyMs = 0;
  #stopPause: (() => void) | undefined;
  /** Stops waiting until more may be sent. */
  #stopWaiting: (() => void) | undefined;
  /** Channels for which there is no room now, with what stops waiting for it. */
  readonly #held = new Map<string, () => void>();
  #closedBy: Error | undefined;

  constructor(clock: Clock, limits: Required<OutboxLimits>, keep?: KeepOptions) {
    this.#clock = clock;
    this.#limits = limits;
    this.#keeper = keep && new Keeper(keep, clock, (entries) => this.#takeOver(entries, keep));
  }

  /** Sends what waits, in order, and from now on everything at once. */
  connected(link: Link, commandBytes: number, keyMs: number | undefined): void {
    this.#link = link;
    this.#commandBytes = Math.min(commandBytes, MOST_BYTES, link.maxSendBytes);
    this.#keyMs = typeof keyMs === "number" && keyMs >= LEAST_KEY_MS ? keyMs : 0;
    this.#flush();
  }

  /** The link is gone: everything is to be sent again. */
  lost(): void {
    this.#link = undefined;
    this.#stopPause?.();
    this.#stopPause = undefined;
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
    for (const stop of this.#held.values()) stop();
    this.#held.clear();
    this.#inFlight = 0;
    this.#window = new SendWindow();
    for (const entry of this.#waiting) {
      if (!entry.isInFlight) continue;
      entry.attempts.unanswered();
      entry.isInFlight = false;
      if (entry.isOnce) {
        refuse(entry, "connection_lost", "the connection was lost, and it may have been carried out");
      }
    }
  }

  /** Rejects what waits and what comes. What is in the store stays there. */
  async close(error: Error | undefined): Promise<void> {
    this.#closedBy = error ?? new Error("the session was closed");
    for (const entry of this.#waiting) entry.finish(this.#closedError(entry.channel));
    this.lost();
    await this.#keeper?.close();
  }

  /** Resolves with the answer; rejects with a `ChannelError`, or with the signal's reason. */
  request(entry: Entry): Promise<ReceivedAnswer> {
    const refusal = this.refusal(entry.channel, entry.signal);
    if (refusal !== undefined) return Promise.reject(refusal);
    const answer = this.#wait(entry, undefined);
    this.#flush();
    return answer.promise;
  }

  /** The same for what must not be carried out twice. */
  async publish(unpublished: Unpublished, { isKept, kept, signal }: Treatment): Promise<Published> {
    const { channel, json } = unpublished;
    const refusal = this.refusal(channel, signal) ?? this.#fullness(channel, json.length);
    if (refusal !== undefined) throw refusal;
    // If it is sent at once, the store learns that together with it.
    const mustWait = (this.#stopPause ?? this.#stopWaiting) !== undefined;
    const goesNow = this.#link !== undefined && !mustWait && this.#entries < this.#window.size;
    const { waiting, promise } = this.#wait(
      { channel, encode: encodePublish(unpublished), signal },
      unpublished,
    );
    if (this.#keeper !== undefined && isKept) {
      if (goesNow) waiting.attempts.begin();
      waiting.isWriting = true;
      const at = this.#clock.wall();
      this.#keeper.add({ ...unpublished, at, ...(goesNow ? { sentAt: at } : {}) }, (id) => {
        waiting.id = id;
        waiting.isWriting = false;
        if (id !== undefined && kept !== undefined) callSafely(kept);
        if (this.#waiting.has(waiting)) this.#flush();
        else this.#forget(waiting);
      });
    } else this.#flush();
    return toPublished(await promise, channel);
  }

  /** Why nothing more is taken for this channel; `undefined` if it is. */
  refusal(channel: string, signal: AbortSignal | undefined): Error | undefined {
    if (signal?.aborted) return toError(signal.reason);
    return this.#closedBy && this.#closedError(channel);
  }

  #fullness(channel: string, length: number): Error | undefined {
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

  #wait(entry: Entry, unpublished: Unpublished | undefined, kept?: KeptEntry) {
    const { promise, resolve, reject } = withResolvers<ReceivedAnswer>();
    const { signal, timeoutMs, isOnce } = entry;
    const length = unpublished?.json.length;
    const onAbort = () => waiting.finish(toError(signal?.reason));
    const stopTimer =
      timeoutMs === undefined
        ? undefined
        : this.#clock.after(timeoutMs, () =>
            refuse(waiting, isOnce ? "deadline_exceeded" : "timeout", `no answer within ${timeoutMs} ms`),
          );
    const waiting: Waiting = {
      ...entry,
      unpublished,
      isInFlight: false,
      sentAs: 0,
      isWriting: false,
      isPutOff: false,
      id: kept?.id,
      isLeft: false,
      attempts: new Attempts(this.#clock, kept?.sentAt),
      finish: (outcome) => {
        if (!this.#waiting.delete(waiting)) return;
        if (length !== undefined) {
          this.#entries -= 1;
          this.#length -= length;
        }
        // Nobody waits for it any longer.
        if (isOnce && waiting.isInFlight) this.#link?.tell(`{"type":"cancel","call":${waiting.sentAs}}`);
        stopTimer?.();
        signal?.removeEventListener("abort", onAbort);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
        waiting.isLeft = this.#closedBy !== undefined;
        if (waiting.id === undefined || waiting.isLeft) return;
        if (outcome instanceof Error) this.#clock.after(0, () => this.#forget(waiting));
        else this.#forget(waiting);
      },
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#waiting.add(waiting);
    if (length !== undefined) {
      this.#entries += 1;
      this.#length += length;
    }
    return { waiting, promise };
  }

  /** It is settled, and everybody was told. */
  #forget({ id, isLeft }: Waiting): void {
    if (id !== undefined && !isLeft) this.#keeper?.remove(id);
  }

  /** What earlier sessions left goes before what this one has to say. */
  #takeOver(entries: readonly KeptEntry[], keep: KeepOptions): void {
    if (this.#closedBy !== undefined) return;
    const own = [...this.#waiting];
    this.#waiting.clear();
    for (const entry of entries) {
      const { channel, key, at } = entry;
      const { promise } = this.#wait({ channel, encode: encodePublish(entry) }, entry, entry);
      const published = promise.then((answer) => toPublished(answer, channel));
      published.catch(() => {}); // Whoever awaits it is told.
      callSafely(() => keep.left({ channel, key, ...readContent(entry), at, published }));
    }
    for (const entry of own) this.#waiting.add(entry);
    this.#flush();
  }

  #flush(): void {
    const link = this.#link;
    if (link === undefined || this.#stopPause !== undefined) return;
    /** A publication waits for the store, and those behind it for that one. */
    let isHeldUp = false;
    let room = this.#window.size - this.#inFlight;
    for (const entry of this.#waiting) {
      if (room < 1) return;
      if (entry.isInFlight) continue;
      if (this.#mustWait(entry, link)) return;
      if (entry.unpublished !== undefined) {
        if (entry.isPutOff || this.#held.has(entry.channel) || this.#isPastItsTime(entry)) continue;
        if (entry.id !== undefined && entry.attempts.isNew && !entry.isWriting) this.#begin(entry, entry.id);
        if (entry.isWriting) {
          isHeldUp = true;
          room -= 1;
        }
        if (isHeldUp) continue;
      }
      if (this.#send(entry, link)) room -= 1;
    }
  }

  /** True if it would be more than the server lets this connection send now. It goes on when it is not. */
  #mustWait(entry: Waiting, { allowance }: Link): boolean {
    const ms = allowance.waitMs(entry.unpublished);
    if (ms === 0) return false;
    this.#stopWaiting ??= this.#clock.after(ms, () => {
      this.#stopWaiting = undefined;
      this.#flush();
    });
    return true;
  }

  /** The server may have forgotten its key: what may be in the log is not sent again. */
  #isPastItsTime({ attempts, channel, finish }: Waiting): boolean {
    if (attempts.mayGoOn(this.#keyMs * SAFE_PART)) return false;
    finish(unknownOutcome(channel));
    return true;
  }

  /** Has the store know that it is sent before it is. */
  #begin(entry: Waiting, id: number): void {
    const { attempts, channel } = entry;
    entry.isWriting = true;
    attempts.begin();
    this.#keeper?.begin(id, (isOurs) => {
      entry.isWriting = false;
      if (isOurs === undefined) {
        attempts.refused();
        entry.isPutOff = true;
        this.#clock.after(RETRY_MS, () => {
          entry.isPutOff = false;
          this.#flush();
        });
      } else if (!isOurs) {
        const message = "another session has it now, or the store was emptied";
        entry.finish(new ChannelError("unknown_outcome", channel, message));
      }
      this.#flush();
    });
  }

  /**
   * False if it is refused here: a server closes for good on a command that is too large, and behind one that
   * the connection never sends nothing else would be.
   */
  #send(entry: Waiting, link: Link): boolean {
    // The id's digits vary.
    const text = entry.encode(Number.MAX_SAFE_INTEGER);
    if (text.length * 3 > this.#commandBytes && utf8Length(text) > this.#commandBytes) {
      refuse(entry, "too_large", `this connection takes ${this.#commandBytes} bytes`);
      return false;
    }
    entry.isInFlight = true;
    entry.attempts.sent(this.#keyMs * SAFE_PART);
    // How long a call takes says nothing of how fast the server takes commands.
    const weight = entry.isOnce ? 0 : 1;
    this.#inFlight += weight;
    const told = entry.unpublished && link.allowance.publishing(entry.unpublished);
    const answered = (answer: ReceivedAnswer) => {
      entry.isInFlight = false;
      this.#inFlight -= weight;
      told?.(answer);
      if (answer.type === "error" && weight > 0 && isTemporary(answer)) return this.#notNow(entry, answer);
      this.#window.taken();
      if (answer.type !== "error") entry.finish(answer);
      else refuse(entry, answer.code, answer.message);
      this.#flush();
    };
    entry.sentAs = link.send(entry.encode, answered, entry.isOnce);
    return weight > 0;
  }

  #notNow(entry: Waiting, answer: ErrorAnswer): void {
    if (answer.code === "unavailable") entry.attempts.unanswered();
    else entry.attempts.refused();
    if (answer.code === "limit_reached") this.#hold(entry.channel, answer.retryMs);
    else this.#pause(answer.retryMs);
  }

  /** No room in one channel: what is for others goes on. */
  #hold(channel: string, retryMs = RETRY_MS): void {
    if (!this.#held.has(channel)) {
      const stop = this.#clock.after(Math.max(retryMs, RETRY_MS), () => {
        this.#held.delete(channel);
        this.#flush();
      });
      this.#held.set(channel, stop);
    }
    this.#flush();
  }

  /** "Not now": everything waits, so that what was refused is not overtaken by what comes later. */
  #pause(retryMs = RETRY_MS): void {
    if (this.#stopPause !== undefined) return;
    this.#stopPause = this.#clock.after(this.#window.refused(retryMs), () => {
      this.#stopPause = undefined;
      this.#flush();
    });
  }
}
