import {
  type CloseInfo,
  ipAddr,
  type Message,
  type MessageConn,
  type MessageHandler,
  type Peer,
  PreparedMessage,
  type SendOutcome,
} from "@zocalo/net";
import type { Command, ServerMessage } from "@zocalo/protocol";

/** How a fake connection behaves. */
export interface FakeConnOptions {
  readonly transport?: Peer["transport"];
  /** An IP address. Default: none, as a pipe has none. */
  readonly host?: string;
  /** Default 1 MiB. */
  readonly maxSendBytes?: number;
  /** Default 64 KiB: `buffered` past it. */
  readonly highWater?: number;
  /** Default 128 KiB: `refused` past it. */
  readonly maxBuffered?: number;
  readonly idleTimeoutMs?: number;
  readonly verification?: Peer["verification"];
}

const addr = { network: "pipe", toString: () => "pipe" } as const;

/**
 * The server's end of a connection in memory; the test is the peer. What the hub sends stands in a buffer
 * until the peer reads it, at once by default and by `read` after `pause`.
 */
export class FakeConn implements MessageConn {
  readonly peer: Peer;
  readonly localAddr = addr;
  readonly maxSendBytes: number;
  readonly idleTimeoutMs: number | undefined;
  /** What the peer has read, in order. */
  readonly received: ServerMessage[] = [];
  /** The same as text. */
  readonly texts: string[] = [];
  /** The most the buffer ever held, in bytes. */
  peakBuffered = 0;
  refusals = 0;
  bufferedAmount = 0;
  closed: CloseInfo | undefined;
  /** True: a close is never answered by the peer. */
  closeHangs = false;
  #handler: MessageHandler | undefined;
  readonly #highWater: number;
  readonly #maxBuffered: number;
  readonly #buffer: { readonly text: string; readonly bytes: number }[] = [];
  #isPaused = false;
  #isFull = false;
  readonly #inbox: Message[] = [];
  #isBusy = false;
  readonly #watchers = new Set<() => void>();

  constructor(options: FakeConnOptions = {}) {
    const { transport = "pipe", host, verification } = options;
    this.peer = { transport, addr: host === undefined ? addr : ipAddr("tcp", host, 4711), verification };
    this.maxSendBytes = options.maxSendBytes ?? 1_048_576;
    this.#highWater = options.highWater ?? 65_536;
    this.#maxBuffered = options.maxBuffered ?? 131_072;
    this.idleTimeoutMs = options.idleTimeoutMs;
  }

  // --- the peer's side

  /** Sends a command; the hub gets it once it has dealt with those before. */
  say(command: Command | string | Uint8Array): void {
    this.#inbox.push(
      typeof command === "object" && !(command instanceof Uint8Array) ? JSON.stringify(command) : command,
    );
    this.#pump();
  }

  /** Commands that the hub has not taken yet. */
  get held(): number {
    return this.#inbox.length;
  }

  /** Stops reading. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Reads again, all there is and will be. */
  resume(): void {
    this.#isPaused = false;
    this.read(Number.POSITIVE_INFINITY);
  }

  /** Reads so many messages. */
  read(count: number): void {
    for (let taken = 0; taken < count; taken++) {
      const next = this.#buffer.shift();
      if (!next) break;
      this.bufferedAmount -= next.bytes;
      this.#deliver(next.text);
      if (this.#isFull && this.bufferedAmount <= this.#highWater / 2) {
        this.#isFull = false;
        void this.#handler?.drain?.();
      }
    }
  }

  /** The connection breaks, and what the peer has not read is lost. */
  cut(): void {
    this.#buffer.length = 0;
    this.bufferedAmount = 0;
    this.#ended({ code: 1006, reason: "", wasClean: false });
  }

  /**
   * The transport ends it for what the peer sent; as on a byte stream, the hub may still send a last word.
   */
  fault(info: CloseInfo): void {
    this.#handler?.close?.(info);
    this.closed ??= info;
  }

  /** Waits until the messages read so far, or those still to come, have one that fits. */
  async until<Found extends ServerMessage>(
    fits: (message: ServerMessage) => message is Found,
  ): Promise<Found>;
  async until(fits: (message: ServerMessage) => boolean): Promise<ServerMessage>;
  async until(fits: (message: ServerMessage) => boolean): Promise<ServerMessage> {
    for (;;) {
      const found = this.received.find(fits);
      if (found) return found;
      if (this.closed) throw new Error(`closed (${this.closed.code}) before the message came`);
      await this.#change();
    }
  }

  /** Sends a command with an id of its own and waits for its answer. */
  async ask(command: Command): Promise<ServerMessage> {
    const id = command.id ?? nextId++;
    this.say({ ...command, id });
    return this.until((message) => "id" in message && message.id === id);
  }

  async untilClosed(): Promise<CloseInfo> {
    while (!this.closed) await this.#change();
    return this.closed;
  }

  /** Received messages of a type. */
  all<Type extends ServerMessage["type"]>(type: Type): Extract<ServerMessage, { type: Type }>[] {
    return this.received.filter((message) => message.type === type) as Extract<
      ServerMessage,
      { type: Type }
    >[];
  }

  // --- the hub's side

  get isCongested(): boolean {
    return this.bufferedAmount > 0;
  }

  serve(handler: MessageHandler): void {
    this.#handler = handler;
    if (this.closed) handler.close?.(this.closed);
    else this.#pump();
  }

  trySend(message: Message | PreparedMessage): SendOutcome {
    const text = (message instanceof PreparedMessage ? message.message : message) as string;
    const bytes = Buffer.byteLength(text);
    if (this.closed || bytes > this.maxSendBytes || this.bufferedAmount + bytes > this.#maxBuffered) {
      this.#isFull = true;
      this.refusals++;
      return "refused";
    }
    if (!this.#isPaused && this.#buffer.length === 0) {
      this.#deliver(text);
      return "sent";
    }
    this.#buffer.push({ text, bytes });
    this.bufferedAmount += bytes;
    this.peakBuffered = Math.max(this.peakBuffered, this.bufferedAmount);
    if (this.bufferedAmount <= this.#highWater) return "sent";
    this.#isFull = true;
    return "buffered";
  }

  async close(code = 1000, reason = ""): Promise<void> {
    if (!this.closeHangs) this.#ended({ code, reason, wasClean: true });
  }

  unref(): void {}

  ref(): void {}

  abort(): void {
    this.#buffer.length = 0;
    this.#ended({ code: 1006, reason: "", wasClean: false });
  }

  async flush(): Promise<void> {
    while (this.bufferedAmount > 0 && !this.closed) await this.#change();
    if (this.bufferedAmount > 0) throw new Error("closed before all was read");
  }

  async send(): Promise<void> {
    throw new Error("the hub does not wait to send");
  }

  async receive(): Promise<Message | null> {
    throw new Error("the hub serves");
  }

  [Symbol.asyncIterator](): AsyncIterator<Message> {
    throw new Error("the hub serves");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #deliver(text: string): void {
    this.texts.push(text);
    this.received.push(JSON.parse(text) as ServerMessage);
    this.#tellWatchers();
  }

  #ended(info: CloseInfo): void {
    if (this.closed) return;
    this.read(Number.POSITIVE_INFINITY); // what was sent arrives before the end
    if (this.closed) return;
    this.closed = info;
    this.#inbox.length = 0;
    this.#handler?.close?.(info);
    this.#tellWatchers();
  }

  #pump(): void {
    while (this.#handler && !this.#isBusy && !this.closed && this.#inbox.length > 0) {
      const work = this.#handler.message(this.#inbox.shift() as Message);
      if (!work) continue;
      this.#isBusy = true;
      void work.then(() => {
        this.#isBusy = false;
        this.#tellWatchers();
        this.#pump();
      });
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#watchers.add(resolve);
    });
  }

  #tellWatchers(): void {
    for (const watcher of this.#watchers) watcher();
    this.#watchers.clear();
  }
}

let nextId = 1_000_000;
