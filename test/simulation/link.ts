import type { ClientConn } from "@zocalo/client";
import {
  type CloseInfo,
  type Message,
  type MessageConn,
  type MessageHandler,
  ipAddr,
  PreparedMessage,
  type SendOutcome,
} from "@zocalo/net";
import type { VirtualTime } from "./virtual-time.ts";

/** How a link is. */
export interface LinkOptions {
  /** How long the next message takes, in milliseconds. */
  readonly latencyMs: () => number;
  /** What the server may have under way to this client, in bytes. */
  readonly windowBytes: number;
  /** How long the transport takes to notice that nothing passes any more, in milliseconds. */
  readonly heartbeatMs: number;
  /** What the client sends, and what comes to it. */
  tap(type: "command" | "message", text: string): void;
}

interface Item {
  readonly at: number;
  readonly text: string;
  readonly end: CloseInfo | undefined;
}

/** One direction: in order, each message as late as the ones before it. */
class Direction {
  readonly #time: VirtualTime;
  readonly #latencyMs: () => number;
  readonly #arrive: (item: Item) => void;
  readonly #items: Item[] = [];
  #lastAt = 0;
  #isSilent = false;

  constructor(time: VirtualTime, latencyMs: () => number, arrive: (item: Item) => void) {
    this.#time = time;
    this.#latencyMs = latencyMs;
    this.#arrive = arrive;
  }

  send(text: string, end?: CloseInfo): void {
    this.#lastAt = Math.max(this.#lastAt, this.#time.now + this.#latencyMs());
    this.#items.push({ at: this.#lastAt, text, end });
    this.#time.after(this.#lastAt - this.#time.now, () => this.#pass());
  }

  set isSilent(isSilent: boolean) {
    this.#isSilent = isSilent;
    this.#pass();
  }

  get isSilent(): boolean {
    return this.#isSilent;
  }

  drop(): void {
    this.#items.length = 0;
  }

  #pass(): void {
    while (!this.#isSilent) {
      const first = this.#items[0];
      if (first === undefined || first.at > this.#time.now) return;
      this.#items.shift();
      this.#arrive(first);
    }
  }
}

const addr = ipAddr("tcp", "192.0.2.1", 4_711);

/** A connection that delays, loses what was under way when it is cut, and goes silent. */
export class Link {
  readonly server: ServerEnd;
  readonly client: ClientEnd;
  readonly #time: VirtualTime;
  readonly #options: LinkOptions;
  readonly #down: Direction;
  readonly #up: Direction;
  isOpen = true;
  #isSilentUntil = 0;

  constructor(time: VirtualTime, options: LinkOptions) {
    this.#time = time;
    this.#options = options;
    this.#down = new Direction(time, options.latencyMs, ({ text, end }) => {
      if (end === undefined) {
        options.tap("message", text);
        this.client.handler?.message(text);
        this.server.taken(text.length);
      } else this.#over(end);
    });
    this.#up = new Direction(time, options.latencyMs, ({ text, end }) => {
      if (end === undefined) this.server.arrived(text);
      else this.#over(end);
    });
    this.server = new ServerEnd(this, options.windowBytes);
    this.client = new ClientEnd(this);
  }

  get isSilent(): boolean {
    return this.#up.isSilent || this.#down.isSilent;
  }

  sendDown(text: string): void {
    if (this.isOpen) this.#down.send(text);
  }

  sendUp(text: string): void {
    if (!this.isOpen) return;
    this.#options.tap("command", text);
    this.#up.send(text);
  }

  /** What was under way is lost; each end hears of it after a while. */
  cut(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#up.drop();
    this.#down.drop();
    const info = { code: 1006, reason: "", wasClean: false };
    // Over a path that is silent nobody hears of it but by the heartbeat.
    const isUntold = this.isSilent;
    const { heartbeatMs, latencyMs } = this.#options;
    this.#time.after(isUntold ? heartbeatMs : latencyMs(), () => this.server.end(info));
    this.#time.after(isUntold ? heartbeatMs : latencyMs(), () => this.client.end(info));
  }

  /** Nothing passes in these directions for so long. The transport's heartbeat notices that. */
  silence(directions: { readonly up: boolean; readonly down: boolean }, ms: number): void {
    this.#up.isSilent = directions.up;
    this.#down.isSilent = directions.down;
    this.#isSilentUntil = Math.max(this.#isSilentUntil, this.#time.now + ms);
    const { heartbeatMs } = this.#options;
    if (ms >= heartbeatMs) {
      this.#time.after(heartbeatMs, () => {
        this.isOpen = false;
        this.#up.drop();
        this.#down.drop();
        this.server.end({ code: 1006, reason: "", wasClean: false });
      });
    }
    this.#time.after(ms, () => {
      if (this.#time.now < this.#isSilentUntil) return; // It fell silent again meanwhile, perhaps for ever.
      this.#up.isSilent = false;
      this.#down.isSilent = false;
      if (ms >= heartbeatMs) this.client.end({ code: 1006, reason: "", wasClean: false });
    });
  }

  /** One end closes in order: what it sent comes before. */
  close(from: "server" | "client", info: CloseInfo): void {
    if (!this.isOpen) return;
    if (from === "server") this.#down.send("", info);
    else this.#up.send("", info);
    // The other one may be unable to answer.
    this.#time.after(this.#options.heartbeatMs, () => this.cut());
  }

  #over(info: CloseInfo): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#up.drop();
    this.#down.drop();
    this.server.end(info);
    this.client.end(info);
  }
}

class ClientEnd implements ClientConn {
  readonly #link: Link;
  handler: Parameters<ClientConn["serve"]>[0] | undefined;
  #hasEnded = false;

  constructor(link: Link) {
    this.#link = link;
  }

  serve(handler: Parameters<ClientConn["serve"]>[0]): void {
    this.handler = handler;
  }

  trySend(text: string): "sent" | "refused" {
    if (!this.#hasEnded) this.#link.sendUp(text);
    return "sent";
  }

  async close(code = 1000, reason = ""): Promise<void> {
    this.handler = undefined;
    this.#link.close("client", { code, reason, wasClean: true });
  }

  abort(): void {
    this.handler = undefined;
    this.#link.cut();
  }

  end({ code, reason }: CloseInfo): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.handler?.close({ code, reason });
  }
}

class ServerEnd implements MessageConn {
  readonly peer = { transport: "tcp", addr, verification: undefined } as const;
  readonly localAddr = addr;
  readonly maxSendBytes: number;
  readonly idleTimeoutMs = undefined;
  bufferedAmount = 0;
  readonly #link: Link;
  #handler: MessageHandler | undefined;
  readonly #inbox: string[] = [];
  #isBusy = false;
  #isFull = false;
  #hasEnded = false;

  constructor(link: Link, windowBytes: number) {
    this.#link = link;
    this.maxSendBytes = windowBytes;
  }

  serve(handler: MessageHandler): void {
    this.#handler = handler;
    this.#pump();
  }

  trySend(message: Message | PreparedMessage): SendOutcome {
    const text = (message instanceof PreparedMessage ? message.message : message) as string;
    if (this.#hasEnded || this.bufferedAmount + text.length > this.maxSendBytes) {
      this.#isFull = true;
      return "refused";
    }
    this.bufferedAmount += text.length;
    this.#link.sendDown(text);
    if (this.bufferedAmount <= this.maxSendBytes / 2) return "sent";
    this.#isFull = true;
    return "buffered";
  }

  /** The client has it. */
  taken(length: number): void {
    this.bufferedAmount -= length;
    if (!this.#isFull || this.bufferedAmount > this.maxSendBytes / 4) return;
    this.#isFull = false;
    if (!this.#hasEnded) void this.#handler?.drain?.();
  }

  arrived(text: string): void {
    this.#inbox.push(text);
    this.#pump();
  }

  end(info: CloseInfo): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#inbox.length = 0;
    this.#handler?.close?.(info);
  }

  async close(code = 1000, reason = ""): Promise<void> {
    this.#link.close("server", { code, reason, wasClean: true });
  }

  abort(): void {
    this.#link.cut();
  }

  #pump(): void {
    while (this.#handler !== undefined && !this.#isBusy && !this.#hasEnded) {
      const text = this.#inbox.shift();
      if (text === undefined) return;
      const work = this.#handler.message(text);
      if (work === undefined) continue;
      this.#isBusy = true;
      void work.then(() => {
        this.#isBusy = false;
        this.#pump();
      });
    }
  }

  ref(): void {}

  unref(): void {}

  async flush(): Promise<void> {
    throw new Error("the hub does not wait");
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
}
