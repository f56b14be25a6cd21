const FIRST_BYTES = 64;

/** Writes bits, the highest first, into memory of its own, which grows up to a limit. */
export class BitWriter {
  /** What has been written, whole after `finish()`. It is replaced when it grows. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Bytes of it. */
  length = 0;
  /** More was written than there is room for. What is in `bytes` is then of no use. */
  overflowed = false;
  #view: DataView = new DataView(this.bytes.buffer);
  #limit = 0;
  /** Bits that wait for a whole word, from the highest on, and how many more it takes: 1 to 32. */
  word = 0;
  free = 32;

  /** Begins anew, with room for `limit` bytes. */
  reset(limit: number): void {
    this.length = 0;
    this.overflowed = false;
    this.#limit = limit;
    this.word = 0;
    this.free = 32;
  }

  /** Writes the lowest `count` bits of `value`, 0 to 32. What is above them must be 0. */
  write(value: number, count: number): void {
    const free = this.free;
    if (count < free) {
      this.word |= value << (free - count);
      this.free = free - count;
      return;
    }
    const rest = count - free;
    this.flush(this.word | (value >>> rest));
    this.word = rest === 0 ? 0 : value << (32 - rest);
    this.free = 32 - rest;
  }

  /** Fills the last byte up with zeros. */
  finish(): void {
    const bytes = (39 - this.free) >> 3;
    if (this.length + bytes > this.#limit) {
      this.overflowed = true;
      return;
    }
    if (this.length + bytes > this.bytes.length) this.#grow();
    for (let i = 0; i < bytes; i++) this.bytes[this.length++] = this.word >>> (24 - 8 * i);
    this.word = 0;
    this.free = 32;
  }

  flush(word: number): void {
    const at = this.length;
    if (at + 4 > this.#limit) {
      this.overflowed = true;
      return;
    }
    if (at + 4 > this.bytes.length) this.#grow();
    this.#view.setInt32(at, word);
    this.length = at + 4;
  }

  #grow(): void {
    const bytes = new Uint8Array(Math.min(this.#limit, Math.max(FIRST_BYTES, 2 * this.bytes.length)));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
