const utf8 = new TextEncoder();
const FIRST_BYTES = 256;

/** Collects numbers and runs of bytes, each behind its length. */
export class ByteWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  /** What was written, in memory of its own. */
  taken(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** What was written, until more is. */
  get view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  /** @throws RangeError for what is not whole, or not from 0 to 2^53 - 1 */
  number(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no whole number from 0`);
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.byte((rest % 128) | 0x80);
    this.byte(rest);
  }

  /** A length, and these bytes. */
  run(bytes: Uint8Array): void {
    this.number(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A length, and this text in UTF-8. */
  text(text: string): void {
    this.run(utf8.encode(text));
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.view);
    this.#bytes = larger;
  }
}
