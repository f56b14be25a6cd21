import { isSendableCloseCode } from "@zocalo/net/transport";
import { isAscii, isUtf8 } from "node:buffer";
import { Assembly } from "./assembly.ts";
import type { Compression } from "./compression.ts";
import { CLOSE } from "./close-code.ts";
import { FIN, MASKED, MAX_CONTROL_PAYLOAD, MAX_HEADER_BYTES, OPCODE, type Role, RSV1 } from "./frame.ts";
import type { ReceiveLimits } from "./limits.ts";
import { applyMask, rotateMask } from "./mask.ts";
import {
  type MessageBody,
  CORRUPT,
  INVALID_UTF8,
  tooBig,
  StreamedMessage,
  INFLATE_BYTES,
  WholeMessage,
} from "./message-body.ts";
import {
  SHORT_ASCII_BYTES,
  shortAsciiText,
  areAscii,
  messageMemory,
  unmaskedCopy,
  unmaskAside,
  unmasked,
  viewOf,
} from "./short-message.ts";
import { Utf8Check } from "./utf8.ts";
import type { ProtocolFailure, ReceiverSink } from "./receiver-sink.ts";

/** First bytes of a message in one frame. */
const SHORT_TEXT = FIN | OPCODE.text;
const SHORT_BINARY = FIN | OPCODE.binary;
/** RSV1, RSV2 and RSV3. */
const RESERVED = 0x70;

/** The receiver that was released last. Most connections are between two messages, and need none. */
let spare: Receiver | undefined;

function keepSpare(receiver: Receiver): void {
  spare = receiver;
}

function maskBitOf(role: Role): 0 | typeof MASKED {
  return role === "server" ? MASKED : 0;
}

/** A header that was cut across chunks is put together here. */
const headerScratch = Buffer.alloc(MAX_HEADER_BYTES);

/**
 * Reads frames (RFC 6455 §5) from bytes that arrive in any portions, and tells a sink what they mean.
 *
 * It parses and unmasks in place, makes no object per frame, and says what is wrong as soon as the byte that is wrong is there.
 * Guarded by bench/src/websocket.ts.
 */
export class Receiver {
  #sink: ReceiverSink;
  readonly #limits: ReceiveLimits;
  #compression: Compression | undefined;
  /** What the mask bit of each frame must be. */
  readonly #maskBit: 0 | typeof MASKED;

  /** Longest payload that `#shortMessages` may take. */
  readonly #longestShort: number;

  /** What has arrived and was not parsed because of `pause`. */
  #waiting: Buffer | null = null;
  #isPaused = false;
  #isParsing = false;
  #isDone = false;
  #isDiscarding = false;

  /** The beginning of a header, when a chunk ended in it. */
  #cutHeader: Buffer | null = null;

  // The frame whose payload is being received.
  #opcode = 0;
  #isFinal = false;
  #key = 0;
  #payloadLeft = 0;
  /** True between the header of a frame and the end of its payload, when the chunk did not hold all of it. */
  #isInPayload = false;

  /** Opcode of the data message being received; 0 between messages. */
  #messageOpcode = 0;
  #messageBytes = 0;
  /** The message being received has RSV1 set: its payload is compressed (RFC 7692 §6). */
  #isCompressed = false;
  #fragments = 0;
  /** Where the payload goes of what is not a whole message in one chunk. */
  #body: MessageBody | null = null;
  #control: Assembly | null = null;
  readonly #isStreaming: boolean;

  /** @param isStreaming messages are not put together but told in parts as they come; a pause then holds between parts, too. */
  constructor(
    role: Role,
    sink: ReceiverSink,
    limits: ReceiveLimits,
    compression?: Compression,
    isStreaming = false,
  ) {
    this.#sink = sink;
    this.#compression = compression;
    this.#limits = limits;
    this.#maskBit = maskBitOf(role);
    this.#isStreaming = isStreaming;
    this.#longestShort = isStreaming
      ? -1
      : Math.min(MAX_CONTROL_PAYLOAD, limits.maxMessageBytes, limits.maxFrameBytes);
  }

  /** One for a connection whose bytes have come: the one that another has just released, if it fits. */
  static take(
    role: Role,
    sink: ReceiverSink,
    limits: ReceiveLimits,
    compression: Compression | undefined,
    isStreaming: boolean,
  ): Receiver {
    const found = spare;
    if (
      found === undefined ||
      found.#limits !== limits ||
      found.#maskBit !== maskBitOf(role) ||
      isStreaming
    ) {
      return new Receiver(role, sink, limits, compression, isStreaming);
    }
    spare = undefined;
    found.#sink = sink;
    found.#compression = compression;
    found.#body = null;
    return found;
  }

  /** Leaves it to other connections, if nothing that was pushed or called matters to what will be. False: it must be kept. */
  release(): boolean {
    if (this.isPartway || this.hasWaiting || this.#isPaused || this.#isParsing) return false;
    if (this.#isDone || this.#isDiscarding || this.#isStreaming) return false;
    keepSpare(this);
    return true;
  }

  /** True once a Close frame or a failure was told: further bytes are ignored. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** True between the first byte of a message and its last, control frames between its fragments included. */
  get isInMessage(): boolean {
    return this.#messageOpcode !== 0;
  }

  /** True after a part of a frame or message, when more of it is due. */
  get isPartway(): boolean {
    return this.#messageOpcode !== 0 || this.#isInPayload || this.#cutHeader !== null;
  }

  /** True while bytes that have arrived wait for `resume`. */
  get hasWaiting(): boolean {
    return this.#waiting !== null;
  }

  /**
   * Takes the next bytes. They are changed in place.
   *
   * @param isLent the chunk will be used again by its owner after the call: what must wait is copied. Messages are copies in any case.
   */
  push(chunk: Buffer, isLent: boolean): void {
    if (this.#isDone) return;
    if (this.#isPaused || this.#isParsing) {
      const owned = isLent ? Buffer.from(chunk) : chunk;
      this.#waiting = this.#waiting === null ? owned : Buffer.concat([this.#waiting, owned]);
      return;
    }
    this.#parse(chunk, isLent);
  }

  /** Tells nothing more, from the next message on, until `resume`. Bytes pushed meanwhile are kept. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Goes on; what has waited is parsed at once. */
  resume(): void {
    this.#isPaused = false;
    while (this.#waiting !== null && !this.#isPaused && !this.#isParsing && !this.#isDone) {
      const waiting = this.#waiting;
      this.#waiting = null;
      this.#parse(waiting, false);
    }
  }

  /** From now on messages are checked as frames, but neither kept nor told: this side has sent its Close frame. */
  discardMessages(): void {
    this.#isDiscarding = true;
    this.#body?.drop();
  }

  #parse(chunk: Buffer, isLent: boolean): void {
    this.#isParsing = true;
    const end = chunk.length;
    const compression = this.#compression;
    let at = 0;
    while (at < end && !this.#isDone) {
      if (compression?.hasDoneEnough()) this.#sink.onBusy();
      if (this.#isPaused) {
        const rest = chunk.subarray(at);
        this.#waiting = isLent ? Buffer.from(rest) : rest;
        break;
      }
      if (this.#isInPayload) {
        at = this.#payload(chunk, at, end);
      } else if (this.#cutHeader !== null) {
        at = this.#restOfHeader(this.#cutHeader, chunk, at, end);
      } else {
        const before = at;
        at = this.#shortMessages(chunk, at, end);
        if (at === before) at = this.#frame(chunk, at, end);
      }
    }
    this.#isParsing = false;
  }

  /**
   * Hot path: takes messages of one short frame each, for as long as they come. All others, and all that is wrong, it leaves to `#frame`.
   *
   * @returns where it stopped.
   */
  #shortMessages(chunk: Buffer, at: number, end: number): number {
    const maskBit = this.#maskBit;
    const headerBytes = maskBit === 0 ? 2 : 6;
    const longest = this.#longestShort;
    if (this.#messageOpcode !== 0 || this.#isDiscarding) return at;
    const view = viewOf(chunk.buffer);
    const { byteOffset } = chunk;
    while (at + headerBytes <= end) {
      const first = chunk[at] as number;
      const second = chunk[at + 1] as number;
      const start = at + headerBytes;
      const length = second & 127;
      const stop = start + length;
      if (first !== SHORT_TEXT && first !== SHORT_BINARY) return at;
      if ((second & MASKED) !== maskBit || length > longest || stop > end) return at;
      at = stop;
      if (maskBit === 0) {
        if (first === SHORT_BINARY) this.#binary(chunk, start, stop);
        else this.#shortText(chunk, start, length, areAscii(chunk, start, stop));
      } else if (first === SHORT_BINARY) {
        this.#sink.onMessage(unmaskedCopy(view, byteOffset + start, length), length);
      } else {
        const isAsciiText = unmaskAside(view, byteOffset + start, length);
        this.#shortText(unmasked, 0, length, isAsciiText);
      }
      if (this.#isPaused || this.#isDone || this.#isDiscarding) return at;
    }
    return at;
  }

  #shortText(bytes: Buffer, start: number, length: number, isAsciiText: boolean): void {
    const stop = start + length;
    if (isAsciiText) {
      const text =
        length <= SHORT_ASCII_BYTES
          ? shortAsciiText(bytes, start, length)
          : bytes.toString("latin1", start, stop);
      this.#sink.onMessage(text, length);
    } else if (isUtf8(bytes.subarray(start, stop))) {
      this.#sink.onMessage(bytes.toString("utf8", start, stop), length);
    } else {
      this.#failWith(INVALID_UTF8);
    }
  }

  /** A chunk begins in the middle of a header: complete it aside, then go on in the chunk. */
  #restOfHeader(cut: Buffer, chunk: Buffer, at: number, end: number): number {
    const known = cut.length;
    const taken = Math.min(MAX_HEADER_BYTES - known, end - at);
    cut.copy(headerScratch, 0);
    chunk.copy(headerScratch, known, at, at + taken);
    this.#cutHeader = null;
    const header = this.#header(headerScratch, 0, known + taken);
    if (header < 0) return end;
    return this.#afterHeader(chunk, at + header - known, end);
  }

  #frame(chunk: Buffer, at: number, end: number): number {
    const header = this.#header(chunk, at, end);
    if (header < 0) return end;
    return this.#afterHeader(chunk, at + header, end);
  }

  /**
   * Reads and judges a frame header.
   *
   * @returns its size; -1 if it is not all there (what is, is kept) or is wrong (then the sink was told).
   */
  #header(bytes: Buffer, at: number, end: number): number {
    const first = bytes[at] as number;
    const opcode = first & 15;
    const isFinal = (first & FIN) !== 0;
    if ((first & RESERVED) !== 0) {
      const mayCompress =
        this.#compression !== undefined && (opcode === OPCODE.text || opcode === OPCODE.binary);
      if ((first & RESERVED) !== RSV1 || !mayCompress) {
        return this.#fail(
          CLOSE.protocolError,
          (first & RSV1) !== 0 ? "unexpected RSV1 bit" : "reserved bit set",
        );
      }
    }
    if (opcode >= 8) {
      if (opcode > OPCODE.pong) return this.#fail(CLOSE.protocolError, `reserved opcode ${opcode}`);
      if (!isFinal) return this.#fail(CLOSE.protocolError, "fragmented control frame");
    } else if (opcode > OPCODE.binary) {
      return this.#fail(CLOSE.protocolError, `reserved opcode ${opcode}`);
    } else if ((opcode === OPCODE.continuation) !== (this.#messageOpcode !== 0)) {
      return this.#fail(
        CLOSE.protocolError,
        opcode === 0 ? "continuation of no message" : "new message inside a fragmented one",
      );
    }
    if (at + 1 >= end) return this.#cut(bytes, at, end);

    const second = bytes[at + 1] as number;
    if ((second & MASKED) !== this.#maskBit) {
      return this.#fail(
        CLOSE.protocolError,
        this.#maskBit === 0 ? "masked server frame" : "unmasked client frame",
      );
    }
    let length = second & 127;
    let size = 2;
    if (opcode >= 8 && length > MAX_CONTROL_PAYLOAD) {
      return this.#fail(CLOSE.protocolError, "control frame payload over 125 bytes");
    }
    if (length === 126) {
      size = 4;
      if (at + size > end) return this.#cut(bytes, at, end);
      length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
      if (length < 126) return this.#fail(CLOSE.protocolError, "length not minimally encoded");
    } else if (length === 127) {
      size = 10;
      // The highest bit alone is wrong; nothing else is needed to say so.
      if (at + 2 < end && (bytes[at + 2] as number) >= 128) {
        return this.#fail(CLOSE.protocolError, "length with the highest bit set");
      }
      if (at + size > end) return this.#cut(bytes, at, end);
      length = bytes.readUInt32BE(at + 2) * 4_294_967_296 + bytes.readUInt32BE(at + 6);
      if (length < 65_536) return this.#fail(CLOSE.protocolError, "length not minimally encoded");
    }
    if (opcode < 8) {
      // Said before a byte of the payload is buffered.
      if (length > this.#limits.maxFrameBytes) return this.#fail(CLOSE.messageTooBig, "frame too big");
      const { maxMessageBytes } = this.#limits;
      if (this.#messageBytes + length > maxMessageBytes) {
        const isCompressed = opcode === OPCODE.continuation ? this.#isCompressed : (first & RSV1) !== 0;
        if (!isCompressed || this.#messageBytes + length > longestCompressed(maxMessageBytes))
          return this.#fail(CLOSE.messageTooBig, "message too big");
      }
      if (this.#fragments >= this.#limits.maxFragments) {
        return this.#fail(CLOSE.messageTooBig, "message in too many fragments");
      }
    }
    if (this.#maskBit !== 0) {
      if (at + size + 4 > end) return this.#cut(bytes, at, end);
      this.#key =
        (bytes[at + size] as number) |
        ((bytes[at + size + 1] as number) << 8) |
        ((bytes[at + size + 2] as number) << 16) |
        ((bytes[at + size + 3] as number) << 24);
      size += 4;
    }
    this.#opcode = opcode;
    this.#isFinal = isFinal;
    this.#payloadLeft = length;
    if (opcode === OPCODE.text || opcode === OPCODE.binary) this.#isCompressed = (first & RSV1) !== 0;
    return size;
  }

  /** The header is read; the payload begins at `at`. */
  #afterHeader(chunk: Buffer, at: number, end: number): number {
    const opcode = this.#opcode;
    const payloadEnd = at + this.#payloadLeft;
    if (payloadEnd <= end && opcode !== OPCODE.continuation) {
      // Hot path: the frame is all there.
      if (opcode >= 8) {
        applyMask(chunk, at, payloadEnd, this.#key);
        this.#payloadLeft = 0;
        this.#controlFrame(opcode, chunk.subarray(at, payloadEnd));
        return payloadEnd;
      }
      if (this.#isFinal && !this.#isStreaming && !(this.#isCompressed && this.#payloadLeft > INFLATE_BYTES)) {
        this.#payloadLeft = 0;
        if (this.#isDiscarding) return payloadEnd;
        if (this.#maskBit !== 0) applyMask(chunk, at, payloadEnd, this.#key);
        if (this.#isCompressed) this.#compressed(opcode, chunk.subarray(at, payloadEnd));
        else if (opcode === OPCODE.text) this.#text(chunk.subarray(at, payloadEnd));
        else this.#binary(chunk, at, payloadEnd);
        return payloadEnd;
      }
    }
    if (opcode < 8) {
      if (opcode !== OPCODE.continuation) {
        this.#messageOpcode = opcode;
        this.#body ??= this.#makeBody();
        this.#body.begin(opcode === OPCODE.text, this.#isCompressed);
      }
      this.#messageBytes += this.#payloadLeft;
      this.#fragments++;
    }
    this.#isInPayload = true;
    return this.#payload(chunk, at, end);
  }

  #makeBody(): MessageBody {
    const { maxMessageBytes } = this.#limits;
    return this.#isStreaming
      ? new StreamedMessage(this.#sink, maxMessageBytes, this.#compression)
      : new WholeMessage(this.#sink, maxMessageBytes, this.#compression);
  }

  /** Takes as much of the payload as the chunk has, or as the body takes in one step. */
  #payload(chunk: Buffer, at: number, end: number): number {
    const due = this.#payloadLeft;
    const body = this.#opcode < 8 && !this.#isDiscarding ? this.#body : null;
    const taken = Math.min(due, end - at, body === null ? due : body.stepBytes);
    const stop = at + taken;
    if (this.#maskBit !== 0 && taken > 0) {
      applyMask(chunk, at, stop, this.#key);
      this.#key = rotateMask(this.#key, taken);
    }
    const isFrameEnd = taken === due;
    this.#payloadLeft = due - taken;
    if (isFrameEnd) this.#isInPayload = false;
    if (this.#opcode >= 8) {
      this.#control ??= new Assembly();
      if (taken > 0) this.#control.append(chunk, at, stop, due);
      if (isFrameEnd) this.#controlEnd(this.#control);
      return stop;
    }
    const isLast = isFrameEnd && this.#isFinal;
    if (isLast) {
      this.#messageOpcode = 0;
      this.#messageBytes = 0;
      this.#fragments = 0;
    }
    const failure = body?.add(chunk, at, stop, due, isLast);
    if (failure === undefined) return stop;
    this.#failWith(failure);
    return end;
  }

  #controlEnd(control: Assembly): void {
    this.#control = null;
    this.#controlFrame(this.#opcode, control.bytes.subarray(0, control.length));
  }

  /** A whole compressed message in one frame. Its limit holds while it is inflated. */
  #compressed(opcode: number, payload: Uint8Array): void {
    const { maxMessageBytes } = this.#limits;
    const isText = opcode === OPCODE.text;
    const inflated = this.#compression?.decompress(payload, maxMessageBytes) ?? "corrupt";
    if (typeof inflated === "string") this.#failWith(CORRUPT);
    else if (inflated.length > maxMessageBytes) {
      this.#failWith(tooBig(inflated, maxMessageBytes, isText ? new Utf8Check() : undefined));
    } else if (isText) this.#text(inflated);
    else this.#sink.onMessage(new Uint8Array(inflated), inflated.length);
  }

  /** `chunk[start..end)` is a whole message. */
  #binary(chunk: Buffer, start: number, end: number): void {
    const length = end - start;
    // A copy, even of memory that is ours: several messages come in one chunk, and who is given one may give its memory away.
    const message = messageMemory(length);
    message.set(chunk.subarray(start, end));
    this.#sink.onMessage(message, length);
  }

  /** A whole message. */
  #text(bytes: Buffer): void {
    const { length } = bytes;
    if (isAscii(bytes)) this.#sink.onMessage(bytes.toString("latin1", 0, length), length);
    else if (isUtf8(bytes)) this.#sink.onMessage(bytes.toString("utf8", 0, length), length);
    else this.#failWith(INVALID_UTF8);
  }

  #controlFrame(opcode: number, payload: Uint8Array): void {
    if (opcode === OPCODE.ping) this.#sink.onPing(payload);
    else if (opcode === OPCODE.pong) this.#sink.onPong(payload);
    else this.#closeFrame(payload);
  }

  /** RFC 6455 §5.5.1 and §7.4. */
  #closeFrame(payload: Uint8Array): void {
    if (payload.length === 0) {
      this.#isDone = true;
      this.#sink.onClose(CLOSE.noStatus, "");
      return;
    }
    if (payload.length === 1) {
      this.#fail(CLOSE.protocolError, "close payload of one byte");
      return;
    }
    const code = ((payload[0] as number) << 8) | (payload[1] as number);
    const reason = payload.subarray(2);
    if (!isSendableCloseCode(code)) {
      this.#fail(CLOSE.protocolError, `invalid close code ${code}`);
      return;
    }
    if (!isUtf8(reason)) {
      this.#fail(CLOSE.invalidPayload, "close reason is not UTF-8");
      return;
    }
    this.#isDone = true;
    this.#sink.onClose(code, Buffer.from(reason.buffer, reason.byteOffset, reason.length).toString("utf8"));
  }

  #cut(bytes: Buffer, at: number, end: number): -1 {
    this.#cutHeader = Buffer.from(bytes.subarray(at, end));
    return -1;
  }

  #fail(closeCode: number, reason: string): -1 {
    return this.#failWith({ closeCode, reason });
  }

  #failWith(failure: ProtocolFailure): -1 {
    this.#isDone = true;
    this.#body?.drop();
    this.#waiting = null;
    this.#sink.onFailure(failure);
    return -1;
  }
}

/** What cannot be compressed gets longer: with the fixed code, the worst a sender may use, by an eighth (RFC 1951 §3.2.6). */
function longestCompressed(bytes: number): number {
  return bytes + Math.ceil(bytes / 8) + 64;
}
