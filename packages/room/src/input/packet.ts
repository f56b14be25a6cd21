import type { BitReader } from "../bits/reader.ts";
import type { BitWriter } from "../bits/writer.ts";
import type { Cell } from "../contracts/layout.ts";

/** How many inputs each packet carries: its own, and those before it once more. */
export const INPUTS_PER_PACKET = 3;
/** The displayed time is told in parts of a tick. */
export const PARTS_PER_TICK = 16;
/** Half of how far the displayed time may be from the newest frame, in parts of a tick: 128 ticks. */
const DISPLAYED_HALF = 2_048;
/** Bits of that. */
const DISPLAYED_BITS = 12;

/**
 * One packet of inputs: the input of a tick and of the two before it, which frames came, and what is shown
 * while it was made. Made once and filled often.
 *
 * In bits: number 32; 1 if frames came, then the newest 32 and those before it 32; 1 if something is shown,
 * then newest less displayed in sixteenths of a tick, plus 2,048, 12; for each of the two before 1 if it is
 * here; the cells of the newest, `value - min` each; for each of the two before that is here 1 if it equals
 * the one after it, else its cells. What is left of the last byte is 0.
 */
export class InputPacket {
  readonly cells: readonly Cell[];
  /** Tick of the newest input. */
  number = 0;
  /** Tick of the newest frame that came; -1 for none. */
  newest = -1;
  /** Which frames before it came: bit i for the tick i + 1 before it. */
  before = 0;
  /** The displayed time in ticks; `NaN` if nothing is shown. */
  displayed = Number.NaN;
  /** By how many ticks the input is before `number`: whether it is here. The first always is. */
  readonly isHere: boolean[] = Array.from({ length: INPUTS_PER_PACKET }, () => true);
  /** The inputs in that order. */
  readonly rows: readonly Int32Array[];

  constructor(cells: readonly Cell[]) {
    this.cells = cells;
    this.rows = this.isHere.map(() => new Int32Array(cells.length));
  }
}

export function writePacket(packet: InputPacket, to: BitWriter): void {
  to.write(packet.number, 32);
  to.write(packet.newest >= 0 ? 1 : 0, 1);
  if (packet.newest >= 0) {
    to.write(packet.newest, 32);
    to.write(packet.before, 32);
  }
  const shown = Math.round((packet.newest - packet.displayed) * PARTS_PER_TICK) + DISPLAYED_HALF;
  const isShown = packet.newest >= 0 && shown >= 0 && shown < 2 * DISPLAYED_HALF;
  to.write(isShown ? 1 : 0, 1);
  if (isShown) to.write(shown, DISPLAYED_BITS);
  for (let back = 1; back < INPUTS_PER_PACKET; back++) to.write(packet.isHere[back] === true ? 1 : 0, 1);
  let after: Int32Array | undefined;
  for (const [back, row] of packet.rows.entries()) {
    if (packet.isHere[back] !== true) continue;
    const isSame = after !== undefined && equal(after, row);
    if (after !== undefined) to.write(isSame ? 1 : 0, 1);
    if (!isSame) writeRow(packet.cells, to, row);
    after = row;
  }
}

/**
 * False if a cell is out of its range, the number is 0, or there was not enough, or more.
 */
export function readPacket(packet: InputPacket, from: BitReader): boolean {
  packet.number = from.read(32);
  const hasAcks = from.read(1) === 1;
  packet.newest = hasAcks ? from.read(32) : -1;
  packet.before = hasAcks ? from.read(32) : 0;
  const isShown = from.read(1) === 1;
  const shown = isShown ? from.read(DISPLAYED_BITS) - DISPLAYED_HALF : Number.NaN;
  packet.displayed = packet.newest - shown / PARTS_PER_TICK;
  for (let back = 1; back < INPUTS_PER_PACKET; back++) packet.isHere[back] = from.read(1) === 1;
  let after: Int32Array | undefined;
  for (const [back, row] of packet.rows.entries()) {
    if (packet.isHere[back] !== true) continue;
    if (after !== undefined && from.read(1) === 1) row.set(after);
    else if (!readRow(packet.cells, from, row)) return false;
    after = row;
  }
  return packet.number > 0 && (hasAcks || !isShown) && from.isAtEnd;
}

function writeRow(cells: readonly Cell[], to: BitWriter, row: Int32Array): void {
  for (const [at, cell] of cells.entries()) {
    const value = Math.max(cell.min, Math.min(cell.max, row[at] ?? 0));
    to.write(value - cell.min, cellBits(cell));
  }
}

function readRow(cells: readonly Cell[], from: BitReader, row: Int32Array): boolean {
  for (const [at, cell] of cells.entries()) {
    const value = cell.min + from.read(cellBits(cell));
    if (value > cell.max) return false;
    row[at] = value;
  }
  return true;
}

/** How many bits a cell takes. */
function cellBits(cell: Cell): number {
  return 32 - Math.clz32(cell.max - cell.min);
}

function equal(a: Int32Array, b: Int32Array): boolean {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}
