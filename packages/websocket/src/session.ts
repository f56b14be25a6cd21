import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import {
  type CloseInfo,
  Inbox,
  type InboxSource,
  type Message,
  type NetErrorParts,
  PreparedMessage,
  type SendOutcome,
  type WaitOptions,
} from "@zocalo/net";
import { CLOSE } from "./core/close-code.ts";
import type { Compression } from "./core/compression.ts";
import { closeFault, Core, type CoreEvents } from "./core/core.ts";
import { FIN, OPCODE, type Role } from "./core/frame.ts";
import type { MessagePart, ProtocolFailure } from "./core/receiver.ts";
import { serverFrame } from "./core/server-frame.ts";
import { canceled, WebSocketError } from "./error.ts";
import { Heartbeat, type HeartbeatHost } from "./heartbeat.ts";
import type { ConnSettings } from "./options.ts";
import { type OutgoingHost, OutgoingStreams, type StreamSource } from "./outgoing-stream.ts";
import { RoomWaiters } from "./room-waiters.ts";
import { listenTo, type SocketEvents } from "./socket-listeners.ts";
import { type Flushable, flushAtEndOfTurn } from "./turn.ts";
import { type WriteProgress, writeProgress } from "./write-progress.ts";
import { WriteWatch, type WriteWatchHost } from "./write-watch.ts";

/** From this many bytes on, a turn's frames are written before it ends. */
const FLUSH_AT_BYTES = 65_536;
const RESOLVED = Promise.resolve();

/** What a session tells the outside. */
export interface SessionOwner {
  route(): Pick<NetErrorParts, "network" | "localAddr" | "remoteAddr">;
  /** The transport has closed. Called once. */
  ended(): void;
}

/**
 * One connection at work: a socket's bytes to a `Core`, its messages to an `Inbox`, and what is sent back to the socket,
 * one write for each turn of the event loop. The public face is `WebSocketConn`.
 */
export class Session
  implements CoreEvents, InboxSource, Flushable, HeartbeatHost, SocketEvents, OutgoingHost, WriteWatchHost
{
  readonly core: Core;
  /** Of messages; of their parts, if messages are streamed. */
  readonly inbox: Inbox<Message | MessagePart>;
  readonly heartbeat: Heartbeat;
  #socket: Duplex;
  readonly #role: Role;
  readonly #compression: Compression | undefined;
  readonly #settings: ConnSettings;
  readonly #owner: SessionOwner;

  #isFlushDue = false;
  /** The application is behind; the socket is not read. */
  #isHeldBack = false;
  #isTransportClosed = false;
  #isFinished = false;
  #wasClosedHere = false;
  #wantsDrain = false;
  #isCongested = false;
  /** False: the socket has nothing left to write. */
  #hasUnsent = true;

  #roomWaiters: RoomWaiters | undefined;
  #outgoing: OutgoingStreams | undefined;
  #writeWatch: WriteWatch | undefined;
  #error: WebSocketError | undefined;
  #failureCode: number | undefined;
  #socketError: Error | undefined;
  #closing: { promise: Promise<void>; resolve: () => void } | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  constructor(
    socket: Duplex,
    role: Role,
    settings: ConnSettings,
    owner: SessionOwner,
    compression: Compression | undefined,
  ) {
    this.#socket = socket;
    this.#role = role;
    this.#settings = settings;
    this.#owner = owner;
    this.#compression = compression;
    this.core = new Core(role, this, settings.receive, compression, settings.isStreaming);
    this.inbox = new Inbox(this, settings.inbox);
    this.heartbeat = new Heartbeat(this, settings.pingIntervalMs, settings.pongTimeoutMs);
  }

  /** Begins to read. `head`: what came behind the handshake. */
  start(head: Buffer): void {
    this.#socket = listenTo(this.#socket, this);
    this.heartbeat.start();
    if (head.length > 0) this.received(head, false);
    if (!this.#isHeldBack) this.#socket.resume();
  }

  get socket(): Duplex {
    return this.#socket;
  }

  get bufferedAmount(): number {
    return this.core.outbox.length + this.#socket.writableLength;
  }

  // --- sending

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
    const unsent = this.#hasUnsent ? this.#socket.writableLength : 0;
    const { writeBufferSize } = this.#settings;
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
    const length = byteLengthOf(message);
    const { waitingBytes } = this.#outgoing;
    if (waitingBytes > 0 && waitingBytes + length > this.#settings.maxBufferedBytes) return this.#full();
    return this.#outgoing.after(length, () => this.#sendNow(message, signal));
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
    this.#flushLater();
    // What was refused meanwhile may be sent now.
    if (isLast) this.#wantsDrain = true;
    const isRoomy = this.bufferedAmount <= this.#settings.writeBufferSize || this.#hasRoomAfterFlush();
    return isRoomy ? RESOLVED : this.#untilDrained(undefined);
  }

  /** `OutgoingStreams` */
  breakOff(): void {
    void this.#close(CLOSE.internalError, "");
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
    const { maxBufferedBytes } = this.#settings;
    const reason = `more than ${maxBufferedBytes} bytes would wait to be sent; wait for each send, or raise maxBufferedBytes`;
    return Promise.reject(new WebSocketError("send_buffer_full", reason));
  }

  #fits(message: Message | PreparedMessage): boolean {
    return this.bufferedAmount + byteLengthOf(message) <= this.#settings.maxBufferedBytes;
  }

  #add(message: Message | PreparedMessage): void {
    const { core } = this;
    if (message instanceof PreparedMessage) this.#addPrepared(message);
    else if (this.#compression !== undefined) core.send(asMessage(message));
    else if (typeof message === "string") core.outbox.addText(FIN | OPCODE.text, message);
    else if (message instanceof Uint8Array) core.outbox.addBytes(FIN | OPCODE.binary, message);
    else core.send(asMessage(message));
    if (!this.#isFlushDue) this.#flushLater();
  }

  /** A server's frame is the same for all connections with the same parameters; a client's has a mask of its own. */
  #addPrepared(prepared: PreparedMessage): void {
    const encoding = this.#compression === undefined ? serverFrame : this.#compression.encoding;
    if (this.#role === "server" && encoding !== undefined) this.core.sendFrame(prepared.encodedAs(encoding));
    else this.core.send(asMessage(prepared.message));
  }

  #flushLater(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    flushAtEndOfTurn(this);
  }

  /** Past the high-water mark within a turn: the operating system may well take it all. */
  #hasRoomAfterFlush(): boolean {
    if (this.core.outbox.length >= FLUSH_AT_BYTES) {
      this.#write();
      if (this.bufferedAmount <= this.#settings.writeBufferSize) return true;
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
    this.#write();
    if (this.#wantsDrain) this.#drained();
  }

  #write(): void {
    const { outbox } = this.core;
    if (outbox.length === 0) return;
    const socket = this.#socket;
    if (this.#isTransportClosed || socket.destroyed || socket.writableEnded) {
      outbox.clear();
      return;
    }
    const pieces = outbox.take();
    if (Array.isArray(pieces)) {
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    } else {
      socket.write(pieces);
    }
    const unsent = socket.writableLength;
    this.#hasUnsent = unsent > 0;
    if (unsent > 0) this.#watchWrites();
    outbox.taken(unsent === 0);
    if (unsent > this.#settings.controlBacklogBytes && !this.#isCongested) {
      this.#isCongested = true;
      this.core.setCongested(true);
    }
  }

  #watchWrites(): void {
    const { writeTimeoutMs } = this.#settings;
    if (writeTimeoutMs === 0) return;
    this.#writeWatch ??= new WriteWatch(this, writeTimeoutMs);
    this.#writeWatch.start();
  }

  /** The socket's buffer is empty, or a flush has emptied ours. */
  #drained(): void {
    if (this.#isCongested && this.#socket.writableLength === 0) {
      this.#isCongested = false;
      this.core.setCongested(false);
      this.#write();
    }
    if (!this.#wantsDrain || this.bufferedAmount > this.#settings.writeBufferSize) return;
    this.#wantsDrain = false;
    this.#roomWaiters?.resolveAll();
    this.inbox.drained();
  }

  socketDrained(): void {
    this.#drained();
  }

  // --- receiving

  /** Hot path: bytes from the socket. `isLent`: the memory will be used again after the call. `false`: read no more for now. */
  received(chunk: Buffer, isLent: boolean): boolean {
    this.heartbeat.wasHeard = true;
    if (this.core.isDone) return true;
    this.core.receive(chunk, isLent);
    // Node reads up to 32 full buffers in one turn; their answers must not pile up.
    if (this.core.outbox.length >= FLUSH_AT_BYTES) this.#write();
    return !this.#isHeldBack;
  }

  onMessage(message: Message, byteLength: number): void {
    this.inbox.push(message, byteLength);
  }

  onPart(part: MessagePart): void {
    this.inbox.push(part, part.bytes.length);
  }

  onPing(): void {
    this.#flushLater();
  }

  onPong(payload: Uint8Array): void {
    this.heartbeat.pong(payload);
  }

  onPeerClose(): void {
    this.#endTransport();
  }

  onFailure({ closeCode, reason }: ProtocolFailure): void {
    this.#failureCode = closeCode;
    this.#error ??= this.#makeError(
      "protocol_error",
      `the peer broke the protocol: ${reason} (${closeCode})`,
    );
    this.#endTransport();
  }

  /** `Inbox`: the application is behind. */
  pause(): void {
    if (!this.core.isOpen) return;
    this.#isHeldBack = true;
    this.core.pauseReceiving();
    this.#socket.pause();
  }

  /** `Inbox`: it has caught up. */
  resume(): void {
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    this.core.resumeReceiving();
    // What was resumed may have been held back again.
    if (this.#isHeldBack) return;
    if (this.#isTransportClosed) this.#finish();
    else this.#socket.resume();
  }

  /** `Inbox`: the application's handler threw. */
  fail(cause: unknown): void {
    this.#error ??= this.#makeError("handler_failed", "the message handler threw", cause);
    this.#failureCode ??= CLOSE.internalError;
    void this.#close(CLOSE.internalError, "");
  }

  route(): Pick<NetErrorParts, "network" | "localAddr" | "remoteAddr"> {
    return this.#owner.route();
  }

  // --- ping, keepalive

  ping(): Promise<number> {
    return this.core.isOpen ? this.heartbeat.ping() : Promise.reject(this.closedError());
  }

  get isOpen(): boolean {
    return this.core.isOpen;
  }

  get isHeldBack(): boolean {
    return this.#isHeldBack;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  sendPing(payload: Uint8Array): void {
    this.core.ping(payload);
    this.#flushLater();
  }

  probeAfter(ms: number): void {
    const socket = this.#socket;
    if ("setKeepAlive" in socket && typeof socket.setKeepAlive === "function") socket.setKeepAlive(true, ms);
  }

  peerIsGone(reason: string): void {
    this.#error ??= this.#makeError("keepalive_timeout", reason);
    this.#socket.destroy();
  }

  // --- the peer that does not read

  writeProgress(): WriteProgress {
    return writeProgress(this.#socket);
  }

  writeTimedOut(): void {
    const { writeTimeoutMs } = this.#settings;
    const reason = `the peer has taken nothing of what waits for it for ${writeTimeoutMs} ms`;
    this.#error ??= this.#makeError("write_timeout", reason);
    this.#socket.destroy();
  }

  // --- the end

  close(code: number, reason: string): Promise<void> {
    const fault = closeFault(code, reason);
    if (fault !== undefined) return Promise.reject(new WebSocketError("invalid_argument", fault));
    return this.#close(code, reason);
  }

  #close(code: number, reason: string): Promise<void> {
    if (this.#isFinished) return RESOLVED;
    if (this.#closing === undefined) {
      let resolve = (): void => undefined;
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      this.#closing = { promise, resolve };
    }
    if (this.core.sentClose === undefined) {
      this.#wasClosedHere = true;
      this.core.close(code, reason);
      this.#flushLater();
      this.#startCloseTimer();
      // To see the peer's Close frame; messages before it are dropped.
      if (this.#isTransportClosed) this.#finish();
      else this.resume();
    }
    return this.#closing.promise;
  }

  abort(): void {
    if (this.#isFinished) return;
    this.#wasClosedHere = true;
    this.#error ??= this.#makeError("closed", "the connection was aborted by this side");
    const socket = this.#socket;
    // A TLS socket has the method, too, and throws in it.
    if (socket instanceof Socket && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
    else socket.destroy();
    if (this.#isTransportClosed) this.#finish();
  }

  /** All frames are exchanged. RFC 6455 §7.1.1: the server ends TCP first, and the client waits for it; a failed connection is ended by who noticed. */
  #endTransport(): void {
    this.#startCloseTimer();
    this.#write();
    if (this.#isTransportClosed) return;
    if (this.#role === "server" || this.#failureCode !== undefined) this.#socket.end();
    this.#isHeldBack = false;
    this.#socket.resume(); // To see the end; the core ignores what comes before it.
  }

  #startCloseTimer(): void {
    if (this.#closeTimer !== undefined || this.#isTransportClosed) return;
    this.#closeTimer = setTimeout(() => {
      const { closeTimeoutMs } = this.#settings;
      if (this.core.receivedClose === undefined) {
        this.#error ??= this.#makeError(
          "close_timeout",
          `the peer did not close within ${closeTimeoutMs} ms`,
        );
      }
      this.#socket.destroy();
    }, this.#settings.closeTimeoutMs);
  }

  socketEnded(): void {
    // A WebSocket has no half-closed state: without a Close frame this is a broken connection.
    if (this.core.isDone) this.#socket.end();
    else this.#socket.destroy();
  }

  socketFailed(error: Error): void {
    this.#socketError ??= error;
  }

  socketClosed(): void {
    this.#isTransportClosed = true;
    this.core.isOpen = false;
    clearTimeout(this.#closeTimer);
    this.#writeWatch?.stop();
    this.core.outbox.clear();
    const error = this.closedError();
    this.#outgoing?.stop(error);
    this.#roomWaiters?.rejectAll(error);
    this.#roomWaiters = undefined;
    this.heartbeat.stop(error);
    // What has arrived is still delivered before the end is.
    if (!this.#isHeldBack || this.#wasClosedHere) this.#finish();
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#compression?.close();
    const info = this.#closeInfo();
    if (this.#wasClosedHere) this.inbox.discard(info);
    else this.inbox.end(info);
    this.#closing?.resolve();
    this.#owner.ended();
  }

  #closeInfo(): CloseInfo {
    const received = this.core.receivedClose;
    if (this.#failureCode === undefined && received !== undefined && this.#error === undefined) {
      return { ...received, wasClean: true };
    }
    const error =
      this.#error ??
      this.#makeError(
        "abnormal_closure",
        "the connection ended without a close handshake",
        this.#socketError,
      );
    return { code: this.#failureCode ?? CLOSE.abnormal, reason: "", wasClean: false, error };
  }

  /** For calls on a connection that is over. */
  closedError(): WebSocketError {
    return this.#makeError("closed", "the connection is closed", this.#error ?? this.#socketError);
  }

  #makeError(code: WebSocketError["code"], reason: string, cause?: unknown): WebSocketError {
    const { sentClose: sent, receivedClose: received } = this.core;
    return new WebSocketError(code, reason, { sent, received, cause });
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
