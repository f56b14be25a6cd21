import { isAscii, isUtf8 } from "node:buffer";
import { CLOSE, type ProtocolFailure, readClose } from "./close-frame.ts";
import type { Compression } from "./compression.ts";
import { FIN, FrameHeader, MASKED, MAX_CONTROL_PAYLOAD, OPCODE, type Role } from "./frame.ts";
import { applyMask, rotateMask } from "./mask.ts";
import { messageMemory } from "./memory.ts";
import {
  Assembly,
  INFLATE_BYTES,
  inflatedMessage,
  INVALID_UTF8,
  MessageBody,
  type MessageSink,
  type ReceiveLimits,
} from "./message-body.ts";
import { areAscii, shortTextOf, unmaskAside, unmasked, unmaskedCopy, viewOf } from "./short-message.ts";

/** Who is told what the bytes mean. Byte arrays other than messages are lent for the call. */
export interface ReceiverSink extends MessageSink {
  /** A ping came. */
  onPing(payload: Uint8Array): void;
  /** A pong came. */
  onPong(payload: Uint8Array): void;
  /** Nothing follows. @param code 1005 if the frame had none. */
  onClose(code: number, reason: string): void;
  /** So much was inflated that others should have their turn: best pause, and resume in the next one. */
  onBusy(): void;
  /** Nothing follows. */
  onFailure(failure: ProtocolFailure): void;
}

/** First bytes of a message in one frame. */
const SHORT_TEXT = FIN | OPCODE.text;
const SHORT_BINARY = FIN | OPCODE.binary;

/**
 * Reads frames (RFC 6455 §5) from bytes that arrive in any portions, and tells a sink what they mean.
 *
 * It parses and unmasks in place, makes no object per frame, and says what is wrong as soon as the byte that
 * is wrong is there. Guarded by bench/src/websocket.ts.
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

  /** Of the frame whose payload is being received. */
  readonly #header = new FrameHeader();
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

  /**
   * @param isStreaming messages are not put together but told in parts as they come; a pause then holds
   *   between parts, too.
   */
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
    this.#maskBit = role === "server" ? MASKED : 0;
    this.#isStreaming = isStreaming;
    this.#longestShort = isStreaming
      ? -1
      : Math.min(MAX_CONTROL_PAYLOAD, limits.maxMessageBytes, limits.maxFrameBytes);
  }

  /** True if nothing that was pushed or called matters to what will be: then others may `reuse` it. */
  get isAtRest(): boolean {
    if (this.isPartway || this.#waiting !== null || this.#isPaused || this.#isParsing) return false;
    return !this.#isDone && !this.#isDiscarding && !this.#isStreaming;
  }

  /**
   * For another connection from now on, unless that needs one made otherwise. Call only while it `isAtRest`.
   */
  reuse(
    role: Role,
    sink: ReceiverSink,
    limits: ReceiveLimits,
    compression: Compression | undefined,
  ): boolean {
    if (this.#limits !== limits || (this.#maskBit !== 0) !== (role === "server")) return false;
    this.#sink = sink;
    this.#compression = compression;
    this.#body = null;
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
    return this.#messageOpcode !== 0 || this.#isInPayload || this.#header.cut !== undefined;
  }

  /**
   * Takes the next bytes. They are changed in place.
   *
   * @param isLent the chunk will be used again by its owner after the call: what must wait is copied.
   *   Messages are copies in any case.
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

  /**
   * From now on messages are checked as frames, but neither kept nor told: this side has sent its Close
   * frame.
   */
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
      } else {
        const before = at;
        if (this.#header.cut === undefined) at = this.#shortMessages(chunk, at, end);
        if (at === before) at = this.#frame(chunk, at, end);
      }
    }
    this.#isParsing = false;
  }

  /**
   * Hot path: takes messages of one short frame each, for as long as they come. All others, and all that is
   * wrong, it leaves to `#frame`.
   *
   * @returns where it stopped.
   */
  #shortMessages(chunk: Buffer, at: number, end: number): number {
    const maskBit = this.#maskBit;
    const headerBytes = maskBit === 0 ? 2 : 6;
    const longest = this.#longestShort;
    if (this.#messageOpcode !== 0 || this.#isDiscarding) return at;
    const { buffer, byteOffset } = chunk;
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
        else this.#text(shortTextOf(chunk, start, length, areAscii(chunk, start, stop)), length);
      } else if (first === SHORT_BINARY) {
        this.#sink.onMessage(unmaskedCopy(viewOf(buffer), byteOffset + start, length), length);
      } else {
        const isAsciiText = unmaskAside(viewOf(buffer), byteOffset + start, length);
        this.#text(shortTextOf(unmasked, 0, length, isAsciiText), length);
      }
      if (this.#isPaused || this.#isDone || this.#isDiscarding) return at;
    }
    return at;
  }

  /** Reads and judges a header, and takes what is there of its payload. */
  #frame(chunk: Buffer, at: number, end: number): number {
    const mayCompress = this.#compression !== undefined;
    const start = this.#header.read(chunk, at, end, this.#maskBit, mayCompress, this.isInMessage);
    const failure = this.#faultOf(this.#header);
    if (failure !== undefined) this.#fail(failure);
    return failure !== undefined || start < 0 ? end : this.#afterHeader(chunk, start, end);
  }

  /** What is wrong with a header, as far as it is there: said before a byte of the payload is buffered. */
  #faultOf({ fault, opcode, length, isCompressed }: FrameHeader): ProtocolFailure | undefined {
    if (fault !== undefined) return { closeCode: CLOSE.protocolError, reason: fault };
    if (opcode >= 8 || length < 0) return undefined;
    const { maxFrameBytes, maxMessageBytes, maxFragments } = this.#limits;
    if (length > maxFrameBytes) return tooMuch("frame too big");
    const bytes = this.#messageBytes + length;
    if (bytes > maxMessageBytes) {
      const mayShrink = opcode === OPCODE.continuation ? this.#isCompressed : isCompressed;
      if (!mayShrink || bytes > longestCompressed(maxMessageBytes)) return tooMuch("message too big");
    }
    return this.#fragments >= maxFragments ? tooMuch("message in too many fragments") : undefined;
  }

  /** The header is read; the payload begins at `at`. */
  #afterHeader(chunk: Buffer, at: number, end: number): number {
    const { opcode, isFinal, key, length } = this.#header;
    const payloadEnd = at + length;
    if (opcode < 8) {
      if (opcode !== OPCODE.continuation) this.#isCompressed = this.#header.isCompressed;
      // Hot path: the message is all there.
      if (
        payloadEnd <= end &&
        opcode !== OPCODE.continuation &&
        isFinal &&
        !this.#isStreaming &&
        !(this.#isCompressed && length > INFLATE_BYTES)
      ) {
        if (this.#isDiscarding) return payloadEnd;
        if (this.#maskBit !== 0) applyMask(chunk, at, payloadEnd, key);
        if (this.#isCompressed) this.#compressed(opcode, chunk.subarray(at, payloadEnd));
        else if (opcode === OPCODE.text) this.#text(textOf(chunk.subarray(at, payloadEnd)), length);
        else this.#binary(chunk, at, payloadEnd);
        return payloadEnd;
      }
      if (opcode !== OPCODE.continuation) {
        const { maxMessageBytes } = this.#limits;
        this.#messageOpcode = opcode;
        this.#body ??= new MessageBody(this.#sink, maxMessageBytes, this.#compression, this.#isStreaming);
        this.#body.begin(opcode === OPCODE.text, this.#isCompressed);
      }
      this.#messageBytes += length;
      this.#fragments++;
    }
    this.#payloadLeft = length;
    this.#isInPayload = true;
    return this.#payload(chunk, at, end);
  }

  /** Takes as much of the payload as the chunk has, or as the body takes in one step. */
  #payload(chunk: Buffer, at: number, end: number): number {
    const header = this.#header;
    const due = this.#payloadLeft;
    const isControl = header.opcode >= 8;
    const body = isControl || this.#isDiscarding ? null : this.#body;
    const taken = Math.min(due, end - at, body === null ? due : body.stepBytes);
    const stop = at + taken;
    if (this.#maskBit !== 0 && taken > 0) {
      applyMask(chunk, at, stop, header.key);
      header.key = rotateMask(header.key, taken);
    }
    const isFrameEnd = taken === due;
    this.#payloadLeft = due - taken;
    if (isFrameEnd) this.#isInPayload = false;
    if (isControl) {
      this.#controlPayload(header.opcode, chunk.subarray(at, stop), isFrameEnd);
      return stop;
    }
    const isLast = isFrameEnd && header.isFinal;
    if (isLast) {
      this.#messageOpcode = 0;
      this.#messageBytes = 0;
      this.#fragments = 0;
    }
    const failure = body?.add(chunk, at, stop, due, isLast);
    if (failure === undefined) return stop;
    this.#fail(failure);
    return end;
  }

  /** A whole compressed message in one frame. */
  #compressed(opcode: number, payload: Uint8Array): void {
    const isText = opcode === OPCODE.text;
    const inflated = inflatedMessage(payload, isText, this.#limits.maxMessageBytes, this.#compression);
    if (!(inflated instanceof Uint8Array)) this.#fail(inflated);
    else if (isText) this.#text(textOf(inflated), inflated.length);
    else this.#sink.onMessage(new Uint8Array(inflated), inflated.length);
  }

  /** `chunk[start..end)` is a whole message. */
  #binary(chunk: Buffer, start: number, end: number): void {
    const length = end - start;
    // A copy, even of memory that is ours: several messages come in one chunk, and who is given one may give
    // its memory away.
    const message = messageMemory(length);
    message.set(chunk.subarray(start, end));
    this.#sink.onMessage(message, length);
  }

  /** A whole message; `undefined` if it is not UTF-8. */
  #text(text: string | undefined, byteLength: number): void {
    if (text === undefined) this.#fail(INVALID_UTF8);
    else this.#sink.onMessage(text, byteLength);
  }

  /** A control frame, or a part of one. */
  #controlPayload(opcode: number, part: Uint8Array, isFrameEnd: boolean): void {
    let payload = part;
    if (!isFrameEnd || this.#control !== null) {
      this.#control ??= new Assembly();
      this.#control.append(part, 0, part.length, MAX_CONTROL_PAYLOAD);
      if (!isFrameEnd) return;
      payload = this.#control.bytes.subarray(0, this.#control.length);
      this.#control = null;
    }
    if (opcode === OPCODE.ping) this.#sink.onPing(payload);
    else if (opcode === OPCODE.pong) this.#sink.onPong(payload);
    else this.#closeFrame(payload);
  }

  #closeFrame(payload: Uint8Array): void {
    const said = readClose(payload);
    if ("closeCode" in said) {
      this.#fail(said);
    } else {
      this.#isDone = true;
      this.#sink.onClose(said.code, said.reason);
    }
  }

  #fail(failure: ProtocolFailure): void {
    this.#isDone = true;
    this.#body?.drop();
    this.#waiting = null;
    this.#sink.onFailure(failure);
  }
}

/**
 * What cannot be compressed gets longer: with the fixed code, the worst a sender may use, by an eighth
 * (RFC 1951 §3.2.6).
 */
function longestCompressed(bytes: number): number {
  return bytes + Math.ceil(bytes / 8) + 64;
}

function tooMuch(reason: string): ProtocolFailure {
  return { closeCode: CLOSE.messageTooBig, reason };
}

/** The text that `bytes` are; `undefined` if they are not UTF-8. */
function textOf(bytes: Buffer): string | undefined {
  const { length } = bytes;
  if (isAscii(bytes)) return bytes.toString("latin1", 0, length);
  return isUtf8(bytes) ? bytes.toString("utf8", 0, length) : undefined;
}
