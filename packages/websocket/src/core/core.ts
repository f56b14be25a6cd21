import type { Message } from "@zocalo/net";
import { type CloseFrame, closePayload, type ProtocolFailure } from "./close-frame.ts";
import type { Compression } from "./compression.ts";
import { FIN, OPCODE, type Role, RSV1 } from "./frame.ts";
import type { MessagePart, ReceiveLimits } from "./message-body.ts";
import { Outbox } from "./outbox.ts";
import { Receiver, type ReceiverSink } from "./receiver.ts";

/** What the core tells its shell. */
export interface CoreEvents {
  /**
   * A whole message.
   *
   * @param byteLength encoded length, in bytes.
   */
  onMessage(message: Message, byteLength: number): void;
  /** Instead of `onMessage`, from a core that streams: the next part of a message. */
  onPart?(part: MessagePart): void;
  /** A ping was answered, or will be once the outbox is not congested. `payload` is lent for the call. */
  onPing(payload: Uint8Array): void;
  /** A pong came. `payload` is lent for the call. */
  onPong(payload: Uint8Array): void;
  /**
   * Enough for one turn: pause receiving, and resume it in the next, so that a peer's compressed messages, or
   * pings, do not hold up others.
   */
  onBusy?(): void;
  /** The peer's Close frame arrived, and the answer is in the outbox. Flush, then end the transport. */
  onPeerClose(): void;
  /**
   * The peer has ended the conversation, or broke the protocol. True: the application has still to see
   * messages that came before and may answer them, so `answerEnd` will be called; until then nothing more is
   * received, and the Close frame waits. Default: the end is answered at once.
   */
  holdsEnd?(): boolean;
  /**
   * The peer broke the protocol, and a Close frame that says so is in the outbox. Flush, then end the
   * transport.
   */
  onFailure(failure: ProtocolFailure): void;
}

/**
 * So many pings and pongs are enough for one turn: half a millisecond. A portion of the transport holds ten
 * thousand, and Node takes up to 32 portions of a connection before it is another one's turn.
 */
const CONTROL_FRAMES_PER_TURN = 256;
/** Of all connections, which spares each a field: whose is the last one rests. */
let controlFrames = 0;

/**
 * The WebSocket protocol after the handshake (RFC 6455), for one side of one connection, without sockets,
 * timers or promises: bytes go in and events come out; intents go in and bytes come out of `outbox`.
 *
 * @example
 * const core = new Core("server", events, defaultReceiveLimits);
 * core.receive(bytes, false); // events.onMessage(…)
 * core.send("hola");
 * write(core.outbox.take());
 */
export class Core implements ReceiverSink {
  /** True while messages may be sent: no Close frame was sent, and the shell has not said that it is over. */
  isOpen = true;
  readonly #role: Role;
  readonly #events: CoreEvents;
  readonly #limits: ReceiveLimits;
  readonly #compression: Compression | undefined;
  readonly #isStreaming: boolean;
  /** While a frame or message is under way, and a little longer. An idle connection has none. */
  #receiver: Receiver | undefined;
  /** While frames wait. An idle connection has none. */
  #outbox: Outbox | undefined;
  #isCongested = false;
  #end: End | undefined;
  /** The newest ping that came while congested. */
  #owedPong: Uint8Array | undefined;
  /** A message was begun by `sendPart`: no other may be sent before its last part (RFC 6455 §5.4). */
  #isMidMessage = false;

  /**
   * @param compression permessage-deflate, if it was agreed on in the handshake.
   * @param isStreaming tells messages in parts as they come, instead of whole.
   */
  constructor(
    role: Role,
    events: CoreEvents,
    limits: ReceiveLimits,
    compression?: Compression,
    isStreaming = false,
  ) {
    this.#role = role;
    this.#events = events;
    this.#limits = limits;
    this.#compression = compression;
    this.#isStreaming = isStreaming;
  }

  /** The frames that wait to be written. */
  get outbox(): Outbox {
    return this.#outbox ?? this.#openOutbox();
  }

  #openOutbox(): Outbox {
    const spare = this.#role === "server" ? spareOutboxes.pop() : undefined;
    this.#outbox = spare ?? new Outbox(this.#role);
    return this.#outbox;
  }

  /** Bytes that wait to be written. */
  get waitingBytes(): number {
    return this.#outbox === undefined ? 0 : this.#outbox.length;
  }

  /** The shell has written what waited. A server's outbox may serve others now. */
  rest(): void {
    const outbox = this.#outbox;
    if (outbox === undefined || !outbox.isAtRest || this.#role !== "server") return;
    this.#outbox = undefined;
    if (spareOutboxes.length < MAX_SPARE_OUTBOXES) spareOutboxes.push(outbox);
  }

  /** The operating system has all that was ever written. */
  gone(): void {
    this.#outbox?.gone();
    this.rest();
  }

  /** The Close frame this side sent, if it did. */
  get sentClose(): CloseFrame | undefined {
    return this.#end?.sent;
  }

  /** The Close frame the peer sent, if it did. */
  get receivedClose(): CloseFrame | undefined {
    return this.#end?.received;
  }

  /** True once a Close frame or a failure has arrived: further bytes are ignored. */
  get isDone(): boolean {
    return this.#receiver !== undefined && this.#receiver.isDone;
  }

  /** True between the first byte of a message that arrives and its last. */
  get isInMessage(): boolean {
    return this.#receiver !== undefined && this.#receiver.isInMessage;
  }

  /** True while more is due of a frame or message that has begun to arrive. */
  get isPartway(): boolean {
    return this.#receiver !== undefined && this.#receiver.isPartway;
  }

  /**
   * Takes bytes from the transport and changes them in place. `isLent`: the memory will be used again after
   * the call.
   */
  receive(bytes: Buffer, isLent: boolean): void {
    const receiver = this.#receiving();
    receiver.push(bytes, isLent);
    if (!receiver.isAtRest) return;
    spareReceiver = receiver;
    this.#receiver = undefined;
  }

  #receiving(): Receiver {
    return (this.#receiver ??= this.#takeReceiver());
  }

  #takeReceiver(): Receiver {
    const spare = this.#isStreaming ? undefined : spareReceiver;
    if (spare?.reuse(this.#role, this, this.#limits, this.#compression)) {
      spareReceiver = undefined;
      return spare;
    }
    return new Receiver(this.#role, this, this.#limits, this.#compression, this.#isStreaming);
  }

  /** Tells no further message until `resumeReceiving`, at once; bytes that come meanwhile are kept. */
  pauseReceiving(): void {
    this.#receiving().pause();
  }

  /** Goes on; messages that have waited are told before this returns. */
  resumeReceiving(): void {
    this.#receiver?.resume();
  }

  /**
   * Puts a message in the outbox, compressed if that was agreed on and is worth it. Call only while `isOpen`.
   */
  send(message: Message): void {
    const isText = typeof message === "string";
    // A text is measured in characters here: it has at least as many bytes.
    if (this.#compression?.isWorthwhile(message.length)) {
      const compressed = this.#compression.compress(message);
      if (compressed !== undefined) {
        const firstByte = FIN | RSV1 | (isText ? OPCODE.text : OPCODE.binary);
        this.outbox.addBytes(firstByte, compressed);
        return;
      }
    }
    if (isText) this.outbox.addText(FIN | OPCODE.text, message);
    else this.outbox.addBytes(FIN | OPCODE.binary, message);
  }

  /**
   * True between the first and the last `sendPart` of a message: then neither `send` nor `sendFrame` may be
   * called.
   */
  get isMidMessage(): boolean {
    return this.#isMidMessage;
  }

  /**
   * Puts a part of a message in the outbox, as a frame of its own and not compressed. Call only while
   * `isOpen`.
   *
   * @param part of the same kind as the first one; text never ends within a surrogate pair.
   */
  sendPart(part: Message, isLast: boolean): void {
    const isText = typeof part === "string";
    const opcode = this.#isMidMessage ? OPCODE.continuation : isText ? OPCODE.text : OPCODE.binary;
    this.#isMidMessage = !isLast;
    this.outbox.addMessage((isLast ? FIN : 0) | opcode, part);
  }

  /** Puts a whole frame that was built before in the outbox. Call only while `isOpen`. */
  sendFrame(frame: Uint8Array): void {
    this.outbox.addShared(frame);
  }

  /** Puts a ping in the outbox; `payload` has at most 125 bytes. */
  ping(payload: Uint8Array): void {
    if (this.isOpen) this.outbox.addBytes(FIN | OPCODE.ping, payload);
  }

  /**
   * Puts a Close frame in the outbox, after what was sent; from then on messages that arrive are dropped.
   * Later calls do nothing.
   *
   * @param code see `isSendableCloseCode`; or 1005 for a frame without code and reason.
   * @param reason at most 123 bytes of UTF-8.
   */
  close(code: number, reason: string): void {
    if (this.sentClose !== undefined) return;
    this.#ending().sent = { code, reason };
    this.isOpen = false;
    this.#owedPong = undefined;
    this.outbox.addBytes(FIN | OPCODE.close, closePayload(code, reason));
    this.#receiving().discardMessages();
  }

  /**
   * While congested, pings are not answered as they come: only the newest is, later (RFC 6455 §5.5.3 allows
   * it). So a peer that pings and does not read the pongs makes nothing grow.
   */
  setCongested(isCongested: boolean): void {
    this.#isCongested = isCongested;
    if (isCongested || this.#owedPong === undefined) return;
    this.outbox.addBytes(FIN | OPCODE.pong, this.#owedPong);
    this.#owedPong = undefined;
  }

  /** For the receiver. @internal */
  onMessage(message: Message, byteLength: number): void {
    this.#events.onMessage(message, byteLength);
  }

  onPart(part: MessagePart): void {
    this.#events.onPart?.(part);
  }

  /** For the receiver. @internal */
  onPing(payload: Uint8Array): void {
    if (this.isOpen) {
      if (this.#isCongested) this.#owedPong = Uint8Array.from(payload);
      else this.outbox.addBytes(FIN | OPCODE.pong, payload);
    }
    this.#events.onPing(payload);
    this.#countControlFrame();
  }

  /** For the receiver. @internal */
  onPong(payload: Uint8Array): void {
    this.#events.onPong(payload);
    this.#countControlFrame();
  }

  #countControlFrame(): void {
    if (++controlFrames < CONTROL_FRAMES_PER_TURN) return;
    controlFrames = 0;
    this.onBusy();
  }

  onBusy(): void {
    this.#events.onBusy?.();
  }

  onClose(code: number, reason: string): void {
    this.#endWith(() => {
      this.#ending().received = { code, reason };
      this.close(code, ""); // RFC 6455 §5.5.1: the answer echoes the code.
      this.#events.onPeerClose();
    });
  }

  onFailure(failure: ProtocolFailure): void {
    this.#endWith(() => {
      this.close(failure.closeCode, failure.reason); // RFC 6455 §7.1.7
      this.#events.onFailure(failure);
    });
  }

  /** True between the peer's end and `answerEnd`. */
  get isEndHeld(): boolean {
    return this.#end?.held !== undefined;
  }

  /** Answers the end that was held, if one was. */
  answerEnd(): void {
    const held = this.#end?.held;
    if (held === undefined) return;
    this.#ending().held = undefined;
    held();
  }

  #endWith(end: () => void): void {
    if (this.isOpen && this.#events.holdsEnd?.()) this.#ending().held = end;
    else end();
  }

  #ending(): End {
    return (this.#end ??= { sent: undefined, received: undefined, held: undefined });
  }
}

/** How a conversation ends. Until it does it has none of this. */
interface End {
  sent: CloseFrame | undefined;
  received: CloseFrame | undefined;
  /** What is to be done when the end is answered. */
  held: (() => void) | undefined;
}

/** The receiver that came to rest last. Most connections are between two messages, and need none. */
let spareReceiver: Receiver | undefined;
/** Outboxes that are kept for those who send next: 100 kB. */
const MAX_SPARE_OUTBOXES = 1024;
const spareOutboxes: Outbox[] = [];
