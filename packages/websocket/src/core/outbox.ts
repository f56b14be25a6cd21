import type { Message } from "@zocalo/net";
import { poison } from "@zocalo/net/transport";
import {
  headerBytes,
  MASKED,
  MAX_HEADER_BYTES,
  type Role,
  SharedRun,
  writeHeader,
  writeMask,
} from "./frame.ts";
import { frameMemory, giveBack } from "./memory.ts";
import { nextMaskKey } from "./mask.ts";

/** Payloads from this size on get a piece of memory of their own, which is used again. */
const LARGE_BYTES = 16_384;
/** Strings up to this length are tried as ASCII, character by character; calls into native code cost more. */
const SHORT_TEXT_CHARS = 48;
/** Fewer bytes than this are copied one by one. */
const NATIVE_COPY_FROM = 16;
/**
 * Texts of this many characters to `MAX_UNCOUNTED_CHARS` have a length of 16 bits in their header, whatever
 * they are in UTF-8.
 */
const LONG_HEADER_FROM = 126;
const MAX_UNCOUNTED_CHARS = 5_461;
const encoder = new TextEncoder();
/** No string needs more than this many bytes of UTF-8 for each UTF-16 unit. */
const MAX_BYTES_PER_CHAR = 3;

/** Size of the memory in which the frames of a turn are put together, in bytes. */
const SLAB_BYTES = 65_536;
/** Slabs that are kept for the next busy turn: 1 MiB in all. */
const MAX_SPARE = 16;

/**
 * The frames of one connection that wait to be written: in order, joined in as few pieces as possible.
 *
 * It copies what is added, except shared frames and borrowed payloads, and does no I/O. `SendHalf` calls
 * `take`, writes the result, and reports with `taken` whether the system has all of it.
 */
export class Outbox {
  readonly #isMasked: boolean;
  /** Pieces before the open one. */
  #pieces: Uint8Array[] | null = null;
  /** The open piece, if it is a stretch of a slab. */
  #slab: Slab | null = null;
  #start = 0;
  #end = 0;
  /** The open piece, if it is frames shared with other connections. */
  #shared: SharedRun | null = null;
  /** Slabs of closed pieces, to be released. */
  #slabs: Slab[] | null = null;
  /** Memory of large frames, to be given back. */
  #frames: Buffer[] | null = null;
  /** The same of what was taken from here, until the operating system has it. */
  #leavingSlabs: Slab[] | null = null;
  #leavingFrames: Buffer[] | null = null;
  #length = 0;

  constructor(role: Role) {
    this.#isMasked = role === "client";
  }

  /** Lets go of what is kept so that others may share it; call at the end of a turn. */
  static endTurn(): void {
    firstShared = null;
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#length;
  }

  /** True if nothing waits, and nothing is remembered of what has left. */
  get isAtRest(): boolean {
    return this.#length === 0 && this.#leavingFrames === null && this.#leavingSlabs === null;
  }

  /** Adds a frame with `message`. */
  addMessage(firstByte: number, message: Message): void {
    if (typeof message === "string") this.addText(firstByte, message);
    else this.addBytes(firstByte, message);
  }

  /** Adds a frame with bytes. */
  addBytes(firstByte: number, payload: Uint8Array): void {
    const { length } = payload;
    if (length < LONG_HEADER_FROM && !this.#isMasked) {
      // Hot path: a short frame.
      const slab = this.#openSlab(length + 2);
      const { bytes } = slab;
      const at = this.#end + 2;
      bytes[at - 2] = firstByte;
      bytes[at - 1] = length;
      if (length < NATIVE_COPY_FROM) {
        for (let i = 0; i < length; i++) bytes[at + i] = payload[i] as number;
      } else {
        bytes.set(payload, at);
      }
      this.#grow(slab, at + length);
      return;
    }
    const size = headerBytes(length, this.#isMasked) + length;
    if (length >= LARGE_BYTES) {
      this.#addLarge(firstByte, payload, size);
      return;
    }
    const slab = this.#openSlab(size);
    const bytes = slab.bytes;
    let at = writeHeader(bytes, this.#end, firstByte, length, this.#isMasked ? MASKED : 0);
    if (this.#isMasked) at += 4;
    bytes.set(payload, at);
    if (this.#isMasked) writeMask(bytes, at - 4, nextMaskKey(), length);
    this.#grow(slab, at + length);
  }

  /** Adds a frame with text; lone surrogates are sent as U+FFFD. */
  addText(firstByte: number, text: string): void {
    const chars = text.length;
    if (chars <= SHORT_TEXT_CHARS && this.#addShortAscii(firstByte, text)) return;
    if (chars >= LARGE_BYTES) {
      this.#addLargeText(firstByte, text);
      return;
    }
    // Where the header is the same whatever the text's length in bytes, it is written afterwards: to count
    // them takes as long as to encode them.
    const isCounted = chars < LONG_HEADER_FROM || chars > MAX_UNCOUNTED_CHARS;
    const room = isCounted ? Buffer.byteLength(text) : chars * MAX_BYTES_PER_CHAR;
    const header = headerBytes(room, this.#isMasked);
    const slab = this.#openSlab(header + room);
    const at = this.#end + header;
    const length = slab.bytes.write(text, at, room);
    writeHeader(slab.bytes, this.#end, firstByte, length, this.#isMasked ? MASKED : 0);
    if (this.#isMasked) writeMask(slab.bytes, at - 4, nextMaskKey(), length);
    this.#grow(slab, at + length);
  }

  /** Adds a whole frame that others may have too; it is never changed. */
  addShared(frame: Uint8Array): void {
    this.#length += frame.length;
    if (frame.length >= LARGE_BYTES) {
      this.#closePiece();
      this.#push(frame);
      return;
    }
    if (this.#shared !== null && this.#shared.hasRoomFor(frame.length)) {
      this.#shared = this.#shared.with(frame);
      return;
    }
    this.#closePiece();
    if (firstShared === null || !firstShared.is(frame)) firstShared = new SharedRun(null, frame);
    this.#shared = firstShared;
  }

  /**
   * Gives all that waits, in order: one piece, or several. Call only when `length` is not 0; then write, then
   * `taken`.
   */
  take(): Uint8Array | Uint8Array[] {
    this.#length = 0;
    if (this.#pieces === null) {
      if (this.#shared !== null) {
        const joined = this.#shared.joined();
        this.#shared = null;
        return joined;
      }
      if (this.#slab !== null) return this.#slab.piece(this.#start, this.#end);
      return [];
    }
    this.#closePiece();
    const pieces = this.#pieces;
    this.#pieces = null;
    const [first] = pieces;
    return pieces.length === 1 && first !== undefined ? first : pieces;
  }

  /**
   * What `take` gave was written.
   *
   * @param isGone the operating system has all that was ever written, so that its memory may be used again.
   * @param isPlain false: the memory is never used again. Only a plain socket tells what the system has
   *   taken; any other stream may keep what it was given.
   */
  taken(isGone: boolean, isPlain: boolean): void {
    const slab = this.#slab;
    const slabs = this.#slabs;
    this.#slab = null;
    this.#slabs = null;
    if (isPlain && isGone) {
      // Hot path: nothing needs to be remembered.
      slab?.release();
      if (slabs !== null) for (const each of slabs) each.release();
      this.gone();
      if (this.#frames !== null) for (const frame of this.#frames) giveBack(frame);
    } else if (isPlain) {
      if (slab !== null) this.#leavingSlabs = [...(this.#leavingSlabs ?? []), slab];
      if (slabs !== null) this.#leavingSlabs = [...(this.#leavingSlabs ?? []), ...slabs];
      if (this.#frames !== null) this.#leavingFrames = [...(this.#leavingFrames ?? []), ...this.#frames];
    }
    this.#frames = null;
  }

  /** The operating system has all that was ever taken from here. */
  gone(): void {
    if (this.#leavingSlabs !== null) for (const slab of this.#leavingSlabs) slab.release();
    if (this.#leavingFrames !== null) for (const frame of this.#leavingFrames) giveBack(frame);
    this.#leavingSlabs = null;
    this.#leavingFrames = null;
  }

  /** Drops all that waits, and leaves to the system what has been taken. */
  clear(): void {
    this.#closePiece();
    this.#pieces = null;
    this.#length = 0;
    if (this.#slabs !== null) for (const slab of this.#slabs) slab.release();
    this.#slabs = null;
    this.#frames = null;
    this.#leavingSlabs = null;
    this.#leavingFrames = null;
  }

  #addShortAscii(firstByte: number, text: string): boolean {
    const chars = text.length;
    const slab = this.#openSlab(10 + chars * MAX_BYTES_PER_CHAR);
    const { bytes, view } = slab;
    const start = this.#end + (this.#isMasked ? 6 : 2);
    let bits = 0;
    let i = 0;
    for (const last = chars - 3; i < last; i += 4) {
      const char0 = text.charCodeAt(i);
      const char1 = text.charCodeAt(i + 1);
      const char2 = text.charCodeAt(i + 2);
      const char3 = text.charCodeAt(i + 3);
      bits |= char0 | char1 | char2 | char3;
      view.setInt32(start + i, char0 | (char1 << 8) | (char2 << 16) | (char3 << 24), true);
    }
    for (; i < chars; i++) {
      const char = text.charCodeAt(i);
      bits |= char;
      bytes[start + i] = char;
    }
    if (bits >= 128) return false;
    bytes[this.#end] = firstByte;
    bytes[this.#end + 1] = this.#isMasked ? MASKED | chars : chars;
    if (this.#isMasked) writeMask(bytes, start - 4, nextMaskKey(), chars);
    this.#grow(slab, start + chars);
    return true;
  }

  /**
   * In a buffer of its own, with its header: as if it were ASCII at first, and only if that was wrong the
   * bytes are counted.
   */
  #addLargeText(firstByte: number, text: string): void {
    let length = text.length;
    let frame = frameMemory(MAX_HEADER_BYTES + length);
    if (encoder.encodeInto(text, frame.subarray(MAX_HEADER_BYTES, MAX_HEADER_BYTES + length)).read < length) {
      giveBack(frame);
      length = Buffer.byteLength(text);
      frame = frameMemory(MAX_HEADER_BYTES + length);
      frame.write(text, MAX_HEADER_BYTES, length);
    }
    this.#frames ??= [];
    this.#frames.push(frame);
    const end = MAX_HEADER_BYTES + length;
    const start = MAX_HEADER_BYTES - headerBytes(length, this.#isMasked);
    writeHeader(frame, start, firstByte, length, this.#isMasked ? MASKED : 0);
    if (this.#isMasked) writeMask(frame, MAX_HEADER_BYTES - 4, nextMaskKey(), length);
    this.#closePiece();
    this.#push(frame.subarray(start, end));
    this.#length += end - start;
  }

  /** In a piece of its own, with its header. */
  #addLarge(firstByte: number, payload: Uint8Array, size: number): void {
    const { length } = payload;
    const frame = frameMemory(size);
    this.#frames ??= [];
    this.#frames.push(frame);
    const at = size - length;
    writeHeader(frame, 0, firstByte, length, this.#isMasked ? MASKED : 0);
    frame.set(payload, at);
    if (this.#isMasked) writeMask(frame, at - 4, nextMaskKey(), length);
    this.#closePiece();
    this.#push(frame.subarray(0, size));
    this.#length += size;
  }

  /**
   * Adds a server's frame whose payload is written from the caller's memory, which must not change until the
   * operating system has it.
   */
  addBorrowed(firstByte: number, payload: Uint8Array): void {
    const { length } = payload;
    const slab = this.#openSlab(headerBytes(length, false));
    this.#grow(slab, writeHeader(slab.bytes, this.#end, firstByte, length, 0));
    this.#closePiece();
    this.#push(payload);
    this.#length += length;
  }

  /** The slab in which to write `size` bytes at `#end`. */
  #openSlab(size: number): Slab {
    const open = this.#slab;
    if (open !== null && open.used === this.#end && open.hasRoomFor(size)) return open;
    this.#closePiece();
    const slab = Slab.withRoomFor(size);
    slab.open();
    this.#slab = slab;
    this.#start = slab.used;
    this.#end = slab.used;
    return slab;
  }

  #grow(slab: Slab, end: number): void {
    this.#length += end - this.#end;
    this.#end = end;
    slab.used = end;
  }

  #closePiece(): void {
    if (this.#shared !== null) {
      this.#push(this.#shared.joined());
      this.#shared = null;
    }
    if (this.#slab !== null) {
      this.#slabs ??= [];
      this.#slabs.push(this.#slab);
      if (this.#end > this.#start) this.#push(this.#slab.piece(this.#start, this.#end));
      this.#slab = null;
    }
  }

  #push(piece: Uint8Array): void {
    this.#pieces ??= [];
    this.#pieces.push(piece);
  }
}

/**
 * Memory for frames between the moment they are sent and the end of the turn. One slab serves all
 * connections, and another when it is full: when all that was written in one has gone to the operating
 * system, it starts again from its beginning, so that a busy server allocates nothing for small frames.
 */
export class Slab {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  readonly #memory: ArrayBufferLike = this.bytes.buffer;
  readonly view: DataView = new DataView(this.#memory);
  /** Where the next bytes go; whoever has written up to here may go on, and then moves it. */
  used = 0;
  #runs = 0;

  /** The slab in use, with room for `bytes`; they must fit in an empty one. */
  static withRoomFor(bytes: number): Slab {
    if (current.used + bytes > SLAB_BYTES) current = spare.pop() ?? new Slab();
    return current;
  }

  /** True if `bytes` more fit. */
  hasRoomFor(bytes: number): boolean {
    return this.used + bytes <= SLAB_BYTES;
  }

  /** What was written from `start` to `end`. A plain view: a `Buffer` takes three times as long to make. */
  piece(start: number, end: number): Uint8Array {
    return new Uint8Array(this.#memory, start, end - start);
  }

  /** Somebody begins to write at `used`. */
  open(): void {
    this.#runs++;
  }

  /**
   * The operating system has the bytes of a run. Never called for one that it has not taken at once: then the
   * slab is left to it.
   */
  release(): void {
    if (--this.#runs > 0) return;
    poison(this.bytes);
    this.used = 0;
    if (this !== current && spare.length < MAX_SPARE) spare.push(this);
  }
}

/** The run that is the first frame of a turn to many. */
let firstShared: SharedRun | null = null;
const spare: Slab[] = [];
let current = new Slab();
