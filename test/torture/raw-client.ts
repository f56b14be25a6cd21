import type { Command, Json, Position, ServerMessage, Subscribed } from "@zocalo/protocol";
import type { Person } from "../simulation/client.ts";
import type { Said } from "../simulation/history.ts";
import { newText } from "../simulation/texts.ts";
import { openWire, type Wire } from "./wire.ts";
import type { RealSurroundings } from "./square.ts";

/** More publications without an answer than this nobody has; the others wait. */
const MOST_UNANSWERED = 100;
const MOST_FOLLOWED = 4;
/** A datagram that has no answer by then is sent again, in milliseconds. */
const OVERDUE_MS = 700;

interface Publishing {
  readonly id: number;
  readonly channel: string;
  readonly text: string;
  readonly key: string;
  sentAt: number | undefined;
}

interface Following {
  readonly sub: number;
  readonly channel: string;
  position: Position | undefined;
  /** Asked for, and answered, on this wire. */
  isAsked: boolean;
  isFlowing: boolean;
}

/** Somebody who speaks the protocol by hand, as `docs/protocol.md` has it, over lines or datagrams. */
export class RawClient {
  readonly person: Person;
  readonly number: number;
  readonly transport: "tcp" | "udp";
  readonly #world: RealSurroundings;
  readonly #publishing = new Map<number, Publishing>();
  readonly #following = new Map<string, Following>();
  /** What was asked on this wire, by the id of the command. */
  readonly #asked = new Map<number, { readonly command: Command; readonly publishing?: Publishing }>();
  readonly #timer: NodeJS.Timeout;
  #wire: Wire | undefined;
  /** The server knows who this is: nothing else is sent before. */
  #isConnected = false;
  #lastId = 0;
  #renewedAt = 0;
  isGone = false;

  constructor(world: RealSurroundings, person: Person, transport: "tcp" | "udp") {
    this.#world = world;
    this.person = person;
    this.transport = transport;
    this.number = world.number();
    this.#timer = setInterval(() => this.#tick(), 100);
    this.#tick();
  }

  act(): void {
    const { random, channels } = this.#world;
    const channel = random.pick(channels) ?? "";
    const dice = random.below(100);
    if (dice < 70) for (let left = random.int(1, 6); left > 0; left--) this.#begin(channel);
    else if (dice < 85) this.follow(channel);
    else if (dice < 92) this.#stopOne();
    else if (dice < 94 && this.transport === "tcp") this.#wire?.cut();
  }

  follow(channel: string, since?: Position): void {
    if (this.#following.has(channel) || this.#following.size >= MOST_FOLLOWED) return;
    const sub = this.#world.number();
    const { number: client, person } = this;
    this.#world.write({ type: "subscribe", sub, client, user: person.user, channel, since, watches: false });
    const following = { sub, channel, position: since, isAsked: false, isFlowing: false };
    this.#following.set(channel, following);
    if (this.#isConnected) this.#subscribe(following);
  }

  stand(): void {
    for (const { sub, position } of this.#following.values())
      if (position !== undefined) this.#world.write({ type: "position", sub, position });
  }

  end(): void {
    this.isGone = true;
    clearInterval(this.#timer);
    this.#wire?.cut();
  }

  /** Connects again, and asks again for what should have come. */
  #tick(): void {
    if (this.isGone) return;
    if (this.#wire === undefined) {
      const { port, conn } = { port: this.#world.ports[this.transport], conn: this.#world.number() };
      this.#asked.clear();
      this.#wire = openWire(this.transport, port, {
        open: () => this.#opened(),
        message: (text) => {
          if (this.transport === "tcp") this.#world.write({ type: "message", conn, text });
          this.#received(text);
        },
        close: () => this.#closed(),
        sent: (text) => {
          if (this.transport === "tcp") this.#world.write({ type: "command", conn, text });
        },
      });
      return;
    }
    if (!this.#wire.isOpen) return;
    const now = performance.now();
    if (this.transport === "udp" && now - this.#renewedAt > OVERDUE_MS) {
      this.#renewedAt = now;
      if (!this.#isConnected) this.#connect();
      // Something may have been lost.
      else for (const following of this.#following.values()) this.#subscribe(following);
    }
    if (!this.#isConnected) return;
    if (this.transport === "tcp" && now - this.#renewedAt > OVERDUE_MS) {
      this.#renewedAt = now;
      // Who says nothing for long is not counted as present, by a clock that the test may set.
      this.#send({ type: "ping", id: ++this.#lastId });
    }
    for (const following of this.#following.values()) if (!following.isAsked) this.#subscribe(following);
    for (const publishing of this.#publishing.values()) {
      const isLate = this.transport === "udp" && now - (publishing.sentAt ?? now) > OVERDUE_MS;
      if (publishing.sentAt === undefined || isLate) this.#publish(publishing);
    }
  }

  #opened(): void {
    this.#renewedAt = performance.now();
    this.#connect();
  }

  #connect(): void {
    this.#send({ type: "connect", id: ++this.#lastId, token: this.person.token });
  }

  #connected(): void {
    if (this.#isConnected) return;
    this.#isConnected = true;
    for (const following of this.#following.values()) this.#subscribe(following);
    for (const publishing of this.#publishing.values()) this.#publish(publishing);
  }

  /** A clock that went far forward ends sessions of datagrams: nothing of what was sent had an effect. */
  #expired(): void {
    if (!this.#isConnected) return;
    this.#disconnected();
    this.#connect();
  }

  #closed(): void {
    this.#wire = undefined;
    this.#disconnected();
  }

  #disconnected(): void {
    this.#isConnected = false;
    for (const following of this.#following.values()) {
      following.isAsked = false;
      following.isFlowing = false;
    }
    for (const publishing of this.#publishing.values()) publishing.sentAt = undefined;
  }

  #begin(channel: string, before?: { readonly text: string; readonly key: string }): void {
    if (this.#publishing.size >= MOST_UNANSWERED) return;
    const id = this.#world.number();
    const text = before?.text ?? newText(this.#world.random, id);
    this.#world.write({ type: "publish", id, client: this.number, channel, text });
    const publishing = { id, channel, text, key: before?.key ?? `raw-${id}`, sentAt: undefined };
    this.#publishing.set(id, publishing);
    if (this.#isConnected) this.#publish(publishing);
  }

  #publish(publishing: Publishing): void {
    const { channel, text, key } = publishing;
    const id = ++this.#lastId;
    publishing.sentAt = performance.now();
    const command = { type: "publish", id, channel, key, data: null } as const;
    this.#asked.set(id, { command, publishing });
    this.#wire?.send(`{"type":"publish","id":${id},"channel":"${channel}","key":"${key}","data":${text}}`);
  }

  #subscribe(following: Following): void {
    const { channel, position } = following;
    following.isAsked = true;
    this.#send({
      type: "subscribe",
      id: ++this.#lastId,
      channel,
      ...(position === undefined ? { last: 3 } : { since: position }),
    });
  }

  #stopOne(): void {
    const one = this.#world.random.pick([...this.#following.values()]);
    // Over datagrams what is still under way cannot be told from what was asked for later.
    if (one === undefined || !one.isFlowing || this.transport === "udp") return;
    this.#following.delete(one.channel);
    this.#world.write({ type: "ended", sub: one.sub });
    this.#send({ type: "unsubscribe", id: ++this.#lastId, channel: one.channel });
  }

  #send(command: Command & { readonly id: number }): void {
    this.#asked.set(command.id, { command });
    this.#wire?.send(JSON.stringify(command));
  }

  #received(text: string): void {
    if (this.isGone) return;
    const message = JSON.parse(text) as ServerMessage;
    switch (message.type) {
      case "connected":
        return this.#connected();
      case "published":
        return this.#published(message.id, message.epoch, message.offset);
      case "error":
        return this.#failed(message.id, message.code);
      case "subscribed":
        return this.#subscribed(message);
      case "publication": {
        const following = this.#following.get(message.channel);
        if (following?.position === undefined) return;
        const { sub } = following;
        const { epoch } = following.position;
        const { offset, data } = message;
        if ((message.epoch ?? epoch) !== epoch) {
          following.isAsked = false; // It is of another log, of which the news was lost.
          return;
        }
        if (!this.#isDue(following, offset)) return;
        following.position = { epoch, offset };
        const sent = this.#world.texts.of(data as Json, text);
        return this.#write({ type: "publication", sub, epoch, offset, text: sent });
      }
      case "gap": {
        const following = this.#following.get(message.channel);
        if (following?.position === undefined) return;
        if (message.reset === true) this.#reset(following, message.epoch, message.to);
        else this.#gap(following, message.epoch, message.from, message.to);
        return;
      }
      case "unsubscribed": {
        const following = this.#following.get(message.channel);
        if (following !== undefined && message.id === undefined) following.isAsked = false;
        return;
      }
      default:
    }
  }

  /** Over a stream everything is due; a datagram may be one of an earlier subscription, or behind a hole. */
  #isDue(following: Following, offset: number): boolean {
    const next = (following.position?.offset ?? 0) + 1;
    if (this.transport === "tcp") return following.isFlowing;
    if (offset > next) following.isAsked = false;
    return offset === next;
  }

  #published(id: number | undefined, epoch: string, offset: number): void {
    const publishing = this.#asked.get(id ?? 0)?.publishing;
    if (publishing === undefined || !this.#publishing.delete(publishing.id)) return;
    this.#write({ type: "acked", id: publishing.id, epoch, offset });
    const { channel, text, key } = publishing;
    if (this.#world.random.chance(0.05)) this.#begin(channel, { text, key });
  }

  #failed(id: number | undefined, code: string): void {
    if (code === "already_connected") this.#connected(); // The answer to the first one was lost.
    if (code === "unknown_session") this.#expired();
    const asked = this.#asked.get(id ?? 0);
    const isTemporary = ["unavailable", "rate_limited", "limit_reached", "unknown_session"].includes(code);
    const { command, publishing } = asked ?? {};
    if (command?.type === "subscribe") {
      const following = this.#following.get(command.channel);
      if (following !== undefined && isTemporary) following.isAsked = false;
    }
    if (publishing === undefined) return;
    if (isTemporary) publishing.sentAt = undefined;
    else if (this.#publishing.delete(publishing.id)) this.#write({ type: "failed", id: publishing.id, code });
  }

  #subscribed({ id, channel, epoch, offset, recovered, reset, gap }: Subscribed): void {
    const following = this.#following.get(channel);
    const command = this.#asked.get(id ?? 0)?.command;
    if (following === undefined || command?.type !== "subscribe") return;
    const { sub, position } = following;
    following.isFlowing = true;
    const { since } = command;
    if (since === undefined) {
      if (position === undefined) {
        following.position = { epoch, offset };
        this.#write({ type: "position", sub, position: following.position });
      }
      return;
    }
    // It went on meanwhile: the answer is about what was before.
    const isNow = position?.epoch === since.epoch && position.offset === since.offset;
    if (reset === true) this.#reset(following, epoch, gap?.to ?? 0);
    else if (gap !== undefined) this.#gap(following, epoch, gap.from, gap.to);
    else if (isNow && recovered) this.#write({ type: "recovered", sub, since });
  }

  #reset(following: Following, epoch: string, to: number): void {
    const { sub, position: previous } = following;
    if (previous === undefined || (this.transport === "udp" && previous.epoch === epoch)) return;
    following.position = { epoch, offset: 0 };
    this.#write({ type: "gap", sub, gap: { reset: true, epoch, previous } });
    if (to > 0) this.#gap(following, epoch, 1, to);
  }

  #gap(following: Following, epoch: string, from: number, to: number): void {
    const { sub, position } = following;
    const next = (position?.offset ?? 0) + 1;
    if (this.transport === "udp") {
      if (epoch !== position?.epoch || to < next) return;
      if (from > next) {
        following.isAsked = false;
        return;
      }
    }
    const begin = this.transport === "udp" ? next : from;
    following.position = { epoch, offset: to };
    this.#write({ type: "gap", sub, gap: { reset: false, epoch, from: begin, to } });
  }

  #write(said: Said): void {
    if (!this.isGone) this.#world.write(said);
  }
}
