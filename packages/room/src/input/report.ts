import { PARTS_PER_TICK } from "./packet.ts";

// What a server says of one client's inputs, in 3 to 11 bytes of a snapshot's header. Moments are in
// sixteenths of a tick.
//
//     0    bits 0–3: how long after its tick it was sent
//          bit 4: `applied` follows; otherwise all of it is set, or none if nothing was taken
//          bit 5: an input that came follows; bit 6: one's own entity follows; bit 7: 0
//     1    by how many ticks `taken` is behind the tick; 255 for none
//     2    depth, from -128 to 127
//     +4   `applied`, the lowest byte first
//     +2   the lower byte first: bits 0–5: how long before the next tick that input came
//          bits 6–15: its number less the tick, plus 512
//     +2   by which id one's own entity is shown, the lower byte first

export const MAX_REPORT_BYTES = 11;
const HAS_APPLIED = 0x10;
const HAS_CAME = 0x20;
const HAS_OWN = 0x40;
const RESERVED = 0x80;
const NOT_TAKEN = 255;
const DEPTH_HALF = 128;
const CAME_HALF = 512;
/** The moment when an input came is up to four ticks before the next one. */
const MOMENT_BITS = 6;
const ALL = 0xffffffff;

/** What the server says of one seat's inputs with each frame. Made once and filled often. */
export class InputReport {
  /** When it was sent, in ticks of the server's time. */
  sentAt = 0;
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
  // Rounded so that the clock offset stays within its bounds.
  const sent = clamp(Math.floor((report.sentAt - tick) * PARTS_PER_TICK), 0, PARTS_PER_TICK - 1);
  const behind = tick - report.taken;
  const isTaken = report.taken > 0 && behind >= 0 && behind < NOT_TAKEN;
  const hasApplied = isTaken && report.applied !== ALL;
  const came = report.came - tick + CAME_HALF;
  const hasCame = report.came > 0 && came >= 0 && came < 2 * CAME_HALF;
  const hasOwn = report.own >= 0;
  out[at++] = sent | (hasApplied ? HAS_APPLIED : 0) | (hasCame ? HAS_CAME : 0) | (hasOwn ? HAS_OWN : 0);
  out[at++] = isTaken ? behind : NOT_TAKEN;
  out[at++] = clamp(report.depth, -DEPTH_HALF, DEPTH_HALF - 1);
  if (hasApplied) for (let shift = 0; shift < 32; shift += 8) out[at++] = report.applied >>> shift;
  if (hasCame) {
    const early = Math.floor((tick + 1 - report.cameAt) * PARTS_PER_TICK);
    const word = (came << MOMENT_BITS) | clamp(early, 0, 2 ** MOMENT_BITS - 1);
    out[at++] = word;
    out[at++] = word >>> 8;
  }
  if (hasOwn) {
    out[at++] = report.own;
    out[at++] = report.own >>> 8;
  }
  return at;
}

/**
 * Reads what is said with the frame of `tick`, from `at` on.
 *
 * @returns Where it ends: past the end of `bytes` if there was not enough, `NaN` if it cannot be one.
 */
export function readReport(report: InputReport, tick: number, bytes: Uint8Array, at: number): number {
  const first = bytes[at++] ?? RESERVED;
  if ((first & RESERVED) !== 0) return Number.NaN;
  report.sentAt = tick + (first & (PARTS_PER_TICK - 1)) / PARTS_PER_TICK;
  const behind = bytes[at++] ?? NOT_TAKEN;
  const isTaken = behind !== NOT_TAKEN;
  report.taken = isTaken ? Math.max(0, tick - behind) : 0;
  report.depth = ((bytes[at++] ?? 0) << 24) >> 24;
  report.applied = isTaken ? ALL : 0;
  if ((first & HAS_APPLIED) !== 0) {
    report.applied = (pair(bytes, at) | (pair(bytes, at + 2) << 16)) >>> 0;
    at += 4;
  }
  report.came = 0;
  report.cameAt = 0;
  if ((first & HAS_CAME) !== 0) {
    const word = pair(bytes, at);
    at += 2;
    report.came = Math.max(0, tick + (word >>> MOMENT_BITS) - CAME_HALF);
    report.cameAt = tick + 1 - (word & (2 ** MOMENT_BITS - 1)) / PARTS_PER_TICK;
  }
  report.own = -1;
  if ((first & HAS_OWN) !== 0) {
    report.own = pair(bytes, at);
    at += 2;
  }
  return at;
}

/** Two bytes, the lower first; zeros past the end. */
export function pair(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
