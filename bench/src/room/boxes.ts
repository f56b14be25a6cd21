import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import type { Cell, Layout, Rows } from "@zocalo/room";

/** A large box and 900 small ones. */
export const BOXES = 901;
/** Frames a second. */
export const BOXES_PER_SECOND = 60;
/**
 * What one box is before it is quantised: three numbers of position, four of orientation and three of
 * velocity, 32 bits each, and whether it is awake. 901 of them at 60 Hz are 17.35 Mbit/s.
 */
export const BITS_OF_A_BOX = 32 * (3 + 4 + 3) + 1;

/** Cells of a box, as in the article: 80 bits. Velocity is not among them: at 60 Hz nobody needs it. */
const CELLS: readonly Cell[] = [
  // Position: 512 to the metre, 18 bits along the floor and 14 above it.
  cell(-(2 ** 17), 2 ** 17 - 1, true),
  cell(-(2 ** 17), 2 ** 17 - 1, true),
  cell(0, 2 ** 14 - 1, true),
  // Orientation: which of the four parts is largest, and the three others, in their order, in 9 bits each.
  cell(0, 3, false),
  cell(0, 2 ** 9 - 1, false),
  cell(0, 2 ** 9 - 1, false),
  cell(0, 2 ** 9 - 1, false),
  // Whether it is awake.
  cell(0, 1, false),
];
export const BOX_CELLS = CELLS.length;

/** One kind of entity, a box. */
export const BOX_LAYOUT: Layout = {
  kinds: [{ name: "box", cells: CELLS, weight: 1 }],
  stride: BOX_CELLS,
  hash: 0xb0_c5_09_01,
};

const FILE = fileURLToPath(new URL("../../recordings/boxes.br", import.meta.url));

/** The recording, frame by frame: `npm run boxes --workspace bench` makes it. No box comes or goes. */
export function readBoxes(): Rows[] {
  const kinds = new Uint8Array(BOXES).fill(1);
  const generations = new Uint32Array(BOXES).fill(1);
  return unpackFrames(readFileSync(FILE)).map((cells) => ({
    layout: BOX_LAYOUT,
    end: BOXES,
    kinds,
    generations,
    cells,
  }));
}

/** Keeps a recording where `readBoxes` looks for it. */
export function writeBoxes(frames: readonly Int32Array[]): number {
  const packed = packFrames(frames);
  writeFileSync(FILE, packed);
  return packed.length;
}

/**
 * Frames in little memory: cell by cell and box by box what each frame adds to the one before, in seven bits
 * a byte, and Brotli over it. The number of frames comes first.
 */
export function packFrames(frames: readonly Int32Array[]): Buffer {
  const bytes = Buffer.alloc(5 * (1 + frames.length * BOXES * BOX_CELLS));
  let end = 0;
  const write = (value: number): void => {
    let rest = (value << 1) ^ (value >> 31);
    for (; rest > 0x7f; rest >>>= 7) bytes[end++] = (rest & 0x7f) | 0x80;
    bytes[end++] = rest;
  };
  write(frames.length);
  for (const at of inOrder()) {
    let before = 0;
    for (const frame of frames) {
      const value = frame[at] ?? 0;
      write(value - before);
      before = value;
    }
  }
  const { BROTLI_PARAM_LGWIN, BROTLI_MAX_WINDOW_BITS } = constants;
  return brotliCompressSync(bytes.subarray(0, end), {
    params: { [BROTLI_PARAM_LGWIN]: BROTLI_MAX_WINDOW_BITS },
  });
}

/** What `packFrames` was given. */
export function unpackFrames(packed: Uint8Array): Int32Array[] {
  const bytes = brotliDecompressSync(packed);
  let at = 0;
  const read = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error("the recording ends in the middle");
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
  };
  const frames = Array.from({ length: read() }, () => new Int32Array(BOXES * BOX_CELLS));
  for (const at of inOrder()) {
    let value = 0;
    for (const frame of frames) {
      value += read();
      frame[at] = value;
    }
  }
  return frames;
}

/** Where the cells of a frame lie, the same cell of all boxes first. */
function* inOrder(): Generator<number> {
  for (let first = 0; first < BOX_CELLS; first++) {
    for (let at = first; at < BOXES * BOX_CELLS; at += BOX_CELLS) yield at;
  }
}

/** Metres to the cell. */
const PER_METRE = 512;

/**
 * Writes the cells of one box.
 *
 * @param position In metres, within what the cells hold.
 * @param rotation A unit quaternion; its sign means nothing.
 */
export function quantizeBox(
  position: Readonly<Record<"x" | "y" | "z", number>>,
  rotation: Readonly<Record<"x" | "y" | "z" | "w", number>>,
  isAwake: boolean,
  into: Int32Array,
  at: number,
): void {
  const parts = [rotation.x, rotation.y, rotation.z, rotation.w] as const;
  let largest = 0;
  for (const [i, part] of parts.entries()) {
    if (Math.abs(part) > Math.abs(parts[largest] ?? 0)) largest = i;
  }
  const sign = (parts[largest] ?? 0) < 0 ? -1 : 1;
  const values = [position.x, position.y, position.z].map((metres) => Math.round(metres * PER_METRE));
  values.push(largest);
  for (const [i, part] of parts.entries()) {
    // None of the others is beyond the square root of a half.
    if (i !== largest) values.push(Math.round(((sign * part * Math.SQRT2 + 1) / 2) * (2 ** 9 - 1)));
  }
  values.push(isAwake ? 1 : 0);
  for (const [i, { min, max }] of CELLS.entries()) {
    into[at + i] = Math.max(min, Math.min(max, values[i] ?? 0));
  }
}

function cell(min: number, max: number, moves: boolean): Cell {
  return { min, max, wraps: false, moves, refers: false };
}
