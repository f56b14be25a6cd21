import { ProtocolError } from "./error.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The most bytes that a number takes: seven bits in each, and 53 in all. */
const MAX_NUMBER_BYTES = 8;

/**
 * Reads numbers, and runs of bytes whose length stands before them. Whatever the bytes are, it takes a step
 * forward or throws, and what it gives shows them: nothing is allocated by what they say of their length.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** @throws ProtocolError `bad_command` at the end */
  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new ProtocolError("bad_command", "the message is cut short");
    this.#at++;
    return byte;
  }

  /** @throws ProtocolError `bad_command` for what is no number, or not written in the fewest bytes */
  number(): number {
    let value = 0;
    let scale = 1; // no shifts: they end at 32 bits
    for (let count = 1; count <= MAX_NUMBER_BYTES; count++, scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte > 0x7f) continue;
      if ((byte === 0 && count > 1) || value > Number.MAX_SAFE_INTEGER) break;
      return value;
    }
    throw new ProtocolError("bad_command", "no number from 0 to 2^53 - 1 in the fewest bytes");
  }

  /** A length, and so many bytes. */
  run(): Uint8Array {
    const length = this.number();
    if (length > this.#bytes.length - this.#at) {
      throw new ProtocolError("bad_command", `${length} bytes are announced, and not there`);
    }
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }
}

/** Texts up to this length are tried as ASCII first: most names are, and a decoder takes a microsecond. */
const SHORT_BYTES = 48;

/** @throws ProtocolError `bad_command` for what is not UTF-8 */
export function textOf(bytes: Uint8Array): string {
  if (bytes.length <= SHORT_BYTES && isAscii(bytes)) {
    return String.fromCharCode.apply(undefined, bytes as unknown as number[]);
  }
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ProtocolError("bad_command", "a text is not UTF-8");
  }
}

function isAscii(bytes: Uint8Array): boolean {
  let bits = 0;
  for (let at = 0; at < bytes.length; at++) bits |= bytes[at] as number;
  return bits < 0x80;
}
