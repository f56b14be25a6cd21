/** Writes bits, the highest first, into memory of its own up to a limit. */
export class BitWriter {
  /** What has been written, whole after `finish()`. */
  readonly bytes: Uint8Array;
  /** Bytes of it. */
  length = 0;
  /** More was written than there is room for. What is in `bytes` is then of no use. */
  overflowed = false;
  readonly #view: DataView;
  #limit: number;
  /** Bits that wait for a whole word, from the highest on, and how many more it takes: 1 to 32. */
  #word = 0;
  #free = 32;

  /** @param maxBytes How much it can hold at most. */
  constructor(maxBytes: number) {
    this.bytes = new Uint8Array(maxBytes);
    this.#view = new DataView(this.bytes.buffer);
    this.#limit = maxBytes;
  }

  /** Begins anew, with room for `limit` bytes: at most as many as it was made for. */
  reset(limit: number): void {
    this.length = 0;
    this.overflowed = false;
    this.#limit = Math.min(limit, this.bytes.length);
    this.#word = 0;
    this.#free = 32;
  }

  /** Writes the lowest `count` bits of `value`, 0 to 32. What is above them must be 0. */
  write(value: number, count: number): void {
    const free = this.#free;
    if (count < free) {
      this.#word |= value << (free - count);
      this.#free = free - count;
      return;
    }
    const rest = count - free;
    this.#flush(this.#word | (value >>> rest));
    this.#word = rest === 0 ? 0 : value << (32 - rest);
    this.#free = 32 - rest;
  }

  /** Fills the last byte up with zeros. */
  finish(): void {
    const bytes = (39 - this.#free) >> 3;
    if (this.length + bytes > this.#limit) {
      this.overflowed = true;
      return;
    }
    for (let i = 0; i < bytes; i++) this.bytes[this.length++] = this.#word >>> (24 - 8 * i);
    this.#word = 0;
    this.#free = 32;
  }

  #flush(word: number): void {
    const at = this.length;
    if (at + 4 > this.#limit) {
      this.overflowed = true;
      return;
    }
    this.#view.setInt32(at, word);
    this.length = at + 4;
  }
}
