import { badValue, type CellSource, type Cells, checkInteger, type Field, plainCell } from "./field.ts";

/** Bytes of a cell: three, so that no difference of two cells passes 32 bits. */
const BYTES = 3;
const MOST_BYTES = 64 * BYTES;
/** What stands for what is no character: half of a surrogate pair, and U+0000, which ends a text. */
const REPLACEMENT = 0xfffd;

/** A byte order mark is a character like others. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const bytes = new Uint8Array(MOST_BYTES);

/**
 * A short text, such as a name; at first empty. What is longer is cut before the first character (code point)
 * that does not fit. Half of a surrogate pair and U+0000 become U+FFFD.
 *
 * @param maxBytes most bytes of UTF-8, 1 to 192. A cell has three of them, and a kind at most 64 cells.
 * @throws RoomError `invalid_schema`.
 */
export function text(maxBytes: number): Field<string> {
  checkInteger("text: maxBytes", maxBytes, 1, MOST_BYTES);
  const count = Math.ceil(maxBytes / BYTES);
  const inLast = maxBytes - (count - 1) * BYTES;
  const cells = Array.from({ length: count }, (_, index) =>
    plainCell(0, 2 ** (8 * (index === count - 1 ? inLast : BYTES)) - 1),
  );
  return {
    type: "text",
    parameters: [maxBytes],
    cells,
    initial: cells.map(() => 0),
    write(value, into, at, name) {
      if (typeof value !== "string") badValue(name, value, `text of at most ${maxBytes} bytes`);
      encode(value, maxBytes, into, at, count);
    },
    read: (from, at) => decode(from, at, count),
    view: (source, offset) => new TextView(source, offset, count),
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

function decode(cells: Cells, at: number, count: number): string {
  let end = 0;
  for (; end < count * BYTES; end++) {
    const byte = ((cells[at + Math.floor(end / BYTES)] ?? 0) >> (8 * (end % BYTES))) & 0xff;
    if (byte === 0) break;
    bytes[end] = byte;
  }
  return decoder.decode(bytes.subarray(0, end));
}

/** A text of an entity: decoded once, and again when its cells have changed. */
class TextView {
  readonly #source: CellSource;
  readonly #offset: number;
  readonly #cells: Int32Array;
  #text = "";

  constructor(source: CellSource, offset: number, count: number) {
    this.#source = source;
    this.#offset = source.start + offset;
    this.#cells = new Int32Array(count);
  }

  read(): string {
    const cells = this.#source.cells();
    const known = this.#cells;
    let isSame = true;
    for (let index = 0; index < known.length; index++) {
      const cell = cells[this.#offset + index] ?? 0;
      if (known[index] === cell) continue;
      known[index] = cell;
      isSame = false;
    }
    if (!isSame) this.#text = decode(known, 0, known.length);
    return this.#text;
  }
}
