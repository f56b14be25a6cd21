import type { NetError } from "../contracts/error.ts";
import { unlent } from "../memory/lent-memory.ts";

/** One call of `write` or `writev`. */
export class WriteRequest {
  /** Bytes of it that are to be written. */
  length: number;
  readonly resolve: () => void;
  readonly reject: (error: NetError) => void;
  /** Bytes handed over to the transport. */
  accepted = 0;
  /** Bytes of steps that have been taken. */
  taken = 0;
  /** `close` has cut it short: it rejects when what is left of it has been taken. */
  isCut = false;
  /** Its caller has been told. It may still have bytes in the step under way. */
  isSettled = false;
  forgetSignal: (() => void) | undefined;
  readonly #parts: Uint8Array[];
  #part = 0;
  #offset = 0;

  constructor(parts: Uint8Array[], length: number, resolve: () => void, reject: (error: NetError) => void) {
    this.#parts = parts;
    this.length = length;
    this.resolve = resolve;
    this.reject = reject;
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

/** Its caller is about to be told. */
export function settle(request: WriteRequest): WriteRequest {
  request.forgetSignal?.();
  request.isSettled = true;
  return request;
}

/** Its caller still waits. */
export function isPending(request: WriteRequest): boolean {
  return !request.isSettled;
}
