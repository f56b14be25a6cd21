// Frames as RFC 6455 §5.2 draws them, written a second time: nothing here comes from `src`, or a mistake
// there would be repeated here.
import { Random } from "@zocalo/integrity";

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

export interface Frame {
  readonly opcode: number;
  readonly isFinal: boolean;
  /** RSV1 is 4, RSV2 is 2, RSV3 is 1. */
  readonly rsv: number;
  readonly payload: Buffer;
}

/** What the other side did wrong. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** Masks need not be secret here, only different. */
const masks = new Random(1);

/** A frame on the wire. @param isMasked as a client sends it. */
export function encode(
  isMasked: boolean,
  opcode: number,
  payload: Uint8Array = Buffer.alloc(0),
  { isFinal = true, rsv = 0 } = {},
): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const start = 2 + extended + (isMasked ? 4 : 0);
  const frame = Buffer.allocUnsafe(start + length);
  frame[0] = (isFinal ? 0x80 : 0) | (rsv << 4) | opcode;
  frame[1] = (isMasked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) frame.writeUInt16BE(length, 2);
  if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(payload, start);
  if (isMasked) {
    const mask = masks.below(2 ** 32);
    frame.writeUInt32BE(mask, start - 4);
    unmask(frame, start, mask);
  }
  return frame;
}

/** A message in frames of `size` bytes. @param rsv of the first one. */
export function encodeFragments(
  isMasked: boolean,
  opcode: number,
  payload: Uint8Array,
  size: number,
  rsv = 0,
): Buffer {
  const frames: Buffer[] = [];
  let at = 0;
  do {
    const end = Math.min(payload.length, at + size);
    const isFirst = at === 0;
    frames.push(
      encode(isMasked, isFirst ? opcode : CONTINUATION, payload.subarray(at, end), {
        isFinal: end === payload.length,
        rsv: isFirst ? rsv : 0,
      }),
    );
    at = end;
  } while (at < payload.length);
  return Buffer.concat(frames);
}

/** A close payload. */
export function closing(code: number, reason: string | Uint8Array = ""): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return Buffer.concat([payload, typeof reason === "string" ? Buffer.from(reason) : reason]);
}

/**
 * Cuts bytes that come in any portions into frames, and objects to every frame that a strict peer must not
 * send.
 */
export class FrameReader {
  readonly #mustBeMasked: boolean;
  /** RSV bits that may be set on the first frame of a message. */
  readonly #allowedRsv: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #need = 2;
  #isInMessage = false;
  #hasClosed = false;

  constructor(mustBeMasked: boolean, allowedRsv: number) {
    this.#mustBeMasked = mustBeMasked;
    this.#allowedRsv = allowedRsv;
  }

  push(chunk: Buffer): void {
    if (this.#hasClosed) throw new Violation(`${chunk.length} bytes after the Close frame`);
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Bytes of a frame that is not complete. */
  get rest(): number {
    return this.#bytes;
  }

  /** The next frame that is all there. @throws Violation */
  next(): Frame | undefined {
    for (;;) {
      if (this.#bytes < this.#need) return undefined;
      if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
      const bytes = this.#chunks[0] ?? Buffer.alloc(0);
      const second = bytes[1] ?? 0;
      const extended = (second & 127) === 126 ? 2 : (second & 127) === 127 ? 8 : 0;
      const start = 2 + extended + (second >= 128 ? 4 : 0);
      if (bytes.length < start) {
        this.#need = start;
        continue;
      }
      const length =
        extended === 0
          ? second & 127
          : extended === 2
            ? bytes.readUInt16BE(2)
            : Number(bytes.readBigUInt64BE(2));
      this.#check(bytes[0] ?? 0, second, extended, length);
      if (bytes.length < start + length) {
        this.#need = start + length;
        continue;
      }
      return this.#take(bytes, start, length);
    }
  }

  #take(bytes: Buffer, start: number, length: number): Frame {
    const first = bytes[0] ?? 0;
    const payload = Buffer.from(bytes.subarray(start, start + length));
    if ((bytes[1] ?? 0) >= 128) unmask(payload, 0, bytes.readUInt32BE(start - 4));
    const rest = bytes.subarray(start + length);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    this.#need = 2;
    const frame = { opcode: first & 15, isFinal: first >= 128, rsv: (first >> 4) & 7, payload };
    if (frame.opcode < 8) this.#isInMessage = !frame.isFinal;
    if (frame.opcode === CLOSE) {
      this.#hasClosed = true;
      if (rest.length > 0) throw new Violation(`${rest.length} bytes after the Close frame`);
    }
    return frame;
  }

  #check(first: number, second: number, extended: number, length: number): void {
    const opcode = first & 15;
    const rsv = (first >> 4) & 7;
    const isControl = opcode >= 8;
    const begins = opcode === TEXT || opcode === BINARY;
    if (second >= 128 !== this.#mustBeMasked) {
      throw new Violation(
        this.#mustBeMasked ? "a client's frame without a mask" : "a server's frame with a mask",
      );
    }
    if (![CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG].includes(opcode))
      throw new Violation(`opcode ${opcode}`);
    if ((rsv & ~(begins ? this.#allowedRsv : 0)) !== 0) throw new Violation(`RSV ${rsv} on opcode ${opcode}`);
    if ((extended === 2 && length < 126) || (extended === 8 && length < 65_536))
      throw new Violation(`length ${length} in ${extended} bytes`);
    if (isControl && (length > 125 || first < 128))
      throw new Violation(`control frame of ${length} bytes, or a fragment`);
    if (begins && this.#isInMessage) throw new Violation("a new message inside of another");
    if (opcode === CONTINUATION && !this.#isInMessage) throw new Violation("a continuation of nothing");
  }
}

function unmask(bytes: Buffer, start: number, mask: number): void {
  const key = [mask >>> 24, (mask >>> 16) & 255, (mask >>> 8) & 255, mask & 255] as const;
  let at = start;
  for (; at + 4 <= bytes.length; at += 4) {
    bytes[at] = (bytes[at] as number) ^ key[0];
    bytes[at + 1] = (bytes[at + 1] as number) ^ key[1];
    bytes[at + 2] = (bytes[at + 2] as number) ^ key[2];
    bytes[at + 3] = (bytes[at + 3] as number) ^ key[3];
  }
  for (let i = 0; at < bytes.length; at++, i++) bytes[at] = (bytes[at] as number) ^ (key[i] as number);
}
