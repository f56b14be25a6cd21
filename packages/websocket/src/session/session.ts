import type { Message, NetErrorParts } from "@zocalo/net";
import {
  Inbox,
  type InboxSource,
  rejection,
  type Transport,
  type TransportSink,
} from "@zocalo/net/transport";
import { CLOSE } from "../core/close-frame.ts";
import type { Compression } from "../core/compression.ts";
import { Core, type CoreEvents } from "../core/core.ts";
import type { Role } from "../core/frame.ts";
import { Ending, type EndingHost } from "./ending.ts";
import { WebSocketNetError } from "../core/error.ts";
import type { ConnSettings } from "./options.ts";
import { FLUSH_AT_BYTES, SendHalf } from "./send-half.ts";
import { connClose, traceClosed } from "./trace.ts";
import type { ProtocolFailure } from "../core/close-frame.ts";
import type { MessagePart } from "../core/message-body.ts";

const RESOLVED = Promise.resolve();

/** Why the transport is not read: the application is behind, … */
const BEHIND = 1;
/** … or others have their turn. */
const RESTING = 2;

/**
 * One connection at work: a transport's bytes to a `Core`, its messages to an `Inbox`, what is sent back to
 * the transport (see `SendHalf`), and the end of all that. The public face is `WebSocketConn`.
 */
export class Session extends SendHalf implements CoreEvents, InboxSource, EndingHost, TransportSink {
  readonly core: Core;
  /** Of messages; of their parts, if messages are streamed. */
  readonly inbox: Inbox<Message | MessagePart>;
  #conn: object | undefined;
  #onEnded: ((conn: object) => void) | undefined;

  /** `BEHIND`, `RESTING`, both or 0. */
  #heldBackBy = 0;
  #ending: Ending | undefined;

  constructor(
    transport: Transport,
    role: Role,
    settings: ConnSettings,
    compression: Compression | undefined,
  ) {
    super(transport, role, settings, compression);
    this.core = new Core(role, this, settings.receive, compression, settings.isStreaming);
    this.inbox = new Inbox(this, settings.inbox);
    transport.prefersLent = true;
    transport.attach(this);
  }

  /** @param onEnded called once, with the connection whose session this is: it is over. */
  belongTo<C extends object>(conn: C, onEnded: ((conn: C) => void) | undefined): void {
    this.#conn = conn;
    this.#onEnded = onEnded as ((conn: object) => void) | undefined;
  }

  /**
   * Begins to read. `head`: what came behind the handshake. `answer`: an HTTP head that is sent before all
   * else.
   */
  start(head: Buffer, answer?: string): void {
    if (answer !== undefined) this.writeAnswer(answer);
    this.startKeepalive();
    if (head.length === 0) {
      this.transport.resume();
      return;
    }
    // Not at once: who asked for the connection gets it in a microtask, and may answer a message before a
    // fault behind it is judged.
    this.pause();
    // A copy: the caller's memory is read no more after the call, and is never written to.
    this.onBytes(Buffer.from(head), false);
    setImmediate(() => this.resume());
  }

  // --- receiving

  /** `TransportSink`. Hot path. */
  onBytes(bytes: Uint8Array, isLent: boolean): boolean {
    this.silentSince = 0;
    if (this.core.isDone) return true;
    this.core.receive(asBuffer(bytes), isLent);
    if (this.core.isPartway) this.watchMessage();
    // Node reads up to 32 full buffers in one turn; their answers must not pile up.
    if (this.core.waitingBytes >= FLUSH_AT_BYTES) this.write();
    return this.#heldBackBy === 0;
  }

  override flush(): void {
    super.flush();
    this.core.rest();
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
    this.heardPong(payload);
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
    const said = `the peer broke the protocol: ${reason} (${closeCode})`;
    const code = closeCode === CLOSE.messageTooBig ? "too_large" : "bad_frame";
    this.#end().broken(code, said, undefined, closeCode);
    this.#endTransport();
  }

  /** `Inbox`: the application is behind. */
  pause(): void {
    this.#holdBack(BEHIND);
  }

  /** `Inbox`: it has caught up. */
  resume(): void {
    this.#goOn(BEHIND);
  }

  expectSilence(): void {
    this.silentSince = 1;
  }

  get isHeldBack(): boolean {
    return this.#heldBackBy !== 0;
  }

  /** Writing has failed, and what had arrived is still being read. */
  #isReadingOut(): boolean {
    return this.isWriteBroken && !this.isTransportClosed && !this.#end().wasClosedHere;
  }

  onBusy(): void {
    if (!this.core.isOpen && !this.#isReadingOut()) return;
    this.#holdBack(RESTING);
    setImmediate(() => this.#goOn(RESTING));
  }

  #holdBack(reason: number): void {
    if (!this.core.isOpen && !this.#isReadingOut()) return;
    this.#heldBackBy |= reason;
    this.core.pauseReceiving();
    this.transport.pause();
  }

  #goOn(reason: number): void {
    if (this.#heldBackBy === 0) return;
    this.#heldBackBy &= ~reason;
    if (this.#heldBackBy !== 0) return;
    this.core.resumeReceiving();
    // What was resumed may have been held back again.
    if (this.isHeldBack) return;
    if (this.isTransportClosed) this.#finish();
    else if (this.#ending?.hasEndedUnread) this.onEnd();
    else this.transport.resume();
  }

  /** `Inbox`: the application's handler threw. */
  fail(cause: unknown): void {
    const isBroken = this.isWriteBroken || this.isTransportClosed;
    if (isBroken && cause instanceof WebSocketNetError && cause.code === "closed") {
      // A handler that waits for its `send` passes on that the connection has broken: why it has is the
      // connection's to tell.
      this.inbox.discard(this.#end().abnormal);
    } else {
      this.#end().broken("handler_failed", "the message handler threw", cause, CLOSE.internalError);
    }
    void this.close(CLOSE.internalError, "");
  }

  route(): Pick<NetErrorParts, "network" | "localAddr" | "remoteAddr"> {
    const { localAddr, remoteAddr } = this.transport;
    return { network: "websocket", localAddr, remoteAddr };
  }

  protected override timedOut(reason: string, op: "read" | "write"): void {
    this.#end().broken("timeout", reason, undefined, undefined, op);
    this.cutTransport();
  }

  messageTimedOut(): void {
    const reason = `the peer has begun a message and not completed it for ${this.settings.messageTimeoutMs} ms`;
    this.#end().broken("timeout", reason, undefined, CLOSE.policyViolation);
    void this.close(CLOSE.policyViolation, "message not completed in time");
  }

  /** `OutgoingStream` */
  breakOff(): void {
    // The peer is gone, and what it sent before is still to be received.
    if (this.isWriteBroken || this.isTransportClosed) return;
    void this.close(CLOSE.internalError, "");
  }

  // --- the end

  /** True once the application has been told of the end. */
  get isOver(): boolean {
    return this.#ending?.isOver === true;
  }

  /** @param code one that may be sent, or 1005 for a Close frame without. */
  close(code: number, reason: string): Promise<void> {
    const ending = this.#end();
    if (ending.isOver) return this.hasLost ? rejection(ending.lostError) : RESOLVED;
    const { closed } = ending;
    if (this.core.sentClose === undefined) {
      ending.wasClosedHere = true;
      this.letAllIn();
      this.core.close(code, reason);
      this.flushLater();
      if (!this.isTransportClosed) ending.startTimer();
      // To see the peer's Close frame; messages before it are dropped.
      if (this.isTransportClosed) this.#finish();
      else if (this.isWriteBroken) this.cutTransport();
      else this.resume();
    }
    return closed;
  }

  abort(): void {
    const ending = this.#end();
    if (ending.isOver) return;
    ending.wasClosedHere = true;
    ending.broken("closed", "the connection was aborted by this side");
    this.core.isOpen = false; // What is sent until the socket has closed goes nowhere.
    this.resetTransport();
    if (this.isTransportClosed) this.#finish();
  }

  /**
   * All frames are exchanged. RFC 6455 §7.1.1: the server ends TCP first, and the client waits for it; a
   * failed connection is ended by who noticed.
   */
  #endTransport(): void {
    const ending = this.#end();
    if (!this.isTransportClosed) ending.startTimer();
    this.write();
    if (this.isTransportClosed) return;
    if (ending.owesPeer) ending.watchLastWrites();
    if (this.isWriteBroken) {
      this.cutTransport(); // The peer has said its last, and hears nothing more.
      return;
    }
    if (this.role === "server" || ending.hasCode || ending.hasEndedUnread) this.endTransport();
    this.#heldBackBy = 0;
    this.transport.resume(); // To see the end; the core ignores what comes before it.
  }

  /** `TransportSink` */
  onEnd(): void {
    // What came before it may still be in the core, to be received and answered.
    if (this.isHeldBack) {
      this.#end().hasEndedUnread = true;
      return;
    }
    if (this.core.isEndHeld) {
      setImmediate(() => this.onEnd());
      return;
    }
    // A WebSocket has no half-closed state: without a Close frame this is a broken connection.
    if (this.core.isDone) this.endTransport();
    else this.cutTransport();
  }

  /**
   * `SendHalf`: the peer hears nothing more, mostly as it has reset the connection. What it said before, its
   * Close frame included, may still be unread; behind that the system tells the end.
   */
  protected override writeFailed(error: unknown): void {
    const ending = this.#end();
    ending.transportError ??= error;
    if (ending.wasClosedHere || this.core.isDone) {
      this.cutTransport(); // Messages are not wanted any more, or none will come.
    } else {
      ending.cutOnceReadOut();
    }
  }

  /** `TransportSink` */
  onClose(error: unknown): void {
    if (this.isTransportClosed) return;
    this.isTransportClosed = true;
    this.core.answerEnd();
    this.core.isOpen = false;
    const ending = this.#end();
    ending.transportError ??= error;
    ending.stop();
    this.stopSending();
    this.stopWatching();
    // What has arrived is still delivered before the end is.
    if (!this.isHeldBack || ending.wasClosedHere) this.#finish();
  }

  #finish(): void {
    const ending = this.#end();
    if (ending.isOver) return;
    this.compression?.close();
    const info = ending.over(this.hasLost);
    if (ending.wasClosedHere) this.inbox.discard(info);
    else this.inbox.end(info);
    ending.settle(this.hasLost ? ending.lostError : undefined);
    if (this.#conn === undefined) return;
    this.#onEnded?.(this.#conn);
    if (connClose.hasSubscribers) traceClosed(this.#conn, this.role, info, this.transport);
  }

  #end(): Ending {
    return (this.#ending ??= new Ending(this));
  }

  /** For calls on a connection that is over. */
  closedError(): WebSocketNetError {
    return this.#end().closedError;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
