import { applyMask } from "./mask.ts";
import type { Encoding, Message } from "@zocalo/net";

/** Frame opcodes, RFC 6455 §5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** First header byte of a frame that is a whole message or control frame. */
export const FIN = 0x80;
/** The bit that permessage-deflate uses (RFC 7692 §6). */
export const RSV1 = 0x40;
/** Set in the second header byte when the payload is masked. */
export const MASKED = 0x80;

/** Longest payload of a control frame, in bytes (RFC 6455 §5.5). */
export const MAX_CONTROL_PAYLOAD = 125;
/** Longest frame header, in bytes: 2, an 8-byte length and a mask. */
export const MAX_HEADER_BYTES = 14;
/** RSV1, RSV2 and RSV3. */
const RESERVED = 0x70;

/** Which side of the connection. A client masks what it sends, a server does not (RFC 6455 §5.1). */
export type Role = "client" | "server";

/** Bytes of the shortest header for a payload of `length` bytes. */
export function headerBytes(length: number, isMasked: boolean): number {
  return (length < 126 ? 2 : length < 65_536 ? 4 : 10) + (isMasked ? 4 : 0);
}

/**
 * Writes the two to ten bytes before the mask.
 *
 * @returns where the header goes on.
 */
export function writeHeader(
  target: Uint8Array,
  at: number,
  firstByte: number,
  length: number,
  maskBit: 0 | typeof MASKED,
): number {
  target[at] = firstByte;
  if (length < 126) {
    target[at + 1] = maskBit | length;
    return at + 2;
  }
  if (length < 65_536) {
    target[at + 1] = maskBit | 126;
    target[at + 2] = length >>> 8;
    target[at + 3] = length & 255;
    return at + 4;
  }
  const high = Math.floor(length / 4_294_967_296);
  target[at + 1] = maskBit | 127;
  target[at + 2] = 0;
  target[at + 3] = 0;
  target[at + 4] = (high >>> 8) & 255;
  target[at + 5] = high & 255;
  target[at + 6] = (length >>> 24) & 255;
  target[at + 7] = (length >>> 16) & 255;
  target[at + 8] = (length >>> 8) & 255;
  target[at + 9] = length & 255;
  return at + 10;
}

/** A header that was cut across chunks is put together here. */
const headerScratch = Buffer.alloc(MAX_HEADER_BYTES);

/** The header of a frame that is received (RFC 6455 §5.2). */
export class FrameHeader {
  opcode = 0;
  isFinal = false;
  /** RSV1 is set: the message that begins here is compressed (RFC 7692 §6). */
  isCompressed = false;
  /** Of the payload, in bytes; -1 until it is known. */
  length = -1;
  key = 0;
  /** What is wrong with it, told as soon as the byte that is wrong is there. */
  fault: string | undefined;
  /** Its beginning, when a chunk ended in it. */
  cut: Buffer | undefined;

  /**
   * Reads what is there of it in `chunk[at..end)`, one byte at least, behind what came before.
   *
   * @param maskBit what the mask bit must be.
   * @param mayCompress permessage-deflate was agreed on.
   * @param isInMessage a message has begun, and its last frame has not come.
   * @returns where the payload begins in the chunk; -1 if the header is not all there or is wrong.
   */
  read(
    chunk: Buffer,
    at: number,
    end: number,
    maskBit: 0 | typeof MASKED,
    mayCompress: boolean,
    isInMessage: boolean,
  ): number {
    const { cut } = this;
    const known = cut === undefined ? 0 : cut.length;
    let size: number;
    if (cut === undefined) {
      size = this.#parse(chunk, at, end, maskBit, mayCompress, isInMessage);
    } else {
      const taken = Math.min(MAX_HEADER_BYTES - known, end - at);
      cut.copy(headerScratch, 0);
      chunk.copy(headerScratch, known, at, at + taken);
      size = this.#parse(headerScratch, 0, known + taken, maskBit, mayCompress, isInMessage);
    }
    if (size > 0) {
      this.cut = undefined;
      return at + size - known;
    }
    const rest = chunk.subarray(at, end);
    if (this.fault === undefined) this.cut = Buffer.concat(cut === undefined ? [rest] : [cut, rest]);
    return -1;
  }

  /** Its size; 0 if it is not all there or is wrong. */
  #parse(
    bytes: Buffer,
    at: number,
    end: number,
    maskBit: 0 | typeof MASKED,
    mayCompress: boolean,
    isInMessage: boolean,
  ): number {
    const first = bytes[at] as number;
    const opcode = first & 15;
    this.opcode = opcode;
    this.isFinal = (first & FIN) !== 0;
    this.isCompressed = (first & RSV1) !== 0;
    this.length = -1;
    const isData = opcode === OPCODE.text || opcode === OPCODE.binary;
    if ((first & RESERVED) !== 0 && !((first & RESERVED) === RSV1 && mayCompress && isData)) {
      return this.#wrong(this.isCompressed ? "unexpected RSV1 bit" : "reserved bit set");
    }
    if (opcode >= 8) {
      if (opcode > OPCODE.pong) return this.#wrong(`reserved opcode ${opcode}`);
      if (!this.isFinal) return this.#wrong("fragmented control frame");
    } else if (opcode > OPCODE.binary) {
      return this.#wrong(`reserved opcode ${opcode}`);
    } else if (isData === isInMessage) {
      return this.#wrong(isData ? "new message inside a fragmented one" : "continuation of no message");
    }
    if (at + 1 >= end) return 0;

    const second = bytes[at + 1] as number;
    if ((second & MASKED) !== maskBit) {
      return this.#wrong(maskBit === 0 ? "masked server frame" : "unmasked client frame");
    }
    let length = second & 127;
    let size = 2;
    if (opcode >= 8 && length > MAX_CONTROL_PAYLOAD) {
      return this.#wrong("control frame payload over 125 bytes");
    }
    if (length === 126) {
      size = 4;
      if (at + size > end) return 0;
      length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
      if (length < 126) return this.#wrong("length not minimally encoded");
    } else if (length === 127) {
      size = 10;
      // The highest bit alone is wrong; nothing else is needed to say so.
      if (at + 2 < end && (bytes[at + 2] as number) >= 128) {
        return this.#wrong("length with the highest bit set");
      }
      if (at + size > end) return 0;
      length = bytes.readUInt32BE(at + 2) * 4_294_967_296 + bytes.readUInt32BE(at + 6);
      if (length < 65_536) return this.#wrong("length not minimally encoded");
    }
    this.length = length;
    if (maskBit === 0) return size;
    const keyAt = at + size;
    if (keyAt + 4 > end) return 0;
    this.key =
      (bytes[keyAt] as number) |
      ((bytes[keyAt + 1] as number) << 8) |
      ((bytes[keyAt + 2] as number) << 16) |
      ((bytes[keyAt + 3] as number) << 24);
    return size + 4;
  }

  #wrong(fault: string): 0 {
    this.fault = fault;
    return 0;
  }
}

/** Writes a mask key, and masks `length` payload bytes that already stand behind it. */
export function writeMask(target: Uint8Array, at: number, key: number, length: number): void {
  target[at] = key & 255;
  target[at + 1] = (key >>> 8) & 255;
  target[at + 2] = (key >>> 16) & 255;
  target[at + 3] = key >>> 24;
  applyMask(target, at + 4, at + 4 + length, key);
}

/**
 * Builds one frame by itself. For what is built once and sent to many; single messages go through an
 * `Outbox`.
 *
 * @param key the mask, or `undefined` for a server's frame.
 */
export function buildFrame(firstByte: number, payload: Uint8Array | string, key?: number): Buffer {
  const isMasked = key !== undefined;
  const length = typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  const header = headerBytes(length, isMasked);
  const frame = Buffer.allocUnsafeSlow(header + length);
  writeHeader(frame, 0, firstByte, length, isMasked ? MASKED : 0);
  if (typeof payload === "string") frame.write(payload, header, "utf8");
  else frame.set(payload, header);
  if (isMasked) writeMask(frame, header - 4, key, length);
  return frame;
}

/**
 * How a server puts a message on the wire: one unmasked frame, the same for every connection.
 * `PreparedMessage` keeps it under this constant.
 */
export const serverFrame: Encoding = {
  encode(message: Message): Uint8Array {
    return buildFrame(FIN | (typeof message === "string" ? OPCODE.text : OPCODE.binary), message);
  },
};

/** Joined runs longer than this are written piece by piece instead. */
const MAX_JOINED_BYTES = 262_144;

/**
 * A sequence of frames that several connections have pending in one turn of the event loop.
 *
 * Connections to which the same frames were sent in the same order hold the very same object, so the bytes
 * are joined once and the same buffer is written to all of them. Each step remembers only the last way on: in
 * a broadcast that is the one all others take.
 */
export class SharedRun {
  readonly #before: SharedRun | null;
  readonly #frame: Uint8Array;
  /** Bytes of all frames up to this one. */
  readonly byteLength: number;
  #nextFrame: Uint8Array | null = null;
  #next: SharedRun | null = null;
  #joined: Uint8Array | null = null;

  /** `frame` after `before`. */
  constructor(before: SharedRun | null, frame: Uint8Array) {
    this.#before = before;
    this.#frame = frame;
    this.byteLength = (before === null ? 0 : before.byteLength) + frame.length;
  }

  /** True for the run of `frame` alone. */
  is(frame: Uint8Array): boolean {
    return this.#frame === frame && this.#before === null;
  }

  /** This run and then `frame`. */
  with(frame: Uint8Array): SharedRun {
    if (this.#nextFrame === frame && this.#next !== null) return this.#next;
    this.#nextFrame = frame;
    this.#next = new SharedRun(this, frame);
    return this.#next;
  }

  /** True if another frame of `bytes` may join. */
  hasRoomFor(bytes: number): boolean {
    return this.byteLength + bytes <= MAX_JOINED_BYTES;
  }

  /** All bytes in one array; it is shared and must not be changed. */
  joined(): Uint8Array {
    if (this.#before === null) return this.#frame;
    if (this.#joined === null) {
      const joined = Buffer.allocUnsafeSlow(this.byteLength);
      let at = this.byteLength;
      at -= this.#frame.length;
      joined.set(this.#frame, at);
      for (let run: SharedRun | null = this.#before; run !== null; run = run.#before) {
        at -= run.#frame.length;
        joined.set(run.#frame, at);
      }
      this.#joined = joined;
    }
    return this.#joined;
  }
}
