import { RING_MASK } from "./ring.ts";

// The first bytes of a snapshot: 3 to 9.
//
//     0–1  tick, modulo 65,536, the lower byte first
//     2    bits 0–5: of a whole, how many ticks before it the base is, 0 for none; of a part, bit 0 if it
//          completes what was told in parts, and bit 1 if the upper half of the tick follows
//          bit 6: bytes about the input follow
//          bit 7: it is a part
//     +2   the upper half of the tick: of a whole without a base, and of parts until one is acknowledged
//     +4   about the input: the last one taken (2), how full its buffer is, flags

/** What a header says. */
export interface Header {
  tick: number;
  isPart: boolean;
  /** Ticks from the base of a whole, or 0. */
  ahead: number;
  completes: boolean;
  /** The whole tick is told. */
  isAbsolute: boolean;
  hasInput: boolean;
  /** The last input taken, modulo 65,536. */
  lastInput: number;
  /** How full the buffer of inputs is, 0 to 255. */
  depth: number;
  /** Eight bits of the application's. */
  flags: number;
}

export const MAX_HEADER_BYTES = 9;
const HAS_INPUT = 0x40;
const IS_PART = 0x80;
const COMPLETES = 1;
const IS_ABSOLUTE = 2;

export function newHeader(): Header {
  return {
    tick: 0,
    isPart: false,
    ahead: 0,
    completes: false,
    isAbsolute: true,
    hasInput: false,
    lastInput: 0,
    depth: 0,
    flags: 0,
  };
}

/** Writes it at the beginning of `out`. Returns its length. */
export function writeHeader(out: Uint8Array, header: Header): number {
  const { tick, isPart, hasInput } = header;
  const low = isPart
    ? (header.completes ? COMPLETES : 0) | (header.isAbsolute ? IS_ABSOLUTE : 0)
    : header.ahead;
  let at = 0;
  out[at++] = tick;
  out[at++] = tick >>> 8;
  out[at++] = low | (hasInput ? HAS_INPUT : 0) | (isPart ? IS_PART : 0);
  if (header.isAbsolute) {
    out[at++] = tick >>> 16;
    out[at++] = tick >>> 24;
  }
  if (hasInput) {
    out[at++] = header.lastInput;
    out[at++] = header.lastInput >>> 8;
    out[at++] = header.depth;
    out[at++] = header.flags;
  }
  return at;
}

/**
 * Reads it.
 *
 * @param newest The newest tick that is known, or -1.
 * @returns Its length, or 0 if it cannot be one.
 */
export function readHeader(bytes: Uint8Array, header: Header, newest: number): number {
  if (bytes.length < 3) return 0;
  const first = bytes[2] as number;
  const low = first & RING_MASK;
  header.isPart = (first & IS_PART) !== 0;
  header.hasInput = (first & HAS_INPUT) !== 0;
  header.ahead = header.isPart ? 0 : low;
  header.completes = header.isPart && (low & COMPLETES) !== 0;
  header.isAbsolute = header.isPart ? (low & IS_ABSOLUTE) !== 0 : low === 0;
  if (header.isPart && low > (COMPLETES | IS_ABSOLUTE)) return 0;
  const length = 3 + (header.isAbsolute ? 2 : 0) + (header.hasInput ? 4 : 0);
  if (bytes.length < length) return 0;
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
  if (header.hasInput) {
    header.lastInput = pair(bytes, at);
    header.depth = bytes[at + 2] as number;
    header.flags = bytes[at + 3] as number;
  }
  return length;
}

function pair(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}
