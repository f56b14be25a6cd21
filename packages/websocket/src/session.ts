import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { type CloseInfo, Inbox, type InboxSource, type Message, type NetErrorParts } from "@zocalo/net";
import type { WebSocketConn } from "./conn.ts";
import { CLOSE } from "./core/close-code.ts";
import type { Compression } from "./core/compression.ts";
import { closeFault, Core, type CoreEvents } from "./core/core.ts";
import type { Role } from "./core/frame.ts";
import type { MessagePart, ProtocolFailure } from "./core/receiver.ts";
import { canWriteDirectly } from "./direct-write.ts";
import { WebSocketError } from "./error.ts";
import { Heartbeat, type HeartbeatHost } from "./heartbeat.ts";
import { MessageWatch, type MessageWatchHost } from "./message-watch.ts";
import type { ConnSettings } from "./options.ts";
import { FLUSH_AT_BYTES, SendHalf } from "./send-half.ts";
import { listenTo, type SocketEvents } from "./socket-listeners.ts";

const RESOLVED = Promise.resolve();

/** What a session knows of the outside. */
export interface SessionOwner {
  readonly conn: WebSocketConn;
  /** The transport has closed. Called once. */
  readonly onEnded: ((conn: WebSocketConn) => void) | undefined;
}

/**
 * One connection at work: a socket's bytes to a `Core`, its messages to an `Inbox`, what is sent back to the socket (see `SendHalf`), and the
 * end of all that. The public face is `WebSocketConn`.
 */
export class Session
  extends SendHalf
  implements CoreEvents, InboxSource, HeartbeatHost, MessageWatchHost, SocketEvents
{
  readonly core: Core;
  /** Of messages; of their parts, if messages are streamed. */
  readonly inbox: Inbox<Message | MessagePart>;
  readonly heartbeat: Heartbeat;
  readonly #conn: WebSocketConn;
  readonly #onEnded: ((conn: WebSocketConn) => void) | undefined;

  /** The socket is not read: the application is behind, or others have their turn. */
  #isHeldBack = false;
  #isBehind = false;
  #isResting = false;
  #isFinished = false;
  messageNumber = 0;
  #messageWatch: MessageWatch | undefined;
  #wasClosedHere = false;
  #error: WebSocketError | undefined;
  #failureCode: number | undefined;
  #socketError: Error | undefined;
  #closing: { promise: Promise<void>; resolve: () => void } | undefined;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(
    socket: Duplex,
    role: Role,
    settings: ConnSettings,
    { conn, onEnded }: SessionOwner,
    compression: Compression | undefined,
  ) {
    super(socket, role, settings, compression);
    this.#conn = conn;
    this.#onEnded = onEnded;
    this.core = new Core(role, this, settings.receive, compression, settings.isStreaming);
    this.inbox = new Inbox(this, settings.inbox);
    this.heartbeat = new Heartbeat(this);
  }

  /** Begins to read. `head`: what came behind the handshake. `answer`: an HTTP head that is sent before all else. */
  start(head: Buffer, answer?: string): void {
    this.writesDirectly = listenTo(this.socket, this) && canWriteDirectly(this.socket);
    if (answer !== undefined) this.writeAnswer(answer);
    this.heartbeat.start();
    if (head.length === 0) {
      this.socket.resume();
      return;
    }
    // Not at once: who asked for the connection gets it in a microtask, and may answer a message before a fault behind it is judged.
    this.pause();
    this.received(head, false);
    setImmediate(() => this.resume());
  }

  // --- receiving

  /** Hot path: bytes from the socket. `isLent`: the memory will be used again after the call. `false`: read no more for now. */
  received(chunk: Buffer, isLent: boolean): boolean {
    this.heartbeat.wasHeard = true;
    if (this.core.isDone) return true;
    this.core.receive(chunk, isLent);
    if (this.core.isPartway) this.#watchMessage();
    // Node reads up to 32 full buffers in one turn; their answers must not pile up.
    if (this.core.outbox.length >= FLUSH_AT_BYTES) this.write();
    return !this.#isHeldBack;
  }

  onMessage(message: Message, byteLength: number): void {
    this.messageNumber = (this.messageNumber + 1) | 0;
    this.inbox.push(message, byteLength);
  }

  onPart(part: MessagePart): void {
    if (part.isLast) this.messageNumber = (this.messageNumber + 1) | 0;
    this.inbox.push(part, part.bytes.length);
  }

  onPing(): void {
    if (!this.core.isInMessage) this.messageNumber = (this.messageNumber + 1) | 0;
    this.flushLater();
  }

  onPong(payload: Uint8Array): void {
    if (!this.core.isInMessage) this.messageNumber = (this.messageNumber + 1) | 0;
    this.heartbeat.pong(payload);
  }

  holdsEnd(): boolean {
    // Whoever waits in `receive` gets a message in a microtask, and answers it then.
    setImmediate(() => this.core.answerEnd());
    return true;
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
    this.#isBehind = true;
    this.#holdBack();
  }

  /** `Inbox`: it has caught up. */
  resume(): void {
    this.#isBehind = false;
    if (!this.#isResting) this.#goOn();
  }

  onBusy(): void {
    if (!this.core.isOpen) return;
    this.#isResting = true;
    this.#holdBack();
    setImmediate(() => {
      this.#isResting = false;
      if (!this.#isBehind) this.#goOn();
    });
  }

  #holdBack(): void {
    this.#isHeldBack = true;
    this.core.pauseReceiving();
    this.socket.pause();
  }

  #goOn(): void {
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    this.core.resumeReceiving();
    // What was resumed may have been held back again.
    if (this.#isHeldBack) return;
    if (this.isTransportClosed) this.#finish();
    else this.socket.resume();
  }

  /** `Inbox`: the application's handler threw. */
  fail(cause: unknown): void {
    this.#error ??= this.#makeError("handler_failed", "the message handler threw", cause);
    this.#failureCode ??= CLOSE.internalError;
    void this.#close(CLOSE.internalError, "");
  }

  route(): Pick<NetErrorParts, "network" | "localAddr" | "remoteAddr"> {
    return { network: "websocket", localAddr: this.#conn.localAddr, remoteAddr: this.#conn.peer.addr };
  }

  // --- ping, keepalive

  ping(): Promise<number> {
    return this.core.isOpen ? this.heartbeat.ping() : Promise.reject(this.closedError());
  }

  get isHeldBack(): boolean {
    return this.#isHeldBack;
  }

  sendPing(payload: Uint8Array): void {
    this.core.ping(payload);
    this.flushLater();
  }

  probeAfter(ms: number): void {
    const socket = this.socket;
    if ("setKeepAlive" in socket && typeof socket.setKeepAlive === "function") socket.setKeepAlive(true, ms);
  }

  peerIsGone(reason: string): void {
    this.#error ??= this.#makeError("keepalive_timeout", reason);
    this.socket.destroy();
  }

  // --- the peer that does not complete a message

  #watchMessage(): void {
    const { messageTimeoutMs } = this.settings;
    if (messageTimeoutMs === 0) return;
    this.#messageWatch ??= new MessageWatch(this, messageTimeoutMs);
    this.#messageWatch.start();
  }

  get isPartway(): boolean {
    return this.core.isOpen && this.core.isPartway;
  }

  messageTimedOut(): void {
    const reason = `the peer has begun a message and not completed it for ${this.settings.messageTimeoutMs} ms`;
    this.#error ??= this.#makeError("message_timeout", reason);
    this.#failureCode ??= CLOSE.policyViolation;
    void this.#close(CLOSE.policyViolation, "message not completed in time");
  }

  // --- the peer that does not read

  writeTimedOut(): void {
    const { writeTimeoutMs } = this.settings;
    const reason = `the peer has taken nothing of what waits for it for ${writeTimeoutMs} ms`;
    this.#error ??= this.#makeError("write_timeout", reason);
    this.socket.destroy();
  }

  /** `OutgoingStreams` */
  breakOff(): void {
    void this.#close(CLOSE.internalError, "");
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
      this.flushLater();
      this.#startCloseTimer();
      // To see the peer's Close frame; messages before it are dropped.
      if (this.isTransportClosed) this.#finish();
      else this.resume();
    }
    return this.#closing.promise;
  }

  abort(): void {
    if (this.#isFinished) return;
    this.#wasClosedHere = true;
    this.#error ??= this.#makeError("closed", "the connection was aborted by this side");
    const socket = this.socket;
    // A TLS socket has the method, too, and throws in it.
    if (socket instanceof Socket && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
    else socket.destroy();
    if (this.isTransportClosed) this.#finish();
  }

  /** All frames are exchanged. RFC 6455 §7.1.1: the server ends TCP first, and the client waits for it; a failed connection is ended by who noticed. */
  #endTransport(): void {
    this.#startCloseTimer();
    this.write();
    if (this.isTransportClosed) return;
    if (this.role === "server" || this.#failureCode !== undefined) this.endSocket();
    this.#isHeldBack = false;
    this.socket.resume(); // To see the end; the core ignores what comes before it.
  }

  #startCloseTimer(): void {
    if (this.#closeTimer !== undefined || this.isTransportClosed) return;
    this.#closeTimer = setTimeout(() => {
      const { closeTimeoutMs } = this.settings;
      if (this.core.receivedClose === undefined) {
        this.#error ??= this.#makeError(
          "close_timeout",
          `the peer did not close within ${closeTimeoutMs} ms`,
        );
      }
      this.socket.destroy();
    }, this.settings.closeTimeoutMs);
  }

  socketEnded(): void {
    if (this.core.isEndHeld) {
      setImmediate(() => this.socketEnded());
      return;
    }
    // A WebSocket has no half-closed state: without a Close frame this is a broken connection.
    if (this.core.isDone) this.endSocket();
    else this.socket.destroy();
  }

  socketFailed(error: Error): void {
    this.#socketError ??= error;
  }

  socketClosed(): void {
    this.isTransportClosed = true;
    this.core.answerEnd();
    this.core.isOpen = false;
    clearTimeout(this.#closeTimer);
    this.stopSending();
    this.#messageWatch?.stop();
    this.heartbeat.stop(() => this.closedError());
    // What has arrived is still delivered before the end is.
    if (!this.#isHeldBack || this.#wasClosedHere) this.#finish();
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.compression?.close();
    const info = this.#closeInfo();
    if (this.#wasClosedHere) this.inbox.discard(info);
    else this.inbox.end(info);
    this.#closing?.resolve();
    this.#onEnded?.(this.#conn);
  }

  #closeInfo(): CloseInfo {
    const received = this.core.receivedClose;
    if (this.#failureCode === undefined && received !== undefined && this.#error === undefined) {
      return { ...received, wasClean: true };
    }
    return new BrokenEnd(this.#failureCode ?? CLOSE.abnormal, this);
  }

  /** Why the connection broke. */
  get endError(): WebSocketError {
    this.#error ??= this.#makeError(
      "abnormal_closure",
      "the connection ended without a close handshake",
      this.#socketError,
    );
    return this.#error;
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

/** How a connection broke. */
class BrokenEnd implements CloseInfo {
  readonly code: number;
  readonly reason = "";
  readonly wasClean = false;
  readonly #session: Session;

  constructor(code: number, session: Session) {
    this.code = code;
    this.#session = session;
  }

  /** Made when somebody asks: with its stack it costs more than the rest of an end, and peers just vanish all the time. */
  get error(): WebSocketError {
    return this.#session.endError;
  }
}
