import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  type Inbox,
  type Message,
  PreparedMessage,
  type SendOutcome,
  type SocketEnds,
  unacknowledgedBytes,
  type WaitOptions,
  type WriteProgress,
  writeProgress,
  WriteWatch,
  type WriteWatchHost,
} from "@zocalo/net";
import type { Compression } from "./core/compression.ts";
import type { Core } from "./core/core.ts";
import { FIN, OPCODE, type Role } from "./core/frame.ts";
import { serverFrame } from "./core/server-frame.ts";
import { type DirectWriter, writeDirectly } from "./direct-write.ts";
import { canceled, WebSocketError } from "./error.ts";
import type { ConnSettings } from "./options.ts";
import { type OutgoingHost, OutgoingStreams, type StreamSource } from "./outgoing-stream.ts";
import { RoomWaiters } from "./room-waiters.ts";
import { type Flushable, flushAtEndOfTurn } from "./turn.ts";

/** From this many bytes on, a turn's frames are written before it ends. */
export const FLUSH_AT_BYTES = 65_536;
const RESOLVED = Promise.resolve();

/**
 * The sending half of a `Session`: from messages to a socket, one write for each turn of the event loop. A base class rather than an object of its own,
 * which would cost each idle connection some hundred bytes, and each message a step.
 */
export abstract class SendHalf implements Flushable, OutgoingHost, WriteWatchHost, DirectWriter {
  abstract readonly core: Core;
  abstract readonly inbox: Pick<Inbox, "drained">;
  readonly socket: Duplex;
  readonly settings: ConnSettings;
  protected readonly compression: Compression | undefined;
  protected isTransportClosed = false;
  protected readonly role: Role;
  /** Writes go past the queue of Node's stream. */
  protected writesDirectly = false;
  #isFlushDue = false;
  #wantsDrain = false;
  #isCongested = false;
  /** False: the socket has nothing left to write. */
  #hasUnsent = true;
  /** Bytes of the one write that went past the stream and was not taken at once. */
  #leavingBytes = 0;
  #isEnding = false;
  #roomWaiters: RoomWaiters | undefined;
  #outgoing: OutgoingStreams | undefined;
  #writeWatch: WriteWatch | undefined;

  constructor(socket: Duplex, role: Role, settings: ConnSettings, compression: Compression | undefined) {
    this.socket = socket;
    this.role = role;
    this.settings = settings;
    this.compression = compression;
  }

  /** For calls on a connection that is over. */
  abstract closedError(): WebSocketError;
  abstract breakOff(): void;
  abstract writeTimedOut(): void;

  get isOpen(): boolean {
    return this.core.isOpen;
  }

  get unsentBytes(): number {
    return this.socket.writableLength + this.#leavingBytes;
  }

  get bufferedAmount(): number {
    return this.core.outbox.length + this.unsentBytes;
  }

  /** Hot path. */
  trySend(message: Message | PreparedMessage): SendOutcome {
    const { core } = this;
    if (!core.isOpen) return "refused";
    if (this.#outgoing !== undefined && this.#outgoing.isBusy) {
      this.#wantsDrain = true;
      return "refused";
    }
    return this.#trySendNow(message);
  }

  #trySendNow(message: Message | PreparedMessage): SendOutcome {
    const { core } = this;
    const { outbox } = core;
    // What the operating system did not take at once is rare, and asking Node for it is not free.
    const unsent = this.#hasUnsent ? this.unsentBytes : 0;
    const { writeBufferSize } = this.settings;
    if (unsent + outbox.length > writeBufferSize && !this.#fits(message)) {
      this.#wantsDrain = true;
      return "refused";
    }
    this.#add(message);
    if (unsent + outbox.length <= writeBufferSize) return "sent";
    return this.#hasRoomAfterFlush() ? "sent" : "buffered";
  }

  send(message: Message | PreparedMessage, options?: WaitOptions): Promise<void> {
    if (!this.core.isOpen) return Promise.reject(this.closedError());
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(canceled(signal));
    if (this.#outgoing === undefined || !this.#outgoing.isBusy) return this.#sendNow(message, signal);
    return this.#sendAfterStreams(this.#outgoing, message, signal);
  }

  async #sendAfterStreams(
    outgoing: OutgoingStreams,
    given: Message | PreparedMessage,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const message = given instanceof PreparedMessage ? given : asMessage(given);
    const length = byteLengthOf(message);
    const { waitingBytes } = outgoing;
    if (waitingBytes > 0 && waitingBytes + length > this.settings.maxBufferedBytes) return this.#full();
    return outgoing.after(length, () => this.#sendNow(message, signal));
  }

  /** A message of which each part is sent as it comes. */
  sendStream(source: StreamSource, options?: WaitOptions): Promise<void> {
    this.#outgoing ??= new OutgoingStreams(this);
    return this.#outgoing.send(source, options);
  }

  /** `OutgoingStreams` */
  sendPart(part: Message, isLast: boolean): Promise<void> {
    if (!this.core.isOpen) return Promise.reject(this.closedError());
    this.core.sendPart(part, isLast);
    this.flushLater();
    // What was refused meanwhile may be sent now.
    if (isLast) this.#wantsDrain = true;
    const isRoomy = this.bufferedAmount <= this.settings.writeBufferSize || this.#hasRoomAfterFlush();
    return isRoomy ? RESOLVED : this.#untilDrained(undefined);
  }

  #sendNow(message: Message | PreparedMessage, signal: AbortSignal | undefined): Promise<void> {
    if (!this.core.isOpen) return Promise.reject(this.closedError());
    let outcome: SendOutcome;
    try {
      outcome = this.#trySendNow(message);
    } catch (error) {
      return Promise.reject(error);
    }
    if (outcome === "sent") return RESOLVED;
    if (outcome === "buffered") return this.#untilDrained(signal);
    return this.#full();
  }

  #full(): Promise<never> {
    const { maxBufferedBytes } = this.settings;
    const reason = `more than ${maxBufferedBytes} bytes would wait to be sent; wait for each send, or raise maxBufferedBytes`;
    return Promise.reject(new WebSocketError("send_buffer_full", reason));
  }

  #fits(message: Message | PreparedMessage): boolean {
    return this.bufferedAmount + byteLengthOf(message) <= this.settings.maxBufferedBytes;
  }

  #add(message: Message | PreparedMessage): void {
    const { core } = this;
    if (message instanceof PreparedMessage) this.#addPrepared(message);
    else if (this.compression !== undefined) core.send(asMessage(message));
    else if (typeof message === "string") core.outbox.addText(FIN | OPCODE.text, message);
    else if (message instanceof Uint8Array) core.outbox.addBytes(FIN | OPCODE.binary, message);
    else core.send(asMessage(message));
    if (!this.#isFlushDue) this.flushLater();
  }

  /** A server's frame is the same for all connections with the same parameters; a client's has a mask of its own. */
  #addPrepared(prepared: PreparedMessage): void {
    const encoding = this.compression === undefined ? serverFrame : this.compression.encoding;
    if (this.role === "server" && encoding !== undefined) this.core.sendFrame(prepared.encodedAs(encoding));
    else this.core.send(asMessage(prepared.message));
  }

  /** An HTTP head, before the first frame. */
  protected writeAnswer(head: string): void {
    if (this.writesDirectly && this.socket.writableLength === 0) this.#writePast(head, head.length);
    else this.socket.write(head, "latin1");
  }

  #writePast(chunk: Uint8Array | Uint8Array[] | string, length: number): void {
    this.#leavingBytes = length;
    if (writeDirectly(this.socket, chunk, this)) this.#leavingBytes = 0;
    this.#hasUnsent = this.#leavingBytes > 0;
  }

  protected flushLater(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    flushAtEndOfTurn(this);
  }

  /** Past the high-water mark within a turn: the operating system may well take it all. */
  #hasRoomAfterFlush(): boolean {
    if (this.core.outbox.length >= FLUSH_AT_BYTES) {
      this.write();
      if (this.bufferedAmount <= this.settings.writeBufferSize) return true;
    }
    this.#wantsDrain = true;
    return false;
  }

  #untilDrained(signal: AbortSignal | undefined): Promise<void> {
    this.#roomWaiters ??= new RoomWaiters();
    return this.#roomWaiters.wait(signal);
  }

  flush(): void {
    this.#isFlushDue = false;
    this.write();
    if (this.#wantsDrain) this.#drained();
  }

  protected write(): void {
    const { outbox } = this.core;
    if (outbox.length === 0) return;
    const socket = this.socket;
    if (this.isTransportClosed || socket.destroyed || socket.writableEnded) {
      outbox.clear();
      return;
    }
    const { length } = outbox;
    const pieces = outbox.take();
    if (this.writesDirectly && this.#leavingBytes === 0 && socket.writableLength === 0) {
      this.#writePast(pieces, length);
    } else if (Array.isArray(pieces)) {
      socket.cork();
      const last = pieces.pop();
      for (const piece of pieces) socket.write(piece);
      socket.write(last, this.#whenWritten());
      socket.uncork();
    } else {
      socket.write(pieces, this.#whenWritten());
    }
    const unsent = this.unsentBytes;
    this.#hasUnsent = unsent > 0;
    if (unsent > 0) this.#watchWrites();
    // A stream of another kind may hand the very same memory on.
    outbox.taken(unsent === 0, this.writesDirectly || socket instanceof Socket);
    if (unsent > this.settings.controlBacklogBytes && !this.#isCongested) {
      this.#isCongested = true;
      this.core.setCongested(true);
    }
  }

  /** `DirectWriter`: what the system did not take at once has gone. */
  left(error?: Error | null): void {
    if (error) this.socket.destroy(error);
    if (this.socket.destroyed) return; // What was not taken stays counted.
    this.#leavingBytes = 0;
    if (this.#isEnding) this.socket.end();
    this.#drained();
  }

  /** The stream's own `drain` comes only after more than its high-water mark, which may be above ours. */
  #whenWritten(): (error?: Error | null) => void {
    return (error) => {
      if (!error && !this.socket.destroyed) this.#drained();
    };
  }

  /** Ends the transport after what was written. */
  protected endSocket(): void {
    this.#isEnding = true;
    // Not before what the stream does not know of is gone: a socket that is being shut down can no more be reset.
    if (this.#leavingBytes === 0) this.socket.end();
  }

  writeProgress(): WriteProgress {
    return writeProgress(this.socket, this.unsentBytes);
  }

  unacknowledgedBytes(): Promise<number | undefined> {
    const ends: Duplex & SocketEnds = this.socket;
    return unacknowledgedBytes(ends);
  }

  #watchWrites(): void {
    const { writeTimeoutMs } = this.settings;
    if (writeTimeoutMs === 0) return;
    this.#writeWatch ??= new WriteWatch(this, writeTimeoutMs);
    this.#writeWatch.start();
  }

  /** The socket has sent something, or a flush has emptied our buffer. */
  #drained(): void {
    if (this.unsentBytes === 0 && this.socket instanceof Socket) this.core.gone();
    if (this.#isCongested && this.unsentBytes === 0) {
      this.#isCongested = false;
      this.core.setCongested(false);
      this.write();
    }
    if (!this.#wantsDrain || this.bufferedAmount > this.settings.writeBufferSize) return;
    this.#wantsDrain = false;
    this.#roomWaiters?.resolveAll();
    this.inbox.drained();
  }

  /** The transport has closed: whoever waits to send is told. */
  protected stopSending(): void {
    this.#writeWatch?.stop();
    this.core.outbox.clear();
    this.#outgoing?.stop(this.closedError());
    this.#roomWaiters?.rejectAll(this.closedError());
    this.#roomWaiters = undefined;
  }
}

function byteLengthOf(message: Message | PreparedMessage): number {
  const content = message instanceof PreparedMessage ? message.message : message;
  return typeof content === "string" ? Buffer.byteLength(content) : content.byteLength;
}

/** JavaScript callers pass other views and buffers too; only what the view shows may leave. */
function asMessage(message: unknown): Message {
  if (typeof message === "string" || message instanceof Uint8Array) return message;
  if (ArrayBuffer.isView(message))
    return new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
  if (message instanceof ArrayBuffer || message instanceof SharedArrayBuffer) return new Uint8Array(message);
  throw new WebSocketError("invalid_argument", `a message is a string or bytes, not ${typeof message}`);
}
