/* oxlint-disable no-underscore-dangle -- Node's names */
import { constants, createDeflateRaw, createInflateRaw } from "node:zlib";
import { poison } from "@zocalo/net/transport";

/**
 * The one place that reaches into Node's zlib: a handle that lives on and works at once.
 *
 * Node offers streams (the thread pool; 107 µs for a 660-byte message) and one-shot calls (a new handle each;
 * 55 µs). Under both is a handle with a synchronous `writeSync`: 2 µs with the context kept, 9 µs when it is
 * reset. Where it is not as expected, or with the environment variable `ZOCALO_NO_SYNC_ZLIB`, `isZlibUsable`
 * is false and compression is not negotiated.
 */

/** What is used of Node beyond its documentation. */
interface Handle {
  writeSync(
    flush: number,
    source: Uint8Array,
    sourceAt: number,
    sourceLength: number,
    target: Uint8Array,
    targetAt: number,
    targetLength: number,
  ): void;
  reset(): void;
  close(): void;
  onerror: (message: string, errno: number, code: string) => void;
}
interface ZlibInternals {
  readonly _handle: Handle | null;
  /** Room left in the target, input left in the source: both after `writeSync`. */
  readonly _writeState: Uint32Array;
}

/** Output is made in portions of this size, in bytes. */
const PORTION_BYTES = 65_536;
/** The smallest chunk Node's streams take: theirs is never used. */
const LEAST_CHUNK_BYTES = 64;

const portion = Buffer.allocUnsafeSlow(PORTION_BYTES);

/** What ends each message, and is not sent (RFC 7692 §7.2.1). */
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

/** An empty message, compressed. */
const EMPTY = Buffer.from([0]);

/** Why `Inflater.inflate` gave nothing. */
export type InflateFault = "corrupt";

/** What both directions have in common. */
abstract class Zlib {
  protected readonly handle: Handle;
  protected readonly state: Uint32Array;
  protected readonly keepsContext: boolean;
  protected hasFailed = false;

  /** @param stream one of Node's, whose handle is used in its place. */
  constructor(stream: ZlibInternals, keepsContext: boolean) {
    if (stream._handle === null) throw new Error("zlib gave no handle");
    this.handle = stream._handle;
    this.state = stream._writeState;
    this.keepsContext = keepsContext;
    this.handle.onerror = () => {
      this.hasFailed = true;
    };
  }

  /** Gives its memory back. */
  close(): void {
    this.handle.close();
  }
}

/** Compresses messages, one after the other. */
export class Deflater extends Zlib {
  /**
   * @param windowBits 8 to 15. zlib has no window of 8 bits for raw deflate; with 9, distances stay below
   *   256, which is the same to the peer.
   * @param keepsContext a message may refer to those before it. Then there must be one `Deflater` for each
   *   connection.
   */
  constructor(windowBits: number, level: number, memLevel: number, keepsContext: boolean) {
    const stream = createDeflateRaw({
      windowBits: Math.max(9, windowBits),
      level,
      memLevel,
      chunkSize: LEAST_CHUNK_BYTES,
    });
    super(stream as unknown as ZlibInternals, keepsContext);
  }

  /**
   * One message, the first `length` bytes of `source`, without its tail. The memory is lent until the next
   * call of any `Deflater` or `Inflater`.
   */
  deflate(source: Uint8Array, length: number = source.length): Buffer {
    // A second flush without input would give nothing; this is an empty block (RFC 7692 §7.2.3.6).
    if (length === 0) return EMPTY;
    if (!this.keepsContext) this.handle.reset();
    const output = new Output();
    let at = 0;
    for (;;) {
      const { room } = output;
      this.handle.writeSync(constants.Z_SYNC_FLUSH, source, at, length - at, portion, output.used, room);
      if (this.hasFailed) throw new Error("zlib failed to compress");
      at = length - (this.state[1] as number);
      // The flush is complete when there is room left.
      if (output.took(room, this.state[0] as number)) break;
    }
    return output.all(TAIL.length);
  }
}

/** Decompresses messages, one after the other. */
export class Inflater extends Zlib {
  /** @param windowBits 8 to 15: a message that reaches further back is corrupt. */
  constructor(windowBits: number, keepsContext: boolean) {
    const stream = createInflateRaw({ windowBits, chunkSize: LEAST_CHUNK_BYTES });
    super(stream as unknown as ZlibInternals, keepsContext);
  }

  /**
   * One message, as it came, without its tail. It stops when there is one byte more than `limit`: then the
   * message is too big.
   *
   * @returns bytes that are lent until the next call of any `Deflater` or `Inflater`, or what is wrong.
   */
  inflate(source: Uint8Array, limit: number): Buffer | InflateFault {
    this.begin();
    return this.inflatePart(source, limit, true);
  }

  /** Begins a message that comes in parts. */
  begin(): void {
    if (!this.keepsContext) this.handle.reset();
    this.hasFailed = false;
  }

  /** The next part of a message; otherwise as `inflate`. `limit` is for the output of this part. */
  inflatePart(source: Uint8Array, limit: number, isLast: boolean): Buffer | InflateFault {
    const output = new Output();
    if (!this.#inflateTo(output, source, limit)) return "corrupt";
    if (isLast && output.length <= limit && !this.#inflateTo(output, TAIL, limit)) return "corrupt";
    return output.all();
  }

  /** False if it is corrupt before there is more than `limit` bytes. */
  #inflateTo(output: Output, source: Uint8Array, limit: number): boolean {
    let at = 0;
    let isFresh = false;
    while (at < source.length) {
      const left = source.length - at;
      // Never more room than that: what is wrong behind the limit must not count before it.
      const room = Math.min(output.room, limit + 1 - output.length);
      this.handle.writeSync(constants.Z_SYNC_FLUSH, source, at, left, portion, output.used, room);
      if (this.hasFailed) return false;
      const unread = this.state[1] as number;
      const hasRoom = output.took(room, this.state[0] as number);
      if (output.length > limit) return true;
      at = source.length - unread;
      if (unread === 0) return hasRoom || this.#drain(output, limit);
      if (!hasRoom) continue;
      // A final block in mid-stream (RFC 7692 §7.2.3.4): what follows begins anew.
      if (unread === left && isFresh) return false;
      this.handle.reset();
      isFresh = true;
    }
    return true;
  }

  /** All input is read, but there was no room for all of the output. */
  #drain(output: Output, limit: number): boolean {
    for (;;) {
      const room = Math.min(output.room, limit + 1 - output.length);
      this.handle.writeSync(constants.Z_SYNC_FLUSH, TAIL, 0, 0, portion, output.used, room);
      if (this.hasFailed) return false;
      if (output.took(room, this.state[0] as number) || output.length > limit) return true;
    }
  }
}

/** Where output goes: the portion that all share, and once that is full, pieces of its own. */
class Output {
  #pieces: Buffer[] | undefined;
  #before = 0;
  /** Bytes of the portion in use. */
  used = 0;

  constructor() {
    poison(portion);
  }

  get room(): number {
    return PORTION_BYTES - this.used;
  }

  get length(): number {
    return this.#before + this.used;
  }

  /** After a write to `room` bytes, of which `left` are left. True if there are any. */
  took(room: number, left: number): boolean {
    this.used += room - left;
    if (left > 0 || this.used < PORTION_BYTES) return left > 0;
    this.#pieces ??= [];
    this.#pieces.push(Buffer.from(portion));
    this.#before += PORTION_BYTES;
    this.used = 0;
    return false;
  }

  /** @param without bytes at the end. */
  all(without = 0): Buffer {
    if (this.#pieces === undefined) return portion.subarray(0, this.used - without);
    const bytes = Buffer.concat([...this.#pieces, portion.subarray(0, this.used)]);
    return bytes.subarray(0, bytes.length - without);
  }
}

let isUsable: boolean | undefined = process.env["ZOCALO_NO_SYNC_ZLIB"] === undefined ? undefined : false;

/** For tests: `false` is a Node where it cannot be done. The environment variable makes it one, too. */
export function enableSyncZlib(enabled: boolean): void {
  isUsable = enabled && works();
}

/**
 * True if zlib's handles are as this file expects them: decided once, by a round trip, when compression is
 * asked for first.
 */
export function isZlibUsable(): boolean {
  isUsable ??= works();
  return isUsable;
}

function works(): boolean {
  try {
    const text = Buffer.from("zocalo zocalo zocalo");
    if (!tellsHowFar(text)) return false;
    const deflater = new Deflater(15, 1, 8, false);
    const inflater = new Inflater(15, false);
    const compressed = Buffer.from(deflater.deflate(text));
    const inflated = inflater.inflate(compressed, text.length);
    deflater.close();
    inflater.close();
    return typeof inflated !== "string" && inflated.equals(text);
  } catch {
    return false;
  }
}

/**
 * True if a handle says how much room and input are left. One that says nothing would be asked for ever: no
 * room left means that there is more to come.
 */
function tellsHowFar(text: Uint8Array): boolean {
  const { _handle: handle, _writeState: state } = createDeflateRaw() as unknown as ZlibInternals;
  if (handle === null) return false;
  try {
    state.fill(0);
    handle.writeSync(constants.Z_SYNC_FLUSH, text, 0, text.length, portion, 0, PORTION_BYTES);
    const [room = 0, unread] = state;
    return room > 0 && room < PORTION_BYTES && unread === 0;
  } finally {
    handle.close();
  }
}
