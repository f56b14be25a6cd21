import type { Cell } from "../contracts/layout.ts";
import { type Field, plainCell } from "./field.ts";

/** Bytes of a cell: three, so that no difference of two cells passes 32 bits. */
const BYTES = 3;
/** More than a kind may have of them are not made, so that a wrong number does not take for ever. */
const MOST_CELLS = 64;
/** What stands for what is no character: half of a surrogate pair, and U+0000, which ends a text. */
const REPLACEMENT = 0xfffd;

/** A byte order mark is a character like others. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const bytes = new Uint8Array((MOST_CELLS + 1) * BYTES);

/**
 * A short text, such as a name; at first empty. What is longer is cut before the first character (code point)
 * that does not fit. Half of a surrogate pair and U+0000 become U+FFFD.
 *
 * ```ts
 * import { text } from "@zocalo/room";
 *
 * const name = text(16); // 16 letters, or 5 characters of three bytes
 * ```
 *
 * @param maxBytes most bytes of UTF-8, 1 to 192. A cell has three of them, and a kind at most 64 cells.
 */
export function text(maxBytes: number): Field<string> {
  const cells: Cell[] = [];
  for (let left = maxBytes; left > 0 && cells.length <= MOST_CELLS; left -= BYTES)
    cells.push(plainCell(0, 2 ** (8 * Math.min(left, BYTES)) - 1));
  const count = cells.length;
  return {
    type: "text",
    parameters: [maxBytes],
    cells,
    initial: "",
    write(value, into, at) {
      if (typeof value !== "string") return `text of at most ${maxBytes} bytes`;
      encode(value, maxBytes, into, at, count);
    },
    read: (from, at) => decode(from, at, count),
    reader(row) {
      // Decoded once, and again when its cells have changed.
      const known: number[] = cells.map(() => 0);
      let text = "";
      return () => {
        const from = row.cells();
        const { start } = row;
        let isKnown = true;
        for (let index = 0; index < count; index++) {
          if (known[index] !== from[start + index]) isKnown = false;
          known[index] = from[start + index] ?? 0;
        }
        if (!isKnown) text = decode(known, 0, count);
        return text;
      };
    },
  };
}

function encode(value: string, maxBytes: number, into: Int32Array, at: number, count: number): void {
  into.fill(0, at, at + count);
  let end = 0;
  for (let index = 0; index < value.length; index++) {
    let code = value.codePointAt(index) ?? 0;
    if (code > 0xffff) index++;
    else if (code === 0 || (code >= 0xd800 && code <= 0xdfff)) code = REPLACEMENT;
    const more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    if (end + more >= maxBytes) return;
    // RFC 3629, section 3: as many ones as there are bytes, then six bits in each of the others.
    const lead = more === 0 ? code : ((0xf00 >> (more + 1)) & 0xff) | (code >> (6 * more));
    put(into, at, end++, lead);
    for (let shift = 6 * (more - 1); shift >= 0; shift -= 6)
      put(into, at, end++, 0x80 | ((code >> shift) & 0x3f));
  }
}

function put(into: Int32Array, at: number, index: number, byte: number): void {
  const cell = at + Math.floor(index / BYTES);
  into[cell] = (into[cell] ?? 0) | (byte << (8 * (index % BYTES)));
}

function decode(cells: ArrayLike<number>, at: number, count: number): string {
  let end = 0;
  for (; end < count * BYTES; end++) {
    const byte = ((cells[at + Math.floor(end / BYTES)] ?? 0) >> (8 * (end % BYTES))) & 0xff;
    if (byte === 0) break;
    bytes[end] = byte;
  }
  return decoder.decode(bytes.subarray(0, end));
}
