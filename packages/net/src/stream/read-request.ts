import type { NetError } from "../contracts/error.ts";
import { ownMemory } from "../memory/own-memory.ts";

/**
 * How much `readFull` sets aside before the peer has sent any of it, in bytes. Longer results grow as they
 * arrive.
 */
const FIRST_ALLOCATION = 64 * 1024;

/** Makes a call's result of the bytes or of the end. */
export type Deliver = (bytes: Uint8Array | null) => unknown;

/**
 * Settles the promise of a call. To reject it, it is given a rejected promise: the function for that would
 * last as long as this one.
 */
export type Resolve = (result: unknown) => void;

/** A call of `read` or `readFull` that waits. */
export class ReadRequest {
  /** Set for `readFull`. */
  readonly full: Portion | undefined;
  forgetSignal: (() => void) | undefined;
  readonly #deliver: Deliver;
  readonly #resolve: Resolve;

  constructor(deliver: Deliver, resolve: Resolve, full: Portion | undefined) {
    this.#deliver = deliver;
    this.#resolve = resolve;
    this.full = full;
  }

  take(bytes: Uint8Array | null): void {
    this.#resolve(this.#deliver(bytes));
  }

  reject(failure: NetError): void {
    this.#resolve(Promise.reject(failure));
  }
}

/** Its caller is about to be told. */
export function settled(request: ReadRequest): ReadRequest {
  request.forgetSignal?.();
  return request;
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
