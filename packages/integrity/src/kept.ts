import { must } from "./failure.ts";
import { OWNER_POISON, agreement, describeBytes } from "./stamp.ts";
import type { Random } from "./random.ts";

/** What a receiver does with memory that is its own. */
export type Keeping = "keep" | "change" | "transfer";

/** How every way of keeping is called. */
export const KEEPINGS = ["keep", "change", "transfer"] as const satisfies readonly Keeping[];

/** Most bytes that are kept of one stream, so that a case of many MiB does not hold them all twice. */
const MOST_BYTES = 1_048_576;

/**
 * Received memory that is the receiver's own. It is looked at as it comes and again when the case is over:
 * nobody may have written there. In some cases it is changed, or given to somebody else by a transfer, which
 * must be seen by nobody.
 */
export class Kept {
  readonly #keeping: Keeping;
  readonly #random: Random;
  readonly #pieces: { bytes: Uint8Array; stream: number; position: number }[] = [];
  #bytes = 0;

  constructor(keeping: Keeping, random: Random) {
    this.#keeping = keeping;
    this.#random = random;
  }

  /** Takes what is `stream` from `position` on. @throws IntegrityFailure if it is not. */
  take(bytes: Uint8Array, stream: number, position: number): void {
    mustBe(bytes, stream, position, "what was received");
    if (this.#bytes > MOST_BYTES) return;
    if (this.#keeping === "change" && this.#random.chance(0.5)) {
      bytes.fill(OWNER_POISON);
      return;
    }
    if (this.#keeping === "transfer" && this.#random.chance(0.5)) {
      try {
        structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
      } catch {
        // Refused, which is allowed: the memory is marked as not to be transferred. It stays as it was.
        mustBe(bytes, stream, position, "after a refused transfer what was received");
      }
      return;
    }
    this.#bytes += bytes.length;
    this.#pieces.push({ bytes, stream, position });
  }

  /** @throws IntegrityFailure if something kept is not what it was. */
  verify(): void {
    for (const { bytes, stream, position } of this.#pieces) mustBe(bytes, stream, position, "what was kept");
  }
}

/** @throws IntegrityFailure unless `bytes` are those of `stream` from `position` on. */
export function mustBe(bytes: Uint8Array, stream: number, position: number, what: string): void {
  const count = agreement(bytes, stream, position);
  must(
    count === bytes.length,
    () =>
      `${what} is ${describeBytes(bytes.subarray(count, count + 64))}, not byte ${position + count} of stream ${stream} ` +
      `(${count} of ${bytes.length} bytes were right)`,
  );
}
