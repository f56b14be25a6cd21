import type { StoredPublication } from "@zocalo/protocol";
import type { Backlog } from "./backlog.ts";
import type { Clock } from "../primitives/clock.ts";
import type { Engine, LogState } from "../engine/engine.ts";
import { PresenceFeed } from "./presence-feed.ts";
import { PublicationMessage, type SharedMessage } from "./shared-message.ts";
import { PageReader } from "./shared-page.ts";
import type { Counters } from "./stats.ts";

/** What a channel needs of each subscription. */
export interface Subscriber {
  /** Place in the channel's live list; -1: not in it. Only the channel changes it. */
  liveIndex: number;
  /** Hot path: hands over the publication at the head. False if it did not go out now. */
  offer(message: SharedMessage, offset: number): boolean;
  /** Reads from the log what is missing, and goes live at the head. */
  readLog(): void;
}

/**
 * A channel that somebody here is subscribed to: follows the head of its log and hands what is new to those
 * who are live.
 */
export class Channel {
  readonly name: string;
  /** Of its log, for those who catch up. */
  readonly pages: PageReader;
  /**
   * Rejects when the engine could not open it; whoever acquired it then has to release it and may try again.
   */
  readonly opened: Promise<void>;
  readonly #engine: Engine;
  /** Who is told of those who come and go. */
  readonly presence: PresenceFeed;
  readonly #counters: Counters;
  readonly #backlog: Backlog;
  #epoch = "";
  #head = 0;
  #acknowledged = 0;
  /** Those at the head. Each knows its own place here, so that leaving takes one step. */
  readonly #live: Subscriber[] = [];

  constructor(name: string, engine: Engine, counters: Counters, presence: PresenceFeed, backlog: Backlog) {
    this.name = name;
    this.pages = new PageReader(name, engine);
    this.#backlog = backlog;
    this.#engine = engine;
    this.#counters = counters;
    this.presence = presence;
    this.opened = this.#open();
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** The newest offset the engine told of. */
  get head(): number {
    return this.#head;
  }

  /** The newest offset that anybody here was told of, be it by an answer before the engine's news. */
  get newest(): number {
    return Math.max(this.#head, this.#acknowledged);
  }

  /** A publisher is told of this offset. */
  acknowledged(offset: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, offset);
  }

  /** To how many a publication is handed at once. */
  get liveCount(): number {
    return this.#live.length;
  }

  /**
   * Hot path: nothing is allocated for a subscriber. Guarded by `npm run bench -- fan-out`.
   * A subscriber may leave, or end, while it is served.
   */
  publication(epoch: string, publication: StoredPublication): void {
    const { offset } = publication;
    if (epoch !== this.#epoch) {
      this.replaced({ epoch, head: offset, oldest: offset });
      return;
    }
    if (offset <= this.#head) return;
    const isNext = offset === this.#head + 1;
    this.#head = offset;
    this.pages.forget();
    const live = this.#live;
    if (live.length === 0) return;
    if (!isNext) {
      this.#sendAllToLog(); // the engine's feed skipped something: the log has it
      return;
    }
    const message = new PublicationMessage(this.name, publication);
    let delivered = 0;
    // Backwards, because whoever leaves is replaced by the last one, who has been served already.
    for (let index = live.length - 1; index >= 0; index--) {
      if (live[index]?.offer(message, offset) === true) delivered++;
    }
    this.#counters.delivered += delivered;
    this.#backlog.sent(delivered * message.bytes);
  }

  /** The log is another one now. */
  replaced({ epoch, head }: LogState): void {
    this.#epoch = epoch;
    this.#head = head;
    this.#acknowledged = 0;
    this.pages.forget();
    this.#sendAllToLog();
  }

  /** Takes a subscription at the head into the live feed. */
  joinLive(subscription: Subscriber): void {
    subscription.liveIndex = this.#live.length;
    this.#live.push(subscription);
  }

  /** Takes it out again; nothing happens if it is not there. */
  leaveLive(subscription: Subscriber): void {
    const index = subscription.liveIndex;
    if (index < 0) return;
    subscription.liveIndex = -1;
    const last = this.#live.pop();
    if (last === undefined || last === subscription) return;
    this.#live[index] = last;
    last.liveIndex = index;
  }

  async #open(): Promise<void> {
    const state = await this.#engine.open(this.name);
    // Publications may have been told of already while this was on its way.
    if (this.#epoch === "") this.#epoch = state.epoch;
    if (this.#epoch === state.epoch) this.#head = Math.max(this.#head, state.head);
  }

  #sendAllToLog(): void {
    for (const subscription of this.#live.slice()) subscription.readLog();
  }
}

/** The channels that are in use, each opened once and released with its last user. */
export class Channels {
  readonly #engine: Engine;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #maxPresenceBytes: number;
  readonly #backlog: Backlog;
  readonly #inUse = new Map<string, { readonly channel: Channel; uses: number }>();

  /** @param maxPresenceBytes of one message of changes */
  constructor(engine: Engine, counters: Counters, clock: Clock, maxPresenceBytes: number, backlog: Backlog) {
    this.#backlog = backlog;
    this.#engine = engine;
    this.#counters = counters;
    this.#clock = clock;
    this.#maxPresenceBytes = maxPresenceBytes;
  }

  get size(): number {
    return this.#inUse.size;
  }

  get(name: string): Channel | undefined {
    return this.#inUse.get(name)?.channel;
  }

  /** To be paired with `release`. */
  acquire(name: string): Channel {
    let entry = this.#inUse.get(name);
    if (!entry) {
      const presence = new PresenceFeed(name, this.#clock, this.#maxPresenceBytes, this.#backlog);
      const channel = new Channel(name, this.#engine, this.#counters, presence, this.#backlog);
      entry = { channel, uses: 0 };
      this.#inUse.set(name, entry);
    }
    entry.uses++;
    return entry.channel;
  }

  release(channel: Channel): void {
    const entry = this.#inUse.get(channel.name);
    if (entry?.channel !== channel || --entry.uses > 0) return;
    this.#inUse.delete(channel.name);
    channel.presence.end();
    this.#engine.release(channel.name);
  }
}
