import type { Compression } from "./compression.ts";
import { Assembly } from "./assembly.ts";
import { CLOSE } from "./close-code.ts";
import type { ProtocolFailure, ReceiverSink } from "./receiver-sink.ts";
import { Utf8Check } from "./utf8.ts";

/** RFC 6455 §8.1 */
export const INVALID_UTF8: ProtocolFailure = { closeCode: CLOSE.invalidPayload, reason: "invalid UTF-8" };

export const CORRUPT: ProtocolFailure = {
  closeCode: CLOSE.invalidPayload,
  reason: "corrupt compressed message",
};

const TOO_BIG: ProtocolFailure = { closeCode: CLOSE.messageTooBig, reason: "message too big when inflated" };

/**
 * What a compressed message is answered with whose inflated `bytes` are more than `limit`: of two things that
 * are wrong the one that comes first, however the message was cut.
 *
 * @param utf8 has checked what came before; `undefined` for a message that is not text.
 */
export function tooBig(bytes: Uint8Array, limit: number, utf8: Utf8Check | undefined): ProtocolFailure {
  return utf8 === undefined || utf8.accepts(bytes, 0, limit) ? TOO_BIG : INVALID_UTF8;
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
 * Takes the payload of messages that are not all there in one piece, in order. A compressed one is inflated
 * as it comes, so that its limit holds at each moment and bad text is found at its first wrong byte.
 */
export abstract class MessageBody {
  protected readonly sink: ReceiverSink;
  protected readonly utf8 = new Utf8Check();
  protected isText = false;
  readonly #maxBytes: number;
  readonly #compression: Compression | undefined;
  readonly #inflateBytes: number;
  protected isCompressed = false;
  /** Something has entered the decompressor. */
  #hasBegun = false;
  #inflatedBytes = 0;

  constructor(
    sink: ReceiverSink,
    maxBytes: number,
    compression: Compression | undefined,
    inflateBytes: number,
  ) {
    this.sink = sink;
    this.#maxBytes = maxBytes;
    this.#compression = compression;
    this.#inflateBytes = inflateBytes;
  }

  /** Most bytes of the message being received that `add` takes at once. Between two calls the receiver may be paused. */
  get stepBytes(): number {
    return this.isCompressed ? this.#inflateBytes : Number.MAX_SAFE_INTEGER;
  }

  /** A message begins. `isCompressed`: its payload is (RFC 7692 §6). */
  begin(isText: boolean, isCompressed: boolean): void {
    this.isText = isText;
    this.isCompressed = isCompressed;
    this.#hasBegun = false;
    this.#inflatedBytes = 0;
    this.utf8.reset();
  }

  /**
   * Takes `chunk[start..end)`, which may be empty. It is lent: its memory may be used again after the call.
   *
   * @param due bytes that the frame is known to have from `start` on.
   * @param isLast the message ends here, and is told.
   * @returns what is wrong with the message, as soon as it is known.
   */
  add(chunk: Buffer, start: number, end: number, due: number, isLast: boolean): ProtocolFailure | undefined {
    if (!this.isCompressed) return this.take(chunk, start, end, due, isLast);
    const room = this.#maxBytes - this.#inflatedBytes;
    const isBeginning = !this.#hasBegun;
    this.#hasBegun = true;
    const part = chunk.subarray(start, end);
    const inflated = this.#compression?.decompressPart(part, isBeginning, isLast, room) ?? "corrupt";
    if (typeof inflated === "string") return CORRUPT;
    const { length } = inflated;
    if (length > room) return tooBig(inflated, room, this.isText ? this.utf8 : undefined);
    this.#inflatedBytes += length;
    return this.take(inflated, 0, length, length, isLast);
  }

  /** Lets go of the message that was begun: the rest is not wanted. */
  drop(): void {
    this.#compression?.endParts();
  }

  /** As `add`, of what the application is to have. */
  protected abstract take(
    bytes: Buffer,
    start: number,
    end: number,
    due: number,
    isLast: boolean,
  ): ProtocolFailure | undefined;
}

/** Puts a message together, and tells it when it is whole. */
export class WholeMessage extends MessageBody {
  #message: Assembly | undefined;

  constructor(sink: ReceiverSink, maxBytes: number, compression: Compression | undefined) {
    super(sink, maxBytes, compression, INFLATE_BYTES);
  }

  override begin(isText: boolean, isCompressed: boolean): void {
    super.begin(isText, isCompressed);
    this.#message = new Assembly(isText);
  }

  override drop(): void {
    this.#message = undefined;
    super.drop();
  }

  protected take(
    bytes: Buffer,
    start: number,
    end: number,
    due: number,
    isLast: boolean,
  ): ProtocolFailure | undefined {
    const message = this.#message;
    if (message === undefined) return undefined;
    const { isText, utf8 } = this;
    if (isText && !utf8.accepts(bytes, start, end)) return INVALID_UTF8;
    if (end > start) message.append(bytes, start, end, due);
    if (!isLast) return undefined;
    if (isText && !utf8.isComplete) return INVALID_UTF8;
    this.#message = undefined;
    const { length } = message;
    if (isText) {
      const text = message.bytes.toString(utf8.isAscii ? "latin1" : "utf8", 0, length);
      message.recycle();
      this.sink.onMessage(text, length);
    } else {
      const { buffer, byteOffset } = message.bytes;
      this.sink.onMessage(new Uint8Array(buffer, byteOffset, length), length);
    }
    return undefined;
  }
}

/** Tells a message in parts as it comes, and keeps nothing of it. */
export class StreamedMessage extends MessageBody {
  /** Nothing was told yet. */
  #isFirst = false;

  constructor(sink: ReceiverSink, maxBytes: number, compression: Compression | undefined) {
    super(sink, maxBytes, compression, INFLATE_PART_BYTES);
  }

  override begin(isText: boolean, isCompressed: boolean): void {
    super.begin(isText, isCompressed);
    this.#isFirst = true;
  }

  protected take(
    lent: Buffer,
    start: number,
    end: number,
    _due: number,
    isLast: boolean,
  ): ProtocolFailure | undefined {
    // Nothing to tell, unless the message ends. The beginning of a compressed one is told even if nothing has
    // come out of it yet.
    if (end === start && !isLast && !(this.isCompressed && this.#isFirst)) return undefined;
    const bytes = new Uint8Array(lent.subarray(start, end));
    const { isText, utf8 } = this;
    if (isText && !(utf8.accepts(bytes, 0, bytes.length) && (!isLast || utf8.isComplete))) {
      return INVALID_UTF8;
    }
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    this.sink.onPart({ isText, isFirst, isLast, bytes });
    return undefined;
  }
}
