import { type Message, PreparedMessage, type SendOutcome, type WaitOptions } from "@zocalo/net";
import {
  asMessage,
  atEndOfTurn,
  type Flushable,
  type Inbox,
  isLentMemory,
  lateAtEndOfTurn,
  told,
  type Transport,
} from "@zocalo/net/transport";
import type { Compression } from "../core/compression.ts";
import { FIN, OPCODE, type Role, serverFrame } from "../core/frame.ts";
import { canceled } from "../core/error.ts";
import { Outbox } from "../core/outbox.ts";
import type { ConnSettings } from "./options.ts";
import { type OutgoingHost, OutgoingStream, type StreamSource } from "./outgoing-stream.ts";
import { PeerWatch } from "./peer-watch.ts";
import { byteLengthOf, owned, SendWaiters } from "./send-waiters.ts";

/**
 * From this many bytes on, a turn's frames are written before it ends; and `send` writes a payload from the
 * caller's memory, at once.
 */
export const FLUSH_AT_BYTES = 65_536;
const RESOLVED = Promise.resolve();

/**
 * The sending half of a `Session`: from messages to a transport, one write for each turn of the event loop.
 */
export abstract class SendHalf extends PeerWatch implements Flushable, OutgoingHost {
  abstract readonly inbox: Pick<Inbox, "drained">;
  protected readonly compression: Compression | undefined;
  protected readonly role: Role;
  isLate = false;
  #isFlushDue = false;
  #wantsDrain = false;
  #isCongested = false;
  /** A write is being handed to the transport, which may tell of its outcome within the call. */
  #isHanding = false;
  #isEnding = false;
  /** What stands in line is let in without room. */
  #takesAll = false;
  #outgoing: OutgoingStream | undefined;

  constructor(
    transport: Transport,
    role: Role,
    settings: ConnSettings,
    compression: Compression | undefined,
  ) {
    super(transport, settings);
    this.role = role;
    this.compression = compression;
  }

  abstract breakOff(): void;
  /** Nothing can be written any more; what has arrived is still to be read. */
  protected abstract writeFailed(error: unknown): void;

  get bufferedAmount(): number {
    return this.core.outbox.length + this.unsentBytes;
  }

  /** Hot path. */
  trySend(message: Message | PreparedMessage): SendOutcome {
    if (!this.core.isOpen) return "refused";
    if (this.#mustWait()) {
      this.#wantsDrain = true;
      return "refused";
    }
    try {
      return this.#trySendNow(message);
    } catch {
      return "refused"; // is no message: `send` says so
    }
  }

  /** True if others are before whatever is sent now. */
  #mustWait(): boolean {
    return (this.waiters !== undefined && this.waiters.hasLine) || this.#isStreaming();
  }

  #trySendNow(message: Message | PreparedMessage): SendOutcome {
    const { core } = this;
    const { outbox } = core;
    const unsent = this.transport.bufferedBytes;
    const { sendHighWaterBytes } = this.settings;
    if (unsent + outbox.length > sendHighWaterBytes && !this.#hasRoom(byteLengthOf(message))) {
      this.#wantsDrain = true;
      return "refused";
    }
    this.#add(message);
    if (unsent + outbox.length <= sendHighWaterBytes) return "sent";
    return this.#hasRoomAfterFlush() ? "sent" : "buffered";
  }

  send(message: Message | PreparedMessage, options?: WaitOptions): Promise<void> {
    const sending = this.#send(message, options);
    // Who does not wait learns of it by the end of the connection, and by the next call.
    return sending === RESOLVED ? sending : told(sending);
  }

  #send(message: Message | PreparedMessage, options?: WaitOptions): Promise<void> {
    if (!this.core.isOpen) return Promise.reject(this.closedError());
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(canceled(signal));
    return this.#mustWait() ? this.#sendInTurn(message, signal) : this.#sendNow(message, signal);
  }

  /** The message is read when there is room for it. Who may cancel a call has its memory back before that. */
  async #sendInTurn(given: Message | PreparedMessage, signal: AbortSignal | undefined): Promise<void> {
    const message = given instanceof PreparedMessage ? given : owned(asMessage(given), signal !== undefined);
    return this.#inTurn(byteLengthOf(message), () => this.#sendNow(message, signal), signal);
  }

  #inTurn(byteLength: number, send: () => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    this.#wantsDrain = true;
    return this.#waiting().inLine(byteLength, send, signal, () => this.#letIn());
  }

  #letIn(): void {
    this.waiters?.letIn(
      (byteLength) => !this.core.isOpen || (!this.#isStreaming() && this.#hasRoom(byteLength)),
    );
  }

  /** A stream is being sent: nothing but control frames may come between its parts (RFC 6455 §5.4). */
  #isStreaming(): boolean {
    return this.#outgoing !== undefined && this.#outgoing.isBusy;
  }

  /**
   * Before this side's Close frame: what waits leaves before it, room or none. A stream that waits does not.
   */
  protected letAllIn(): void {
    this.#takesAll = true;
    this.waiters?.letIn(() => !this.#isStreaming());
    this.#takesAll = false;
  }

  /** A message of which each part is sent as it comes. */
  async sendStream(source: StreamSource, options?: WaitOptions): Promise<void> {
    const outgoing = (this.#outgoing ??= new OutgoingStream(this));
    const signal = options?.signal;
    // Its signal is looked at when its turn has come, as its source has to be told.
    if (this.#mustWait()) await this.#inTurn(0, () => outgoing.send(source, signal), undefined);
    else await outgoing.send(source, signal);
  }

  /** `OutgoingStream` */
  onStreamEnded(): void {
    this.#letIn();
    this.flushLater();
  }

  /** `OutgoingStream` */
  sendPart(part: Message, isLast: boolean): Promise<void> {
    if (!this.core.isOpen) return Promise.reject(this.closedError());
    this.core.sendPart(part, isLast);
    this.#promised();
    this.flushLater();
    // What was refused meanwhile may be sent now.
    if (isLast) this.#wantsDrain = true;
    const isRoomy = this.bufferedAmount <= this.settings.sendHighWaterBytes || this.#hasRoomAfterFlush();
    return isRoomy ? RESOLVED : this.#waiting().forRoom(undefined);
  }

  #sendNow(message: Message | PreparedMessage, signal: AbortSignal | undefined): Promise<void> {
    if (!this.core.isOpen) return Promise.reject(this.closedError());
    // With a signal the call may end before the bytes are read, so they are copied.
    if (signal === undefined && message instanceof Uint8Array && message.length >= FLUSH_AT_BYTES) {
      if (this.#mayBorrow(message)) return this.#sendBorrowed(FIN | OPCODE.binary, message);
    }
    let outcome: SendOutcome;
    try {
      outcome = this.#trySendNow(message);
    } catch (error) {
      return Promise.reject(error);
    }
    if (outcome === "sent") return RESOLVED;
    if (outcome === "buffered") return this.#waiting().forRoom(signal);
    return this.#sendInTurn(message, signal);
  }

  /** True if a server's frame with `payload` can be given to the system now, uncompressed. */
  #mayBorrow(payload: Uint8Array): boolean {
    if (this.role !== "server" || !this.transport.releasesMemory || this.#isBusy()) return false;
    if (isLentMemory(payload)) return false;
    if (!this.#hasRoom(payload.length)) return false;
    return this.compression === undefined || !this.compression.isWorthwhile(payload.length);
  }

  /** True if the transport cannot be given bytes now: it has some, or takes no more. */
  #isBusy(): boolean {
    return this.unsentBytes > 0 || this.#isHanding || this.#takesNoMore();
  }

  #takesNoMore(): boolean {
    return this.isTransportClosed || this.isWriteBroken || this.hasEnded;
  }

  /**
   * Writes from the caller's memory, at once. The promise is pending while the system has not taken all of
   * it.
   */
  #sendBorrowed(firstByte: number, payload: Uint8Array): Promise<void> {
    this.core.outbox.addBorrowed(firstByte, payload);
    this.#promised();
    this.write();
    return this.untilTaken(this.promisedBytes, undefined);
  }

  /** What was added last is the application's. */
  #promised(): void {
    this.promisedBytes = this.handedBytes + this.core.waitingBytes;
  }

  /**
   * Resolves when the system has taken all that was accepted so far; rejects when it never will, or with the
   * signal.
   */
  untilFlushed(options?: WaitOptions): Promise<void> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(canceled(signal));
    return this.#mustWait()
      ? this.#inTurn(0, () => this.#untilFlushedNow(signal), signal)
      : this.#untilFlushedNow(signal);
  }

  #untilFlushedNow(signal: AbortSignal | undefined): Promise<void> {
    if (this.core.waitingBytes > 0) this.write();
    return this.untilTaken(this.promisedBytes, signal);
  }

  /** A message larger than the limit is taken, too, when little waits: else it could never be sent. */
  #hasRoom(byteLength: number): boolean {
    const waiting = this.bufferedAmount;
    const { sendHighWaterBytes, sendLimitBytes } = this.settings;
    return this.#takesAll || waiting <= sendHighWaterBytes || waiting + byteLength <= sendLimitBytes;
  }

  #add(message: Message | PreparedMessage): void {
    const { core } = this;
    const isForMany = message instanceof PreparedMessage;
    if (isForMany) this.#addPrepared(message);
    else if (this.compression !== undefined) core.send(asMessage(message));
    else if (typeof message === "string") core.outbox.addText(FIN | OPCODE.text, message);
    else if (message instanceof Uint8Array) core.outbox.addBytes(FIN | OPCODE.binary, message);
    else core.send(asMessage(message));
    this.promisedBytes = this.handedBytes + core.outbox.length;
    if (this.#isFlushDue) return;
    if (isForMany) lateAtEndOfTurn(this);
    else this.flushLater();
  }

  /**
   * A server's frame is the same for all connections with the same parameters; a client's has a mask of its
   * own.
   */
  #addPrepared(prepared: PreparedMessage): void {
    const encoding = this.compression === undefined ? serverFrame : this.compression.encoding;
    if (this.role === "server" && encoding !== undefined) this.core.sendFrame(prepared.encodedAs(encoding));
    else this.core.send(asMessage(prepared.message));
  }

  /** An HTTP head, before the first frame. */
  protected writeAnswer(head: string): void {
    this.#hand(Buffer.from(head, "latin1"), head.length);
  }

  #hand(chunk: Uint8Array | readonly Uint8Array[], length: number): void {
    this.handedBytes += length;
    this.#isHanding = true;
    if (chunk instanceof Uint8Array) this.transport.write(chunk);
    else this.transport.writev(chunk);
    this.#isHanding = false;
  }

  flushLater(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    atEndOfTurn(this);
  }

  /** Past the high-water mark within a turn: the operating system may well take it all. */
  #hasRoomAfterFlush(): boolean {
    if (this.core.outbox.length >= FLUSH_AT_BYTES) {
      this.write();
      if (this.bufferedAmount <= this.settings.sendHighWaterBytes) return true;
    }
    this.#wantsDrain = true;
    return false;
  }

  /** `atEndOfTurn` */
  flush(): void {
    Outbox.endTurn();
    this.#isFlushDue = false;
    this.write();
    if (this.#wantsDrain) this.#drained();
  }

  /**
   * Gives what waits to the transport, if that has taken what it was given before: one write at a time, as
   * far as the system takes it.
   */
  protected write(): void {
    const { outbox } = this.core;
    const { length } = outbox;
    if (length === 0 || this.#isHanding) return;
    if (this.#takesNoMore()) {
      if (this.promisedBytes > this.handedBytes) this.isLost = true;
      outbox.clear();
      return;
    }
    const { transport } = this;
    if (transport.bufferedBytes === 0) {
      this.#hand(outbox.take(), length);
      if (this.isWriteBroken) return;
      const isTaken = transport.bufferedBytes === 0;
      outbox.taken(isTaken, transport.releasesMemory);
      if (isTaken) return;
    }
    const unsent = transport.bufferedBytes;
    this.watchWrites();
    if (unsent + outbox.length > this.settings.controlBacklogBytes && !this.#isCongested) {
      this.#isCongested = true;
      this.core.setCongested(true);
    }
  }

  /** `TransportSink` */
  onWritten(): void {
    this.takenBytes = this.handedBytes;
    if (!this.#isHanding) this.#drained();
  }

  /** `TransportSink`: the peer's system takes nothing any more; what it sent before may still be unread. */
  onWriteFailed(error: unknown): void {
    if (this.isWriteBroken) return;
    this.isWriteBroken = true;
    if (!this.hasTakenAll) this.isLost = true;
    this.core.isOpen = false;
    this.core.outbox.clear();
    this.writeFailed(error);
    this.stopSending();
    // A handler that waits for room must wake up and find out; it may be what holds reading back.
    this.inbox.drained();
    this.#wantsDrain = false;
  }

  /** `TransportSink` */
  onFinish(): void {
    // The end of both sides is what counts.
  }

  /** Ends the transport after what was written. */
  protected endTransport(): void {
    this.#isEnding = true;
    this.write();
    if (this.unsentBytes > 0 || this.core.waitingBytes > 0 || this.hasEnded) return;
    this.hasEnded = true;
    this.transport.end();
  }

  /** The system has taken a write, or a flush has emptied our buffer. */
  #drained(): void {
    if (this.unsentBytes === 0) {
      this.core.gone();
      this.write();
      if (this.#isCongested && this.bufferedAmount === 0) {
        this.#isCongested = false;
        this.core.setCongested(false);
        this.write();
      }
    }
    this.waiters?.tellTaken(this.takenBytes);
    if (this.#isEnding) this.endTransport();
    this.#letIn();
    if (!this.#wantsDrain || this.bufferedAmount > this.settings.sendHighWaterBytes) return;
    this.waiters?.tellRoom();
    if (this.#mustWait()) return;
    this.#wantsDrain = false;
    this.inbox.drained();
  }

  protected override stopSending(): void {
    super.stopSending();
    this.core.outbox.clear();
    this.#outgoing?.stop(this.closedError());
    this.#letIn(); // Each finds the connection closed.
  }

  #waiting(): SendWaiters {
    return (this.waiters ??= new SendWaiters());
  }
}
