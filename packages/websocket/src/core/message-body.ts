import type { Message } from "@zocalo/net";
import { poison } from "@zocalo/net/transport";
import { CLOSE, type ProtocolFailure } from "./close-frame.ts";
import type { Compression } from "./compression.ts";
import { Utf8Check } from "./utf8.ts";

/** A portion of a message that is told as it comes: see `Receiver`. */
export interface MessagePart {
  readonly isText: boolean;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** Belongs to the sink. Of text, valid so far; it may begin and end within a character. */
  readonly bytes: Uint8Array;
}

/** Who is given messages. Binary ones belong to the sink. */
export interface MessageSink {
  /**
   * A whole message.
   *
   * @param byteLength encoded length of the message, in bytes.
   */
  onMessage(message: Message, byteLength: number): void;
  /** Instead of `onMessage`, from a receiver that streams. */
  onPart(part: MessagePart): void;
}

/** What a peer can make this side hold or do. Share one object between connections. */
export interface ReceiveLimits {
  /**
   * Largest message, in bytes after unmasking and inflating. Past it: close code 1009, before the payload is
   * buffered.
   */
  readonly maxMessageBytes: number;
  /** Largest payload of one data frame, in bytes. Past it: close code 1009. */
  readonly maxFrameBytes: number;
  /**
   * Most frames of one message. Past it: close code 1009. Fragments are joined as they come and cost no
   * memory of their own.
   */
  readonly maxFragments: number;
}

/** Used where an option is left out. */
export const defaultReceiveLimits: ReceiveLimits = {
  maxMessageBytes: 1_048_576,
  maxFrameBytes: Number.POSITIVE_INFINITY,
  maxFragments: 131_072,
};

/** RFC 6455 §8.1 */
export const INVALID_UTF8: ProtocolFailure = { closeCode: CLOSE.invalidPayload, reason: "invalid UTF-8" };

const CORRUPT: ProtocolFailure = { closeCode: CLOSE.invalidPayload, reason: "corrupt compressed message" };

const TOO_BIG: ProtocolFailure = { closeCode: CLOSE.messageTooBig, reason: "message too big when inflated" };

/**
 * What a compressed message is answered with whose inflated `bytes` are more than `limit`: of two things that
 * are wrong the one that comes first, however the message was cut.
 *
 * @param utf8 has checked what came before; `undefined` for a message that is not text.
 */
function tooBig(bytes: Uint8Array, limit: number, utf8: Utf8Check | undefined): ProtocolFailure {
  return utf8 === undefined || utf8.accepts(bytes, 0, limit) ? TOO_BIG : INVALID_UTF8;
}

/**
 * A compressed message that is all there, inflated, or what is wrong with it. Its limit holds while it is
 * inflated. The bytes are lent until the next use of any compression.
 */
export function inflatedMessage(
  payload: Uint8Array,
  isText: boolean,
  maxBytes: number,
  compression: Compression | undefined,
): Buffer | ProtocolFailure {
  const inflated = compression?.decompress(payload, maxBytes) ?? "corrupt";
  if (typeof inflated === "string") return CORRUPT;
  if (inflated.length <= maxBytes) return inflated;
  return tooBig(inflated, maxBytes, isText ? new Utf8Check() : undefined);
}

/**
 * So much of a compressed message is inflated at a time: 2 KiB give at most 2.1 MB, and mostly fit in the
 * memory that is there for it.
 */
export const INFLATE_BYTES = 2048;
/**
 * The same of one that is told in parts: 512 bytes give at most 528 kB, and between them the sink may pause.
 */
const INFLATE_PART_BYTES = 512;

/**
 * Takes the payload of messages that are not all there in one piece, in order, and puts them together, or
 * tells each part as it comes. A compressed message is inflated as it comes, so that its limit holds at each
 * moment and bad text is found at its first wrong byte.
 */
export class MessageBody {
  readonly #sink: MessageSink;
  readonly #maxBytes: number;
  readonly #compression: Compression | undefined;
  readonly #isStreaming: boolean;
  readonly #utf8 = new Utf8Check();
  #isText = false;
  #isCompressed = false;
  /** Something has entered the decompressor. */
  #hasBegun = false;
  #inflatedBytes = 0;
  /** What has come, unless it was told or dropped. */
  #message: Assembly | undefined;
  /** Nothing was told yet. */
  #isFirst = false;

  constructor(
    sink: MessageSink,
    maxBytes: number,
    compression: Compression | undefined,
    isStreaming: boolean,
  ) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
    this.#compression = compression;
    this.#isStreaming = isStreaming;
  }

  /**
   * Most bytes of the message being received that `add` takes at once. Between two calls the receiver may be
   * paused.
   */
  get stepBytes(): number {
    if (!this.#isCompressed) return Number.MAX_SAFE_INTEGER;
    return this.#isStreaming ? INFLATE_PART_BYTES : INFLATE_BYTES;
  }

  /** A message begins. `isCompressed`: its payload is (RFC 7692 §6). */
  begin(isText: boolean, isCompressed: boolean): void {
    this.#isText = isText;
    this.#isCompressed = isCompressed;
    this.#hasBegun = false;
    this.#inflatedBytes = 0;
    this.#utf8.reset();
    this.#isFirst = true;
    if (!this.#isStreaming) this.#message = new Assembly(isText);
  }

  /**
   * Takes `chunk[start..end)`, which may be empty. It is lent: its memory may be used again after the call.
   *
   * @param due bytes that the frame is known to have from `start` on.
   * @param isLast the message ends here, and is told.
   * @returns what is wrong with the message, as soon as it is known.
   */
  add(chunk: Buffer, start: number, end: number, due: number, isLast: boolean): ProtocolFailure | undefined {
    if (!this.#isCompressed) return this.#take(chunk, start, end, due, isLast);
    const room = this.#maxBytes - this.#inflatedBytes;
    const isBeginning = !this.#hasBegun;
    this.#hasBegun = true;
    const part = chunk.subarray(start, end);
    const inflated = this.#compression?.decompressPart(part, isBeginning, isLast, room) ?? "corrupt";
    if (typeof inflated === "string") return CORRUPT;
    const { length } = inflated;
    if (length > room) return tooBig(inflated, room, this.#isText ? this.#utf8 : undefined);
    this.#inflatedBytes += length;
    return this.#take(inflated, 0, length, length, isLast);
  }

  /** Lets go of the message that was begun: the rest is not wanted. */
  drop(): void {
    this.#message = undefined;
    this.#compression?.endParts();
  }

  /** As `add`, of what the application is to have. */
  #take(
    bytes: Buffer,
    start: number,
    end: number,
    due: number,
    isLast: boolean,
  ): ProtocolFailure | undefined {
    const utf8 = this.#utf8;
    if (this.#isText && !(utf8.accepts(bytes, start, end) && (!isLast || utf8.isComplete)))
      return INVALID_UTF8;
    if (this.#isStreaming) {
      this.#tellPart(bytes, start, end, isLast);
    } else if (this.#message !== undefined) {
      if (end > start) this.#message.append(bytes, start, end, due);
      if (isLast) this.#tell(this.#message);
    }
    return undefined;
  }

  #tell(message: Assembly): void {
    this.#message = undefined;
    const { bytes, length } = message;
    if (this.#isText) {
      const text = bytes.toString(this.#utf8.isAscii ? "latin1" : "utf8", 0, length);
      message.recycle();
      this.#sink.onMessage(text, length);
    } else {
      this.#sink.onMessage(new Uint8Array(bytes.buffer, bytes.byteOffset, length), length);
    }
  }

  #tellPart(lent: Buffer, start: number, end: number, isLast: boolean): void {
    const isFirst = this.#isFirst;
    // Nothing to tell, unless the message ends. The beginning of a compressed one is told even if nothing has
    // come out of it yet.
    if (end === start && !isLast && !(this.#isCompressed && isFirst)) return;
    this.#isFirst = false;
    const bytes = new Uint8Array(lent.subarray(start, end));
    this.#sink.onPart({ isText: this.#isText, isFirst, isLast, bytes });
  }
}

/** Room that is taken at once when a message's length is known; longer ones grow as their bytes come. */
const TRUSTED_BYTES = 1_048_576;
/** The first room of a message of unknown length. */
const FIRST_BYTES = 1024;
/** Room from this size on is kept for the next text, one of at most `TRUSTED_BYTES` for the whole process. */
const WORTH_KEEPING_BYTES = 65_536;

const NOTHING = Buffer.alloc(0);
let spare: Buffer | undefined;

/**
 * Where a message that comes in several portions is put together, in one buffer that grows. So 131,072
 * fragments of one byte cost no more than one of 131,072 bytes.
 */
export class Assembly {
  #bytes: Buffer = NOTHING;
  readonly #isScratch: boolean;
  /** Bytes assembled so far. */
  length = 0;

  /**
   * @param isScratch the bytes are not handed out, so that their memory may come from a message before, and
   *   go to one after: see `recycle`.
   */
  constructor(isScratch = false) {
    this.#isScratch = isScratch;
  }

  /** The buffer, valid up to `length`, until the next `append`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /**
   * Copies `source[start..end)` to the end.
   *
   * @param due how many bytes are known to come in all, from `start` on. Memory that is announced is taken
   *   only up to 1 MiB, or three times what has come.
   */
  append(source: Uint8Array, start: number, end: number, due: number): void {
    const { length } = this;
    const need = length + (end - start);
    if (need > this.#bytes.length) {
      this.#grow(need, length + Math.min(due, Math.max(TRUSTED_BYTES, 3 * length)));
    }
    this.#bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), length);
    this.length = need;
  }

  /** For a scratch, when its bytes are not needed any more. */
  recycle(): void {
    const { length } = this.#bytes;
    if (length >= WORTH_KEEPING_BYTES && length <= TRUSTED_BYTES && length >= (spare?.length ?? 0)) {
      spare = this.#bytes;
      poison(spare);
    }
  }

  #grow(need: number, known: number): void {
    const isFirst = this.length === 0;
    const size = Math.max(
      need,
      known,
      isFirst ? 0 : this.#bytes.length * 2,
      isFirst && known === need ? 0 : FIRST_BYTES,
    );
    let grown: Buffer;
    if (this.#isScratch && spare !== undefined && size >= WORTH_KEEPING_BYTES && size <= spare.length) {
      grown = spare;
      spare = undefined;
    } else {
      grown = Buffer.allocUnsafeSlow(size);
    }
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}
