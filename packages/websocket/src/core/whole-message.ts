import { Assembly } from "./assembly.ts";
import type { Compression } from "./compression.ts";
import type { MessageBody } from "./message-body.ts";
import { CORRUPT, INVALID_UTF8, tooBig } from "./message-fault.ts";
import { asciiText, utf8Text } from "./native-text.ts";
import { Utf8Check } from "./utf8.ts";
import type { ProtocolFailure, ReceiverSink } from "./receiver-sink.ts";

/** So much of a compressed message is inflated at a time: 2 KiB give at most 2.1 MB, and mostly fit in the memory that is there for it. */
export const INFLATE_BYTES = 2048;

/**
 * Puts a message together that comes in several frames or several chunks, and tells it when it is whole. A compressed one is inflated as it
 * comes, so that its limit holds at each moment and bad text is found at its first wrong byte.
 */
export class WholeMessage implements MessageBody {
  readonly #sink: ReceiverSink;
  readonly #maxBytes: number;
  readonly #compression: Compression | undefined;
  readonly #utf8 = new Utf8Check();
  #isText = false;
  #isCompressed = false;
  #isFirst = false;
  #message: Assembly | undefined;

  constructor(sink: ReceiverSink, maxBytes: number, compression: Compression | undefined) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
    this.#compression = compression;
  }

  get stepBytes(): number {
    return this.#isCompressed ? INFLATE_BYTES : Number.MAX_SAFE_INTEGER;
  }

  begin(isText: boolean, isCompressed: boolean): void {
    this.#isText = isText;
    this.#isCompressed = isCompressed;
    this.#isFirst = true;
    this.#message = new Assembly(isText);
    this.#utf8.reset();
  }

  add(chunk: Buffer, start: number, end: number, due: number, isLast: boolean): ProtocolFailure | undefined {
    const message = this.#message;
    if (message === undefined) return undefined;
    if (!this.#isCompressed) return this.#append(message, chunk, start, end, due, isLast);
    const room = this.#maxBytes - message.length;
    const part = chunk.subarray(start, end);
    const inflated = this.#compression?.decompressPart(part, this.#isFirst, isLast, room) ?? "corrupt";
    this.#isFirst = false;
    if (typeof inflated === "string") return CORRUPT;
    const { length } = inflated;
    if (length > room) return tooBig(inflated, room, this.#isText ? this.#utf8 : undefined);
    return this.#append(message, inflated, 0, length, length, isLast);
  }

  drop(): void {
    this.#message = undefined;
    this.#compression?.endParts();
  }

  #append(
    message: Assembly,
    bytes: Buffer,
    start: number,
    end: number,
    due: number,
    isLast: boolean,
  ): ProtocolFailure | undefined {
    if (this.#isText && !this.#utf8.accepts(bytes, start, end)) return INVALID_UTF8;
    if (end > start) message.append(bytes, start, end, due);
    if (!isLast) return undefined;
    if (this.#isText && !this.#utf8.isComplete) return INVALID_UTF8;
    this.#message = undefined;
    const { length } = message;
    if (this.#isText) {
      const text = (this.#utf8.isAscii ? asciiText : utf8Text)(message.bytes, 0, length);
      message.recycle();
      this.#sink.onMessage(text, length);
    } else {
      const { buffer, byteOffset } = message.bytes;
      this.#sink.onMessage(new Uint8Array(buffer, byteOffset, length), length);
    }
    return undefined;
  }
}
