import { isAscii, isUtf8 } from "node:buffer";

/**
 * Checks text for UTF-8 as it arrives, in any portions, and says no at the earliest byte after which no
 * continuation could make it valid: overlong forms, surrogates and what lies past U+10FFFF included
 * (RFC 3629, RFC 6455 §8.1).
 */
export class Utf8Check {
  /** Continuation bytes still due in a character that was cut. */
  #due = 0;
  /**
   * Allowed range of the next continuation byte; only the first one of a character is narrower than 80..BF.
   */
  #low = 0x80;
  #high = 0xbf;
  #isAscii = true;

  /** True if all that came is below 128: then it is Latin-1, too. */
  get isAscii(): boolean {
    return this.#isAscii;
  }

  /** True if the text may end here: no character is cut. */
  get isComplete(): boolean {
    return this.#due === 0;
  }

  /** Begins a new text. */
  reset(): void {
    this.#due = 0;
    this.#low = 0x80;
    this.#high = 0xbf;
    this.#isAscii = true;
  }

  /** Takes the next portion; `false` if the text can no longer be valid. */
  accepts(bytes: Uint8Array, start: number, end: number): boolean {
    // Twice as fast where it holds, and then it need not be asked again.
    if (this.#due === 0 && isAscii(bytes.subarray(start, end))) return true;
    this.#isAscii = false;
    let at = start;
    // The rest of the character that the last portion cut.
    for (; this.#due > 0 && at < end; at++) if (!this.#step(bytes[at] as number)) return false;
    // Whole characters, by native code; then a cut one at the end, byte by byte.
    const whole = wholeCharactersEnd(bytes, at, end);
    if (whole > at && !isUtf8(bytes.subarray(at, whole))) return false;
    for (at = whole; at < end; at++) if (!this.#step(bytes[at] as number)) return false;
    return true;
  }

  #step(byte: number): boolean {
    if (this.#due > 0) {
      if (byte < this.#low || byte > this.#high) return false;
      this.#due--;
      this.#low = 0x80;
      this.#high = 0xbf;
      return true;
    }
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    if (byte < 0xe0) {
      this.#due = 1;
    } else if (byte < 0xf0) {
      this.#due = 2;
      if (byte === 0xe0) this.#low = 0xa0;
      else if (byte === 0xed) this.#high = 0x9f;
    } else {
      this.#due = 3;
      if (byte === 0xf0) this.#low = 0x90;
      else if (byte === 0xf4) this.#high = 0x8f;
    }
    return true;
  }
}

/** Where the last character begins if it is cut; else `end`. */
function wholeCharactersEnd(bytes: Uint8Array, start: number, end: number): number {
  const earliest = Math.max(start, end - 3);
  for (let at = end - 1; at >= earliest; at--) {
    const byte = bytes[at] as number;
    if (byte < 0x80) return end;
    if (byte >= 0xc0) {
      const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
      return at + length > end ? at : end;
    }
  }
  return end;
}
