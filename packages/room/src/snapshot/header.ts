import type { BitReader } from "../bits/reader.ts";
import { type InputReport, MAX_REPORT_BYTES, readReport, writeReport } from "../input/report.ts";

// The first bytes of a snapshot: 3 to 15.
//
//     0–1  tick, modulo 65,536, the higher byte first
//     2    bit 7: it is a part
//          bit 6: a report on the client's inputs follows
//          bits 0–5: of a whole, how many ticks before it the base is, 0 for none; of a part, bit 0 if it
//          completes what was told in parts, and bit 1 if the upper half of the tick follows
//     +2   the upper half of the tick: of a whole without a base, and of a part if none of the last 63 is
//          acknowledged
//     +2–10 the report (`input/report.ts`)

/** What a header says, but for the report. */
export interface Header {
  tick: number;
  isPart: boolean;
  /** Ticks from the base of a whole, or 0. */
  ahead: number;
  completes: boolean;
  /** The whole tick is told. */
  isAbsolute: boolean;
  hasReport: boolean;
}

export const MAX_HEADER_BYTES = 5 + MAX_REPORT_BYTES;
const HAS_REPORT = 0x40;
const IS_PART = 0x80;
const COMPLETES = 1;
const IS_ABSOLUTE = 2;

export function newHeader(): Header {
  return { tick: 0, isPart: false, ahead: 0, completes: false, isAbsolute: true, hasReport: false };
}

/** Writes it, and the report if there is one, at the beginning of `out`. Returns its length. */
export function writeHeader(out: Uint8Array, header: Header, report: InputReport | undefined): number {
  const { tick, isPart } = header;
  const low = isPart
    ? (header.completes ? COMPLETES : 0) | (header.isAbsolute ? IS_ABSOLUTE : 0)
    : header.ahead;
  let at = 0;
  out[at++] = tick >>> 8;
  out[at++] = tick;
  out[at++] = low | (report === undefined ? 0 : HAS_REPORT) | (isPart ? IS_PART : 0);
  if (header.isAbsolute) {
    out[at++] = tick >>> 24;
    out[at++] = tick >>> 16;
  }
  return report === undefined ? at : writeReport(report, tick, out, at);
}

/**
 * Reads it.
 *
 * @param newest The newest tick that is known, or -1.
 * @param report Becomes the report, if there is one.
 * @returns Whether it can be one.
 */
export function readHeader(from: BitReader, header: Header, newest: number, report: InputReport): boolean {
  const tick = from.read(16);
  header.isPart = from.read(1) === 1;
  header.hasReport = from.read(1) === 1;
  const low = from.read(6);
  header.ahead = header.isPart ? 0 : low;
  header.completes = header.isPart && (low & COMPLETES) !== 0;
  header.isAbsolute = header.isPart ? (low & IS_ABSOLUTE) !== 0 : low === 0;
  // Of one that is not told whole, the tick nearest to the newest.
  header.tick = header.isAbsolute
    ? from.read(16) * 0x1_0000 + tick
    : newest + (((tick - newest) << 16) >> 16);
  if (header.hasReport) readReport(report, header.tick, from);
  const isKnown = header.isAbsolute || (newest >= 0 && header.tick >= 0);
  return isKnown && !from.isPast && (!header.isPart || low <= (COMPLETES | IS_ABSOLUTE));
}
