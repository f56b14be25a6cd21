import type { BitReader } from "../bits/reader.ts";
import type { BitWriter } from "../bits/writer.ts";
import { PARTS_PER_TICK } from "./packet.ts";

/** Bits of how far behind the tick the newest taken input is; the greatest stands for none. */
const TAKEN_BITS = 8;
const DEPTH_BITS = 7;
const DEPTH_HALF = 2 ** (DEPTH_BITS - 1);
/** Bits of how far from the tick the input is that came. */
const CAME_BITS = 9;
const CAME_HALF = 2 ** (CAME_BITS - 1);
/** Bits of a moment beside its tick, in parts of a tick: up to 4 ticks. */
const MOMENT_BITS = 6;
const ALL = 0xffffffff;

/**
 * What the server says of one seat's inputs with each frame. Made once and filled often.
 *
 * In bits, of the frame of a tick that is known: when it was sent 4; how far behind the tick `taken` is 8; 1
 * if all of `applied` is set, else `applied` 32; depth plus 64, 7; 1 if one came, then its number less the
 * tick, plus 256, 9, and how long before the next tick it came 6. Moments are in sixteenths of a tick.
 */
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
}

/** Writes what is said with the frame of `tick`. */
export function writeReport(report: InputReport, tick: number, to: BitWriter): void {
  // Rounded so that the clock offset stays within its bounds.
  to.write(clamp(Math.floor((report.sentAt - tick) * PARTS_PER_TICK), 0, PARTS_PER_TICK - 1), 4);
  const behind = tick - report.taken;
  const none = 2 ** TAKEN_BITS - 1;
  to.write(report.taken > 0 && behind >= 0 && behind < none ? behind : none, TAKEN_BITS);
  to.write(report.applied === ALL ? 1 : 0, 1);
  if (report.applied !== ALL) to.write(report.applied, 32);
  to.write(clamp(report.depth, -DEPTH_HALF, DEPTH_HALF - 1) + DEPTH_HALF, DEPTH_BITS);
  const came = report.came - tick + CAME_HALF;
  const isTold = report.came > 0 && came >= 0 && came < 2 * CAME_HALF;
  to.write(isTold ? 1 : 0, 1);
  if (!isTold) return;
  to.write(came, CAME_BITS);
  const early = Math.floor((tick + 1 - report.cameAt) * PARTS_PER_TICK);
  to.write(clamp(early, 0, 2 ** MOMENT_BITS - 1), MOMENT_BITS);
}

/** Reads what is said with the frame of `tick`. */
export function readReport(report: InputReport, tick: number, from: BitReader): void {
  report.sentAt = tick + from.read(4) / PARTS_PER_TICK;
  const behind = from.read(TAKEN_BITS);
  report.taken = behind === 2 ** TAKEN_BITS - 1 ? 0 : Math.max(0, tick - behind);
  report.applied = from.read(1) === 1 ? ALL : from.read(32);
  report.depth = from.read(DEPTH_BITS) - DEPTH_HALF;
  report.came = 0;
  report.cameAt = 0;
  if (from.read(1) === 0) return;
  report.came = Math.max(0, tick + from.read(CAME_BITS) - CAME_HALF);
  report.cameAt = tick + 1 - from.read(MOMENT_BITS) / PARTS_PER_TICK;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
