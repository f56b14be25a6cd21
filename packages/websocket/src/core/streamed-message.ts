import type { Compression } from "./compression.ts";
import type { MessageBody } from "./message-body.ts";
import { CORRUPT, INVALID_UTF8, tooBig } from "./message-fault.ts";
import { Utf8Check } from "./utf8.ts";
import type { ProtocolFailure, ReceiverSink } from "./receiver-sink.ts";

/** Of a compressed message so much is inflated at a time: 512 bytes give at most 528 kB, and between them the sink may pause. */
const INFLATE_STEP_BYTES = 512;

/** Tells a message in parts as it comes, and keeps nothing of it. */
export class StreamedMessage implements MessageBody {
  readonly #sink: ReceiverSink;
  readonly #maxBytes: number;
  readonly #compression: Compression | undefined;
  readonly #utf8 = new Utf8Check();
  #isText = false;
  #isCompressed = false;
  /** Nothing was told yet. */
  #isFirst = false;
  /** Something has entered the decompressor. */
  #hasBegun = false;
  #inflatedBytes = 0;

  constructor(sink: ReceiverSink, maxBytes: number, compression: Compression | undefined) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
    this.#compression = compression;
  }

  get stepBytes(): number {
    return this.#isCompressed ? INFLATE_STEP_BYTES : Number.MAX_SAFE_INTEGER;
  }

  begin(isText: boolean, isCompressed: boolean): void {
    this.#isText = isText;
    this.#isCompressed = isCompressed;
    this.#isFirst = true;
    this.#hasBegun = false;
    this.#inflatedBytes = 0;
    this.#utf8.reset();
  }

  add(chunk: Buffer, start: number, end: number, _due: number, isLast: boolean): ProtocolFailure | undefined {
    const arrived = chunk.subarray(start, end);
    if (!this.#isCompressed) {
      // Nothing to tell, unless the message ends.
      if (arrived.length === 0 && !isLast) return undefined;
      return this.#tell(new Uint8Array(arrived), isLast);
    }
    const room = this.#maxBytes - this.#inflatedBytes;
    const isBeginning = !this.#hasBegun;
    this.#hasBegun = true;
    const inflated = this.#compression?.decompressPart(arrived, isBeginning, isLast, room) ?? "corrupt";
    if (typeof inflated === "string") return CORRUPT;
    if (inflated.length > room) return tooBig(inflated, room, this.#isText ? this.#utf8 : undefined);
    this.#inflatedBytes += inflated.length;
    // The beginning is told even if nothing has come out of it yet.
    if (inflated.length === 0 && !isLast && !this.#isFirst) return undefined;
    return this.#tell(new Uint8Array(inflated), isLast);
  }

  drop(): void {
    this.#compression?.endParts();
  }

  #tell(bytes: Uint8Array, isLast: boolean): ProtocolFailure | undefined {
    const isText = this.#isText;
    if (isText && !(this.#utf8.accepts(bytes, 0, bytes.length) && (!isLast || this.#utf8.isComplete))) {
      return INVALID_UTF8;
    }
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    this.#sink.onPart({ isText, isFirst, isLast, bytes });
    return undefined;
  }
}
