import {
  decodeCommand,
  type Json,
  type PresencePage,
  type PresentUser,
  type Publication,
  type ReceivedCommand,
  type ServerMessage,
} from "@zocalo/protocol";
import type { ClientConn, ConnHandler, Dial } from "../src/connection/conn.ts";

interface Log {
  epoch: string;
  publications: Publication[];
  /** Those up to this offset are no longer kept. */
  trimmed: number;
  readonly keys: Map<string, number>;
  users: PresentUser[];
  version: number;
}

/** One connection, seen from the server. */
export class FakeConn implements ClientConn {
  readonly server: FakeServer;
  readonly maxSendBytes: number | undefined;
  readonly commands: ReceivedCommand[] = [];
  readonly flows = new Map<string, { presence: boolean }>();
  /** While true, messages are refused. */
  isFull = false;
  closedWith: number | undefined;
  #handler: ConnHandler | undefined;
  #isOpen = true;

  constructor(server: FakeServer) {
    this.server = server;
    this.maxSendBytes = server.maxSendBytes;
  }

  serve(handler: ConnHandler): void {
    this.#handler = handler;
  }

  trySend(message: string): "sent" | "refused" {
    const isTooLarge = this.maxSendBytes !== undefined && Buffer.byteLength(message) > this.maxSendBytes;
    if (!this.#isOpen || this.isFull || isTooLarge) return "refused";
    queueMicrotask(() => {
      // What was sent before a close in order arrives.
      if (!this.#isOpen && this.closedWith === undefined) return;
      const command = decodeCommand(message);
      this.commands.push(command);
      this.server.receive(this, command);
    });
    return "sent";
  }

  drain(): void {
    this.isFull = false;
    this.#handler?.drain();
  }

  push(message: ServerMessage): void {
    queueMicrotask(() => {
      if (this.#isOpen) this.#handler?.message(JSON.stringify(message));
    });
  }

  /** The connection ends as the client sees it. */
  cut(code = 1006, reason = ""): void {
    this.#isOpen = false;
    queueMicrotask(() => this.#handler?.close({ code, reason }));
  }

  async close(code = 1000): Promise<void> {
    this.#isOpen = false;
    this.closedWith = code;
  }

  abort(): void {
    this.#isOpen = false;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  count(type: ReceivedCommand["type"]): number {
    return this.commands.filter((command) => command.type === type).length;
  }
}

/** A server in memory that keeps the protocol, as far as a test does not tell it otherwise. */
export class FakeServer {
  readonly conns: FakeConn[] = [];
  readonly logs = new Map<string, Log>();
  dials = 0;
  isDown = false;
  pingMs = 25_000;
  commandBytes = 65_536;
  /** The longest message that connections to it ever send. */
  maxSendBytes: number | undefined;
  usersInPage = 1_000;
  keyMs: number | undefined = 300_000;
  /** The public name that it gives each session. */
  sender: string | undefined;
  /** How long each token lasts. */
  tokenTime: { tokenMs?: number } = {};
  commandsPerSecond = 1_000_000;
  commandBurst = 1_000_000;
  /** Answers a command instead of the server; `undefined` leaves it to the server, `null` to nobody. */
  intercept: (command: ReceivedCommand, conn: FakeConn) => ServerMessage | null | undefined = () => undefined;

  readonly dial: Dial = async () => {
    this.dials += 1;
    if (this.isDown) throw new Error("connection refused");
    const conn = new FakeConn(this);
    this.conns.push(conn);
    return conn;
  };

  /** The newest connection. */
  get conn(): FakeConn {
    const conn = this.conns.at(-1);
    if (conn === undefined) throw new Error("nobody has connected");
    return conn;
  }

  log(channel: string): Log {
    let log = this.logs.get(channel);
    if (log === undefined) {
      log = { epoch: "e1", publications: [], trimmed: 0, keys: new Map(), users: [], version: 1 };
      this.logs.set(channel, log);
    }
    return log;
  }

  publish(channel: string, data: Json, key?: string): { offset: number; isDuplicate: boolean } {
    const log = this.log(channel);
    const known = key === undefined ? undefined : log.keys.get(key);
    if (known !== undefined) return { offset: known, isDuplicate: true };
    const offset = this.head(channel) + 1;
    if (key !== undefined) log.keys.set(key, offset);
    const publication = { offset, at: 0, user: "ana", data };
    log.publications.push(publication);
    for (const conn of this.conns) {
      if (conn.flows.has(channel)) conn.push({ type: "publication", channel, ...publication });
    }
    return { offset, isDuplicate: false };
  }

  head(channel: string): number {
    const log = this.log(channel);
    return log.publications.at(-1)?.offset ?? log.trimmed;
  }

  /** Forgets what comes before and including `offset`. */
  trim(channel: string, offset: number): void {
    const log = this.log(channel);
    log.trimmed = offset;
    log.publications = log.publications.filter((publication) => publication.offset > offset);
  }

  /** The log is gone and begins again. */
  reset(channel: string, epoch: string): void {
    this.logs.set(channel, { ...this.log(channel), epoch, publications: [], trimmed: 0, keys: new Map() });
  }

  /** Users by their place in the list. */
  page(channel: string, after: number): PresencePage {
    const { version, users } = this.log(channel);
    const end = after + this.usersInPage;
    const next = end < users.length ? { next: end } : {};
    return { version, total: users.length, users: users.slice(after, end), ...next };
  }

  receive(conn: FakeConn, command: ReceivedCommand): void {
    const answer = this.intercept(command, conn);
    if (answer === null) return;
    if (answer !== undefined) return conn.push(answer);
    const id = command.id ?? 0;
    switch (command.type) {
      case "connect":
        return conn.push({
          type: "connected",
          id,
          version: 1,
          server: "fake",
          session: `s${this.conns.length}`,
          user: command.token ?? "guest",
          ...(command.info === undefined ? {} : { info: command.info }),
          pingMs: this.pingMs,
          commandBytes: this.commandBytes,
          commandsPerSecond: this.commandsPerSecond,
          commandBurst: this.commandBurst,
          ...(this.keyMs === undefined ? {} : { keyMs: this.keyMs }),
          ...(this.sender === undefined ? {} : { sender: this.sender }),
          ...this.tokenTime,
        });
      case "refresh":
        return conn.push({ type: "refreshed", id, ...this.tokenTime });
      case "pong":
      case "cancel":
      case "cast":
        return;
      case "call":
        return conn.push({ type: "result", id, data: command.data ?? null });
      case "ping":
        return conn.push({ type: "pong", id });
      case "publish": {
        const { offset, isDuplicate } = this.publish(command.channel, command.data as Json, command.key);
        const { epoch } = this.log(command.channel);
        return conn.push({
          type: "published",
          id,
          epoch,
          offset,
          ...(isDuplicate ? { duplicate: true } : {}),
        });
      }
      case "history": {
        const { epoch, trimmed, publications } = this.log(command.channel);
        const { before = Number.POSITIVE_INFINITY, limit = 50, channel } = command;
        const page = publications.filter(({ offset }) => offset < before).slice(-limit);
        const head = this.head(channel);
        return conn.push({
          type: "history",
          id,
          channel,
          epoch,
          head,
          oldest: trimmed + 1,
          publications: page,
        });
      }
      case "presence": {
        const { channel, after = 0 } = command;
        return conn.push({ type: "presence", id, channel, ...this.page(channel, after) });
      }
      case "unsubscribe":
        conn.flows.delete(command.channel);
        return conn.push({ type: "unsubscribed", id, channel: command.channel });
      case "subscribe": {
        const { channel, since, last = 0, presence = false } = command;
        if (conn.flows.has(channel)) {
          return conn.push({ type: "error", id, code: "already_subscribed", message: channel });
        }
        const { epoch, trimmed, publications } = this.log(channel);
        const head = this.head(channel);
        const isReset = since !== undefined && since.epoch !== epoch;
        const wanted = since === undefined ? Math.max(trimmed, head - last) : isReset ? 0 : since.offset;
        const offset = Math.max(wanted, trimmed);
        conn.push({
          type: "subscribed",
          id,
          channel,
          epoch,
          offset,
          head,
          recovered: since !== undefined && !isReset && offset === wanted,
          ...(isReset ? { reset: true } : {}),
          ...(offset > wanted ? { gap: { from: wanted + 1, to: offset } } : {}),
          ...(presence ? { presence: this.page(channel, 0) } : {}),
        });
        conn.flows.set(channel, { presence });
        for (const publication of publications) {
          if (publication.offset > offset) conn.push({ type: "publication", channel, ...publication });
        }
      }
    }
  }
}
