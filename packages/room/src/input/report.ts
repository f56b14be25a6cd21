import type { BitReader } from "../bits/reader.ts";
import { PARTS_PER_TICK } from "./packet.ts";

// What a server says of one client's inputs, in 2 to 10 bytes of a snapshot's header.
//
//     0    bits 3–7: depth, from -16 to 15
//          bit 2: `applied` follows; otherwise all of it is set, or none if nothing was taken
//          bit 1: an input that came follows
//          bit 0: one's own entity follows
//     1    by how many ticks `taken` is behind the tick; 255 for none
//     +4   `applied`, the highest byte first
//     +2   the higher byte first: bits 6–15: the number of that input less the tick, plus 512
//          bits 0–5: how long before the next tick it came, in sixteenths of a tick
//     +2   by which id one's own entity is shown, the higher byte first

export const MAX_REPORT_BYTES = 10;
const NOT_TAKEN = 255;
const DEPTH_BITS = 5;
const DEPTH_HALF = 2 ** (DEPTH_BITS - 1);
const CAME_BITS = 10;
const CAME_HALF = 512;
/** The moment when an input came is up to four ticks before the next one. */
const MOMENT_BITS = 6;
const ALL = 0xffffffff;

/** What the server says of one seat's inputs with each frame. Made once and filled often. */
export class InputReport {
  /** The newest input that was taken, or for which the last one was repeated; 0 for none. */
  taken = 0;
  /** Bit `i` is set if input `taken - i` was applied, and not lost; an unsigned 32-bit integer. */
  applied = 0;
  /** How many ticks the newest input that came is ahead of this tick; below 0 inputs are missing. */
  depth = 0;
  /** Of the inputs that came since the last report, the one with the least time to spare; 0 for none. */
  came = 0;
  /** When it came, in ticks of the server's time. */
  cameAt = 0;
  /** By which id the view shows this client's own entity; -1: that is not said, and the last word holds. */
  own = -1;
}

/**
 * Writes what is said with the frame of `tick`, from `at` on.
 *
 * @returns Where it ends.
 */
export function writeReport(report: InputReport, tick: number, out: Uint8Array, at: number): number {
  const behind = tick - report.taken;
  const isTaken = report.taken > 0 && behind >= 0 && behind < NOT_TAKEN;
  const hasApplied = isTaken && report.applied !== ALL;
  const came = report.came - tick + CAME_HALF;
  const hasCame = report.came > 0 && came >= 0 && came < 2 * CAME_HALF;
  const hasOwn = report.own >= 0;
  const depth = clamp(report.depth, -DEPTH_HALF, DEPTH_HALF - 1);
  out[at++] = (depth << 3) | (hasApplied ? 4 : 0) | (hasCame ? 2 : 0) | (hasOwn ? 1 : 0);
  out[at++] = isTaken ? behind : NOT_TAKEN;
  if (hasApplied) for (let shift = 24; shift >= 0; shift -= 8) out[at++] = report.applied >>> shift;
  if (hasCame) {
    // Rounded so that the round trip is not taken for shorter than it was.
    const early = Math.floor((tick + 1 - report.cameAt) * PARTS_PER_TICK);
    const word = (came << MOMENT_BITS) | clamp(early, 0, 2 ** MOMENT_BITS - 1);
    out[at++] = word >>> 8;
    out[at++] = word;
  }
  if (hasOwn) {
    out[at++] = report.own >>> 8;
    out[at++] = report.own;
  }
  return at;
}

/** Reads what is said with the frame of `tick`. Past the end there are zeros. */
export function readReport(report: InputReport, tick: number, from: BitReader): void {
  report.depth = (from.read(DEPTH_BITS) ^ DEPTH_HALF) - DEPTH_HALF;
  const hasApplied = from.read(1) === 1;
  const hasCame = from.read(1) === 1;
  const hasOwn = from.read(1) === 1;
  const behind = from.read(8);
  const isTaken = behind !== NOT_TAKEN;
  report.taken = isTaken ? Math.max(0, tick - behind) : 0;
  report.applied = hasApplied ? from.read(32) : isTaken ? ALL : 0;
  report.came = hasCame ? Math.max(0, tick + from.read(CAME_BITS) - CAME_HALF) : 0;
  report.cameAt = hasCame ? tick + 1 - from.read(MOMENT_BITS) / PARTS_PER_TICK : 0;
  report.own = hasOwn ? from.read(16) : -1;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
