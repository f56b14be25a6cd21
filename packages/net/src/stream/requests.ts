import { asItIs, Waiter } from "../flow/waiters.ts";
import { unlent } from "../memory/lent-memory.ts";
import { ownMemory } from "../memory/own-memory.ts";

/**
 * How much `readFull` sets aside before the peer has sent any of it, in bytes. Longer results grow as they
 * arrive.
 */
const FIRST_ALLOCATION = 64 * 1024;

/** Makes a call's result of the bytes or of the end. */
export type Deliver = (bytes: Uint8Array | null) => unknown;

/** A call of `read` or `readFull` that waits. */
export class ReadRequest extends Waiter<Uint8Array | null, unknown> {
  /** Set for `readFull`. */
  readonly full: Portion | undefined;

  constructor(deliver: Deliver, full: Portion | undefined) {
    super(deliver);
    this.full = full;
  }
}

/** Collects exactly so many bytes; the memory grows with what arrives, not with what is wanted. */
export class Portion {
  readonly wanted: number;
  length = 0;
  #memory: Uint8Array;

  constructor(wanted: number) {
    this.wanted = wanted;
    this.#memory = ownMemory(Math.min(wanted, FIRST_ALLOCATION));
  }

  get isComplete(): boolean {
    return this.length === this.wanted;
  }

  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.length);
  }

  /** Takes what it needs and returns the rest. */
  add(bytes: Uint8Array): Uint8Array | undefined {
    const count = Math.min(bytes.length, this.wanted - this.length);
    const end = this.length + count;
    if (end > this.#memory.length) {
      const larger = ownMemory(Math.min(this.wanted, Math.max(end, this.#memory.length * 2)));
      larger.set(this.bytes);
      this.#memory = larger;
    }
    this.#memory.set(count === bytes.length ? bytes : bytes.subarray(0, count), this.length);
    this.length = end;
    return count === bytes.length ? undefined : bytes.subarray(count);
  }
}

/** One call of `write` or `writev`. */
export class WriteRequest extends Waiter {
  /** Bytes of it that are to be written. */
  length: number;
  /** Bytes handed over to the transport. */
  accepted = 0;
  /** Bytes of steps that have been taken. */
  taken = 0;
  /** `close` has cut it short: it rejects when what is left of it has been taken. */
  isCut = false;
  readonly #parts: Uint8Array[];
  #part = 0;
  #offset = 0;

  constructor(parts: Uint8Array[], length: number) {
    super(asItIs);
    this.#parts = parts;
    this.length = length;
  }

  /** Adds its next bytes to `step`, at most `limit`; gives how many. */
  takeStep(step: Uint8Array[], limit: number): number {
    const most = Math.min(limit, this.length - this.accepted);
    let room = most;
    while (room > 0) {
      const part = this.#parts[this.#part];
      if (part === undefined) break;
      const end = Math.min(part.length, this.#offset + room);
      step.push(this.#offset === 0 && end === part.length ? part : part.subarray(this.#offset, end));
      room -= end - this.#offset;
      this.#offset = end;
      if (end === part.length) {
        this.#part++;
        this.#offset = 0;
      }
    }
    this.accepted += most - room;
    return most - room;
  }

  /** Copies those parts that are lent and have still to wait. */
  ownRest(): void {
    for (let i = this.#part; i < this.#parts.length; i++) {
      const part = this.#parts[i];
      if (part !== undefined) this.#parts[i] = unlent(part);
    }
  }

  /** Cuts off what is beyond the next `limit` bytes; gives how many are still to be handed over. */
  keepUpTo(limit: number): number {
    const left = Math.min(limit, this.length - this.accepted);
    this.isCut = this.accepted + left < this.length;
    this.length = this.accepted + left;
    return left;
  }
}
