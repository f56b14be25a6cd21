/** Reads what `BitWriter` wrote. Past the end there are zeros; `isPast` says that they were read. */
export class BitReader {
  #bytes: Uint8Array;
  #at = 0;

  /** @param bytes Read where they are. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** More was read than there is. */
  get isPast(): boolean {
    return this.#at > this.#bytes.length * 8;
  }

  /** What is left is less than a byte, and zeros: what `finish()` leaves. */
  get isAtEnd(): boolean {
    const left = this.#bytes.length * 8 - this.#at;
    return left >= 0 && left < 8 && this.peek() === 0;
  }

  /** The next 32 bits, as a 32-bit integer. */
  peek(): number {
    const bytes = this.#bytes;
    const i = this.#at >>> 3;
    const shift = this.#at & 7;
    const word =
      ((bytes[i] as number) << 24) |
      ((bytes[i + 1] as number) << 16) |
      ((bytes[i + 2] as number) << 8) |
      (bytes[i + 3] as number);
    return shift === 0 ? word : (word << shift) | ((bytes[i + 4] as number) >>> (8 - shift));
  }

  /** Reads zeros, 63 at most, and the one after them. Returns how many. */
  readZeros(): number {
    let zeros = Math.clz32(this.peek());
    if (zeros === 32) {
      this.#at += 32;
      const more = Math.min(31, Math.clz32(this.peek()));
      this.#at += more + 1;
      return 32 + more;
    }
    this.#at += zeros + 1;
    return zeros;
  }

  skip(count: number): void {
    this.#at += count;
  }

  /** The next `count` bits, 0 to 32, as an unsigned integer. */
  read(count: number): number {
    if (count === 0) return 0;
    const value = this.peek() >>> (32 - count);
    this.#at += count;
    return value;
  }
}
