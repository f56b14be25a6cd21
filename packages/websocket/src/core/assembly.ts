/** Room that is taken at once when a message's length is known; longer ones grow as their bytes come. */
const TRUSTED_BYTES = 1_048_576;
/** The first room of a message of unknown length. */
const FIRST_BYTES = 1024;

/**
 * Where a message that comes in several portions is put together, in one buffer that grows. So 131,072 fragments of one byte
 * cost no more than one of 131,072 bytes.
 */
export class Assembly {
  #bytes: Buffer = Buffer.alloc(0);
  /** Bytes assembled so far. */
  length = 0;

  /** The buffer, valid up to `length`, until the next `append`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /**
   * Copies `source[start..end)` to the end.
   *
   * @param due how many bytes are known to come in all, from `start` on. Memory that is announced is taken only up to 1 MiB.
   */
  append(source: Uint8Array, start: number, end: number, due: number): void {
    const need = this.length + (end - start);
    if (need > this.#bytes.length) this.#grow(need, this.length + Math.min(due, TRUSTED_BYTES));
    this.#bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.length);
    this.length = need;
  }

  #grow(need: number, known: number): void {
    const isFirst = this.length === 0;
    const size = Math.max(
      need,
      known,
      isFirst ? 0 : this.#bytes.length * 2,
      isFirst && known === need ? 0 : FIRST_BYTES,
    );
    const grown = Buffer.allocUnsafeSlow(size);
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}
