import { widthOf } from "../bits/marks.ts";
import type { BitReader } from "../bits/reader.ts";
import type { Cell } from "../contracts/layout.ts";

// One packet of inputs: the input of a tick and of the two before it, which frames came, and what was shown
// when it was made.
//
// In bits: its tick 32; the newest frame that came 32, all ones for none; which of those before it came 32;
// newest less displayed in sixteenths of a tick, plus 2,048, 12, or 0 if nothing was shown; then three
// inputs, the newest first: 1 if it equals the one after it, else 01 and its cells, `value - min` each, or 00
// if there is none. What is left of the last byte is 0.

/** How many inputs each packet carries: its own, and those before it once more. */
export const INPUTS_PER_PACKET = 3;
/** Moments are told in parts of a tick. */
export const PARTS_PER_TICK = 16;
/** Half of how far the displayed time may be from the newest frame, in parts of a tick: 128 ticks. */
export const DISPLAYED_HALF = 2_048;
/** Bits of that. */
export const DISPLAYED_BITS = 12;

/** What a packet says. Made once and filled often. */
export class InputPacket {
  readonly cells: readonly Cell[];
  /** Of the cells. To read a number that may have fractions from an object is to make one. */
  readonly mins: Int32Array;
  readonly maxes: Int32Array;
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
    this.mins = Int32Array.from(cells, ({ min }) => min);
    this.maxes = Int32Array.from(cells, ({ max }) => max);
    this.rows = this.isHere.map(() => new Int32Array(cells.length));
  }
}

/**
 * Hot path, guarded by allocation-room.test.ts.
 *
 * @returns False if a cell is out of its range, the number is 0, the newest is not here, or there was not
 * enough, or more.
 */
export function readPacket(packet: InputPacket, from: BitReader): boolean {
  packet.number = from.read(32);
  const newest = from.read(32);
  packet.newest = newest === 0xffff_ffff ? -1 : newest;
  packet.before = from.read(32);
  const shown = from.read(DISPLAYED_BITS);
  packet.displayed = shown === 0 ? Number.NaN : packet.newest - (shown - DISPLAYED_HALF) / PARTS_PER_TICK;
  let after: Int32Array | undefined;
  for (let back = 0; back < INPUTS_PER_PACKET; back++) {
    const row = packet.rows[back] as Int32Array;
    const isSame = from.read(1) === 1;
    const isHere = isSame || from.read(1) === 1;
    packet.isHere[back] = isHere;
    if (!isHere) continue;
    if (!isSame) {
      if (!readRow(packet, from, row)) return false;
    } else if (after === undefined) return false;
    else row.set(after);
    after = row;
  }
  return packet.number > 0 && packet.isHere[0] === true && from.isAtEnd;
}

function readRow({ mins, maxes }: InputPacket, from: BitReader, row: Int32Array): boolean {
  for (let at = 0; at < row.length; at++) {
    const min = mins[at] as number;
    const max = maxes[at] as number;
    const value = min + from.read(widthOf(max - min));
    if (value > max) return false;
    row[at] = value;
  }
  return true;
}
