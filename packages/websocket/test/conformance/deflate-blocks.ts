// Reads DEFLATE (RFC 1951) only to see how far back it refers: zlib lets a message reach past its window as
// long as the bytes are still there.
import { Violation } from "./wire.ts";

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/**
 * A canonical Huffman code (RFC 1951 §3.2.2): how many codes of each length, and the symbols in their order.
 */
interface Code {
  readonly counts: readonly number[];
  readonly symbols: readonly number[];
}

function codeOf(lengths: readonly number[]): Code {
  const counts = Array.from({ length: 16 }, () => 0);
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1;
  counts[0] = 0;
  const symbols = lengths
    .map((length, symbol) => ({ length, symbol }))
    .filter(({ length }) => length > 0)
    .sort((a, b) => a.length - b.length || a.symbol - b.symbol)
    .map(({ symbol }) => symbol);
  return { counts, symbols };
}

const FIXED_LITERALS = codeOf(
  Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
);
const FIXED_DISTANCES = codeOf(Array.from({ length: 30 }, () => 5));

class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length * 8 - this.#at;
  }

  take(count: number): number {
    if (count > this.left) throw new Violation("a compressed message that ends within a block");
    let value = 0;
    for (let i = 0; i < count; i++, this.#at++) {
      value |= (((this.#bytes[this.#at >> 3] as number) >> (this.#at & 7)) & 1) << i;
    }
    return value;
  }

  symbol({ counts, symbols }: Code): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length < 16; length++) {
      code |= this.take(1);
      const count = counts[length] ?? 0;
      if (code - count < first) return symbols[index + (code - first)] as number;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new Violation("no code of its Huffman table");
  }

  /** Skips a stored block. */
  stored(): void {
    this.#at = (this.#at + 7) & ~7;
    const length = this.take(16);
    if ((this.take(16) ^ 0xffff) !== length) throw new Violation("a stored block with a wrong length");
    if (length * 8 > this.left) throw new Violation("a stored block that is cut");
    this.#at += length * 8;
  }
}

/** The largest distance in complete DEFLATE data, in bytes; 0 if it refers to nothing. */
export function farthestReference(bytes: Uint8Array): number {
  const bits = new Bits(bytes);
  let farthest = 0;
  // After an empty stored block there may be padding, but never a whole header more.
  while (bits.left >= 8) {
    bits.take(1);
    const kind = bits.take(2);
    if (kind === 0) {
      bits.stored();
      continue;
    }
    if (kind === 3) throw new Violation("a DEFLATE block of no kind");
    const [literals, distances] = kind === 1 ? [FIXED_LITERALS, FIXED_DISTANCES] : tables(bits);
    for (;;) {
      const symbol = bits.symbol(literals);
      if (symbol === 256) break;
      if (symbol < 256) continue;
      bits.take(LENGTH_BITS[symbol - 257] ?? 0);
      if (LENGTH_BASE[symbol - 257] === undefined) throw new Violation(`length symbol ${symbol}`);
      const distance = bits.symbol(distances);
      // RFC 1951 §3.2.5: pairs of distance symbols share a number of extra bits.
      const extra = distance < 4 ? 0 : (distance >> 1) - 1;
      const base = distance < 4 ? distance + 1 : ((2 + (distance & 1)) << extra) + 1;
      farthest = Math.max(farthest, base + bits.take(extra));
    }
  }
  return farthest;
}

function tables(bits: Bits): [Code, Code] {
  const literalCount = bits.take(5) + 257;
  const distanceCount = bits.take(5) + 1;
  const codeLengthCount = bits.take(4) + 4;
  const codeLengths = Array.from({ length: 19 }, () => 0);
  for (let i = 0; i < codeLengthCount; i++) codeLengths[CODE_LENGTH_ORDER[i] as number] = bits.take(3);
  const code = codeOf(codeLengths);
  const lengths: number[] = [];
  while (lengths.length < literalCount + distanceCount) {
    const symbol = bits.symbol(code);
    if (symbol < 16) lengths.push(symbol);
    else {
      const value = symbol === 16 ? (lengths.at(-1) ?? 0) : 0;
      const count = symbol === 16 ? 3 + bits.take(2) : symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7);
      for (let i = 0; i < count; i++) lengths.push(value);
    }
  }
  return [codeOf(lengths.slice(0, literalCount)), codeOf(lengths.slice(literalCount))];
}
