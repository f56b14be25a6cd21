import { type InputReport, MAX_REPORT_BYTES, pair, readReport, writeReport } from "../input/report.ts";
import { RING_MASK } from "./ring.ts";

// The first bytes of a snapshot: 3 to 14.
//
//     0–1  tick, modulo 65,536, the lower byte first
//     2    bits 0–5: of a whole, how many ticks before it the base is, 0 for none; of a part, bit 0 if it
//          completes what was told in parts, and bit 1 if the upper half of the tick follows
//          bit 6: a report on the client's inputs follows
//          bit 7: it is a part
//     +2   the upper half of the tick: of a whole without a base, and of a part if none of the last 63 is
//          acknowledged
//     +3–11 the report (`input/report.ts`)

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
  out[at++] = tick;
  out[at++] = tick >>> 8;
  out[at++] = low | (report === undefined ? 0 : HAS_REPORT) | (isPart ? IS_PART : 0);
  if (header.isAbsolute) {
    out[at++] = tick >>> 16;
    out[at++] = tick >>> 24;
  }
  return report === undefined ? at : writeReport(report, tick, out, at);
}

/**
 * Reads it.
 *
 * @param newest The newest tick that is known, or -1.
 * @param report Becomes the report, if there is one.
 * @returns Its length, or 0 if it cannot be one.
 */
export function readHeader(bytes: Uint8Array, header: Header, newest: number, report: InputReport): number {
  const first = bytes[2] ?? 0;
  const low = first & RING_MASK;
  header.isPart = (first & IS_PART) !== 0;
  header.hasReport = (first & HAS_REPORT) !== 0;
  header.ahead = header.isPart ? 0 : low;
  header.completes = header.isPart && (low & COMPLETES) !== 0;
  header.isAbsolute = header.isPart ? (low & IS_ABSOLUTE) !== 0 : low === 0;
  if (header.isPart && low > (COMPLETES | IS_ABSOLUTE)) return 0;
  const tick = pair(bytes, 0);
  let at = 3;
  if (header.isAbsolute) {
    header.tick = pair(bytes, at) * 0x1_0000 + tick;
    at += 2;
  } else {
    if (newest < 0) return 0;
    // The one nearest to the newest.
    header.tick = newest + (((tick - newest) << 16) >> 16);
    if (header.tick < 0) return 0;
  }
  if (header.hasReport) at = readReport(report, header.tick, bytes, at);
  return at <= bytes.length ? at : 0;
}
