import { codeOf, IntegrityFailure, must } from "./failure.ts";
import { agreement, describeBytes } from "./stamp.ts";

/** Codes with which a call says that it was cut short: what it counts as written is exact. */
const CUT: ReadonlySet<string> = new Set(["timeout", "canceled", "closed"]);

/** Bytes of a step. After a failure the system may have taken part of one more than was reported. */
const STEP_BYTES = 65_536;

/** What one call was given, and what it said of it. */
interface Handed {
  readonly start: number;
  readonly length: number;
  outcome: "pending" | "unknown" | "taken" | "cut" | "failed";
  /** What it said was taken. */
  taken: number;
  code?: string;
}

/**
 * How the stream came to its end.
 * - `in order`: after everything that was handed over.
 * - `closed`: in order, after `close` has refused what it had not yet accepted.
 * - `broken`: by a reset or an abort.
 */
export type StreamEnd = "in order" | "closed" | "broken";

/**
 * The book of one stream: each call that was handed bytes of it, and how it settled. A call that was cut
 * short is followed by one that goes on where it said, so the receiver must get the taken parts, one after
 * the other.
 */
export class StreamLedger {
  readonly stream: number;
  readonly #handed: Handed[] = [];
  /** Where the next call begins. */
  position = 0;

  constructor(stream: number) {
    this.stream = stream;
  }

  /** Books a call that is handed `length` bytes from `position` on. */
  hand(length: number): Handed {
    const handed: Handed = { start: this.position, length, outcome: "pending", taken: 0 };
    this.#handed.push(handed);
    this.position += length;
    return handed;
  }

  taken(handed: Handed): void {
    handed.outcome = "taken";
    handed.taken = handed.length;
  }

  /**
   * Nobody knows how many bytes of the call were taken: nobody waited for it, or its answer has no number.
   */
  unknown(handed: Handed): void {
    handed.outcome = "unknown";
    handed.taken = 0;
    delete handed.code;
  }

  /** @returns how many bytes were taken. */
  rejected(handed: Handed, error: unknown): number {
    const bytesWritten: unknown = error instanceof Error ? Reflect.get(error, "bytesWritten") : undefined;
    handed.code = codeOf(error);
    handed.outcome = CUT.has(handed.code) ? "cut" : "failed";
    handed.taken = typeof bytesWritten === "number" ? bytesWritten : 0;
    must(
      handed.taken <= handed.length,
      () => `a write of ${handed.length} bytes says that ${handed.taken} were written (${handed.code})`,
    );
    return handed.taken;
  }

  /** Bytes that calls said were taken. */
  get takenBytes(): number {
    return this.#handed.reduce((sum, { taken }) => sum + taken, 0);
  }

  /** @throws IntegrityFailure if a call has not settled. */
  mustBeSettled(): void {
    const waiting = this.#handed.filter(({ outcome }) => outcome === "pending").length;
    must(waiting === 0, () => `${waiting} writes of stream ${this.stream} never settled`);
  }

  /** The calls that failed, in words. */
  describe(): string {
    const bad = this.#handed.filter(({ outcome }) => outcome === "cut" || outcome === "failed");
    const some = bad
      .slice(0, 4)
      .map(({ start, length, taken, code }) => `${start}+${length}: ${taken} ${code}`);
    return `${this.#handed.length} writes of stream ${this.stream}, ${bad.length} rejected [${some.join("; ")}]`;
  }

  /**
   * Holds what came against the book.
   *
   * @param received Only this stream's bytes, in order.
   * @param ending Unless it is `broken` all that was taken must be there; else a prefix may be.
   * @param holdBytes Most bytes that two systems can hold between them, for `broken`.
   */
  check(received: readonly Uint8Array[], ending: StreamEnd, holdBytes = Number.POSITIVE_INFINITY): void {
    const cursor = new Cursor(received);
    for (const { start, length, outcome, taken, code } of this.#handed) {
      // `closed` says two things: that `close` cut a write short, or that `abort` did, with a step under way.
      const isAborted = ending === "broken" && outcome === "cut" && code === "closed";
      const isExact = outcome === "taken" || (outcome === "cut" && !isAborted);
      const hasStepMore = outcome === "failed" || isAborted;
      const most = isExact ? taken : hasStepMore ? Math.min(length, taken + STEP_BYTES) : length;
      const got = cursor.match(this.stream, start, most);
      if (got === most) continue;
      if (cursor.isAtEnd) {
        if (ending === "broken") break;
        const least = isExact ? taken : outcome === "unknown" && ending === "in order" ? length : 0;
        if (got < least) {
          throw new IntegrityFailure(
            `stream ${this.stream} ends in order after ${cursor.position} bytes, but a call has had ${least} bytes ` +
              `from ${start} on accepted; ${this.describe()}`,
          );
        }
        if (outcome === "cut") continue;
        break;
      }
      throw new IntegrityFailure(
        `stream ${this.stream}: after ${cursor.position} bytes came ${cursor.describeNext()}, not its byte ${start + got}; ${this.describe()}`,
      );
    }
    must(
      cursor.isAtEnd,
      () =>
        `stream ${this.stream}: after its last taken byte, ${cursor.position} received, came ${cursor.describeNext()}; ${this.describe()}`,
    );
    if (ending === "broken") this.#checkTaken(cursor.position + holdBytes);
  }

  /**
   * What calls said was taken must have had room.
   *
   * @param most Bytes that came, and bytes that two systems hold.
   */
  #checkTaken(most: number): void {
    // A call that was cut short counts the step that was under way, of which there is one at a time. It may
    // never have left.
    const step = this.#handed.some(({ outcome }) => outcome === "cut") ? STEP_BYTES : 0;
    must(
      this.takenBytes <= most + step,
      () =>
        `of stream ${this.stream} ${this.takenBytes} bytes were said to be taken, but what came and what the systems hold is at most ` +
        `${most + step}; ${this.describe()}`,
    );
  }
}

/** Goes through portions as if they were one. */
class Cursor {
  readonly #portions: readonly Uint8Array[];
  #at = 0;
  #offset = 0;
  position = 0;

  constructor(portions: readonly Uint8Array[]) {
    this.#portions = portions.filter((portion) => portion.length > 0);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#portions.length;
  }

  /**
   * Passes over what agrees with `stream` from `start` on, at most `length` bytes, and says how many those
   * were.
   */
  match(stream: number, start: number, length: number): number {
    let matched = 0;
    while (matched < length) {
      const portion = this.#portions[this.#at];
      if (portion === undefined) break;
      const part = portion.subarray(this.#offset, this.#offset + length - matched);
      const count = agreement(part, stream, start + matched);
      matched += count;
      this.position += count;
      this.#offset += count;
      if (this.#offset === portion.length) {
        this.#at += 1;
        this.#offset = 0;
      }
      if (count < part.length) break;
    }
    return matched;
  }

  describeNext(): string {
    const next = Buffer.concat(this.#portions.slice(this.#at, this.#at + 16)).subarray(this.#offset);
    return describeBytes(next);
  }
}
