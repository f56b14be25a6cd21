/** How a text, or bytes, is kept: its length in bytes, times 4, and one of these. */
const PLAIN = 0;
const WIDE = 1;
const BYTES = 2;
/** The code of no text. */
export const NONE = -1;

/** Up to so many characters are written faster here than by Node (`npm run bench -- memory-engine`). */
const SHORT = 48;

/** How many bytes a text takes that has this code. */
export function sizeOf(code: number): number {
  return code === NONE ? 0 : code >>> 2;
}

/**
 * Texts, and bytes, on their way into a record, or out of one. Plain ASCII is kept at a byte a character, any
 * other text as UTF-16: it may have half a surrogate pair, which UTF-8 cannot carry.
 */
export class Content {
  #bytes = Buffer.allocUnsafeSlow(0);
  /** What `length` bytes are in, and zeros after them. */
  words = new Int32Array(0);
  /** Of all texts, in bytes. */
  length = 0;
  /** The same in UTF-8. */
  utf8Length = 0;
  #taken = 0;

  /** Begins anew. */
  clear(): this {
    this.length = 0;
    this.utf8Length = 0;
    return this;
  }

  /**
   * Adds a text, or bytes, and gives its code.
   *
   * @throws TypeError for what is neither
   */
  put(text: string | Uint8Array | undefined): number {
    if (text === undefined) return NONE;
    if (typeof text !== "string") return this.#putBytes(text);
    if (this.#putShort(text)) return text.length * 4 + PLAIN;
    const utf8Length = this.#room(text.length * 3).write(text, this.length);
    const isPlain = utf8Length === text.length;
    const size = isPlain ? utf8Length : this.#bytes.write(text, this.length, "utf16le");
    this.utf8Length += utf8Length;
    this.#added(size);
    return size * 4 + (isPlain ? PLAIN : WIDE);
  }

  /** Makes room for a content of this length, to be read from its record and taken. */
  expect(length: number): this {
    this.length = 0;
    this.#room(length);
    this.length = length;
    this.#taken = 0;
    return this;
  }

  /** The next text, or bytes, with this code. */
  take(code: number): string | Uint8Array | undefined {
    if (code === NONE) return undefined;
    const start = this.#taken;
    this.#taken += sizeOf(code);
    if ((code & BYTES) !== 0) return new Uint8Array(this.#bytes.subarray(start, this.#taken));
    return this.#bytes.toString((code & WIDE) === 0 ? "latin1" : "utf16le", start, this.#taken);
  }

  /** Adds a text if it is short and plain. */
  #putShort(text: string): boolean {
    const { length } = text;
    if (length > SHORT) return false;
    const bytes = this.#room(length);
    for (let at = 0; at < length; at++) {
      const character = text.charCodeAt(at);
      if (character > 0x7f) return false;
      bytes[this.length + at] = character;
    }
    this.utf8Length += length;
    this.#added(length);
    return true;
  }

  #putBytes(bytes: Uint8Array): number {
    if (!(bytes instanceof Uint8Array)) {
      throw new TypeError(`a publication has ${typeof bytes} where text or bytes have to be`);
    }
    this.#room(bytes.length).set(bytes, this.length);
    this.utf8Length += bytes.length;
    this.#added(bytes.length);
    return bytes.length * 4 + BYTES;
  }

  #added(size: number): void {
    this.length += size;
    for (let at = this.length; at < this.length + 3; at++) this.#bytes[at] = 0;
  }

  #room(size: number): Buffer {
    const most = this.length + size + 4;
    if (most > this.#bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(most)));
      this.#bytes.copy(bytes, 0, 0, this.length);
      this.#bytes = bytes;
      this.words = new Int32Array(bytes.buffer);
    }
    return this.#bytes;
  }
}
