import { PreparedMessage } from "@zocalo/net";
import { encodePublication, type StoredPublication } from "@zocalo/protocol";
import type { Backlog } from "./backlog.ts";
import type { Clock, Timer } from "../primitives/clock.ts";
import { encodePresenceEvent } from "./encode.ts";
import type { Engine, LogState, PresenceEvent } from "../engine/engine.ts";
import { PageReader } from "./shared-page.ts";
import type { Counters } from "./stats.ts";
import { utf8Length } from "../primitives/utf8.ts";

/** A change of presence, encoded once for all who watch. */
export interface PresenceChange {
  readonly version: number;
  readonly message: PreparedMessage;
}

/** What a channel needs of each subscription. */
export interface Subscriber {
  /** Place in the channel's live list; -1: not in it. Only the channel changes it. */
  liveIndex: number;
  /** Hot path: hands over the publication at the head. False if it did not go out now. */
  offer(prepared: PreparedMessage, offset: number): boolean;
  /** Hands over a change of presence. */
  offerPresence(change: PresenceChange): void;
  /** Reads from the log what is missing, and goes live at the head. */
  readLog(): void;
}

/**
 * After a round of presence a channel rests a millisecond for so many watchers. A round is a write for each
 * of them, of 10 µs where little else runs and 60 where much does. Without a rest, those who come and go one
 * by one would make every turn such a round.
 */
const WATCHERS_PER_MS = 5;
/** The longest rest, in milliseconds. */
const MAX_PRESENCE_REST_MS = 1_000;
/**
 * Most changes that wait. Who come and go by many addresses can be more than a large crowd can be told of.
 * With one more only the newest is told: its version says that some are missing, and whoever wants to know
 * asks again.
 */
const MAX_WAITING_CHANGES = 1_000;
/** Most changes times watchers in one round: more would keep everybody else waiting. */
const MAX_DELIVERIES = 32_000;

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
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #backlog: Backlog;
  #epoch = "";
  #head = 0;
  #acknowledged = 0;
  #newestPresence: PresenceChange | undefined;
  /** Changes that wait for the next round, in the order of their versions. */
  #presenceToTell: PresenceChange[] = [];
  /** Set while presence rests after a round. */
  #presenceRest: Timer | undefined;
  #isTellingPresence = false;
  /** Those at the head. Each knows its own place here, so that leaving takes one step. */
  readonly #live: Subscriber[] = [];
  readonly #watchers = new Set<Subscriber>();

  constructor(name: string, engine: Engine, counters: Counters, clock: Clock, backlog: Backlog) {
    this.name = name;
    this.pages = new PageReader(name, engine);
    this.#backlog = backlog;
    this.#engine = engine;
    this.#counters = counters;
    this.#clock = clock;
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

  /** To how many a change of presence is. */
  get watcherCount(): number {
    return this.#watchers.size;
  }

  /** The newest change of presence that those who watch were told of. */
  get newestPresence(): PresenceChange | undefined {
    return this.#newestPresence;
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
    const text = encodePublication(this.name, publication);
    const prepared = new PreparedMessage(text);
    let delivered = 0;
    // Backwards, because whoever leaves is replaced by the last one, who has been served already.
    for (let index = live.length - 1; index >= 0; index--) {
      if (live[index]?.offer(prepared, offset) === true) delivered++;
    }
    this.#counters.delivered += delivered;
    this.#backlog.sent(delivered * utf8Length(text));
  }

  /** The log is another one now. */
  replaced({ epoch, head }: LogState): void {
    this.#epoch = epoch;
    this.#head = head;
    this.#acknowledged = 0;
    this.pages.forget();
    this.#sendAllToLog();
  }

  /** Tells those who watch at once or, where they are many and were just told of another, after the rest. */
  presence(event: PresenceEvent): void {
    const text = encodePresenceEvent(this.name, event);
    const message = new PreparedMessage(text);
    this.#backlog.sent(this.#watchers.size * utf8Length(text));
    if (this.#presenceToTell.length >= MAX_WAITING_CHANGES) this.#presenceToTell = [];
    this.#presenceToTell.push({ version: event.version, message });
    // Who ends while being told is news itself, and comes after what is being told.
    if (!this.#presenceRest && !this.#isTellingPresence) this.#tellPresence();
  }

  /** Nobody uses it any more. */
  end(): void {
    this.#presenceRest?.cancel();
    this.#presenceRest = undefined;
    this.#presenceToTell = [];
  }

  watch(subscription: Subscriber): void {
    this.#watchers.add(subscription);
  }

  unwatch(subscription: Subscriber): void {
    this.#watchers.delete(subscription);
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

  /** A round: what is told in one turn leaves in one write for each watcher. */
  #tellPresence(): void {
    const count = Math.max(1, Math.floor(MAX_DELIVERIES / Math.max(1, this.#watchers.size)));
    this.#isTellingPresence = true;
    try {
      for (const change of this.#presenceToTell.splice(0, count)) {
        this.#newestPresence = change;
        for (const watcher of this.#watchers) watcher.offerPresence(change);
      }
    } finally {
      this.#isTellingPresence = false;
    }
    const isBehind = this.#presenceToTell.length > 0;
    const restMs = Math.min(MAX_PRESENCE_REST_MS, Math.floor(this.#watchers.size / WATCHERS_PER_MS));
    if (!isBehind && restMs === 0) return;
    // One that is behind only gives others their turn: else ever more would wait.
    this.#presenceRest = this.#clock.after(isBehind ? 1 : restMs, () => {
      this.#presenceRest = undefined;
      if (this.#presenceToTell.length > 0) this.#tellPresence();
    });
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
  readonly #backlog: Backlog;
  readonly #inUse = new Map<string, { readonly channel: Channel; uses: number }>();

  constructor(engine: Engine, counters: Counters, clock: Clock, backlog: Backlog) {
    this.#backlog = backlog;
    this.#engine = engine;
    this.#counters = counters;
    this.#clock = clock;
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
      entry = {
        channel: new Channel(name, this.#engine, this.#counters, this.#clock, this.#backlog),
        uses: 0,
      };
      this.#inUse.set(name, entry);
    }
    entry.uses++;
    return entry.channel;
  }

  release(channel: Channel): void {
    const entry = this.#inUse.get(channel.name);
    if (entry?.channel !== channel || --entry.uses > 0) return;
    this.#inUse.delete(channel.name);
    channel.end();
    this.#engine.release(channel.name);
  }
}
