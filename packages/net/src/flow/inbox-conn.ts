import type { Addr } from "../contracts/addr.ts";
import { closeFault, handlerFailed } from "../contracts/close-code.ts";
import type { WaitOptions } from "../contracts/conn.ts";
import type { NetErrorParts } from "../contracts/error.ts";
import { argumentError, type FailureSite } from "../contracts/failures.ts";
import type {
  CloseInfo,
  Message,
  MessageConn,
  MessageHandler,
  Peer,
  PreparedMessage,
  SendOutcome,
} from "../contracts/message-conn.ts";
import { Inbox, type InboxSource } from "./inbox.ts";
import type { InboxLimits } from "./inbox-queue.ts";
import { rejection, told } from "./told.ts";

/**
 * What a `MessageConn` over a stream and one over datagrams have in common: it receives through an inbox, and
 * closes once.
 */
export abstract class InboxConn implements MessageConn, InboxSource {
  readonly localAddr: Addr;
  abstract readonly peer: Peer;
  abstract readonly maxSendBytes: number;
  abstract readonly bufferedAmount: number;
  protected readonly inbox: Inbox;
  #closing: Promise<void> | undefined;

  constructor(localAddr: Addr, limits: InboxLimits) {
    this.localAddr = localAddr;
    this.inbox = new Inbox(this, limits);
  }

  abstract send(message: Message | PreparedMessage, options?: WaitOptions): Promise<void>;
  abstract trySend(message: Message | PreparedMessage): SendOutcome;
  abstract flush(options?: WaitOptions): Promise<void>;
  abstract abort(): void;
  abstract unref(): void;
  abstract ref(): void;

  receive(options?: WaitOptions): Promise<Message | null> {
    return this.inbox.receive(options);
  }

  serve(handler: MessageHandler): void {
    this.inbox.serve(handler);
  }

  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return this.inbox[Symbol.asyncIterator]();
  }

  close(code = 1000, reason = ""): Promise<void> {
    const fault = closeFault(code, reason);
    if (fault !== undefined) return rejection(argumentError("close", fault));
    return this.closeOnce({ code, reason, wasClean: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.isOver ? Promise.resolve() : this.close();
  }

  // What the inbox asks for.

  abstract pause(): void;
  abstract resume(): void;

  fail(error: unknown): void {
    void this.closeOnce(handlerFailed(error));
  }

  route(): Pick<NetErrorParts, "network" | "localAddr" | "remoteAddr"> {
    return { network: this.localAddr.network, localAddr: this.localAddr, remoteAddr: this.peer.addr };
  }

  // What the transport needs.

  /** Nothing is left to be closed. */
  protected abstract get isOver(): boolean;

  /** This side closes, or has closed. */
  protected get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** Closes in order; the first call says how. */
  protected closeOnce(info: CloseInfo): Promise<void> {
    this.#closing ??= told(this.finish(info));
    return this.#closing;
  }

  /** Lets what was sent leave, and ends. @throws why not all of it was taken. */
  protected abstract finish(info: CloseInfo): Promise<void>;

  protected site(op: FailureSite["op"]): FailureSite {
    return { ...this.route(), op };
  }
}
