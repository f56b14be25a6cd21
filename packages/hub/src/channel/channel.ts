import type { StoredPublication } from "@zocalo/protocol";
import type { Backlog } from "./backlog.ts";
import { CastFeed } from "./cast-feed.ts";
import type { Clock } from "../primitives/clock.ts";
import type { Engine, LogState } from "../engine/engine.ts";
import { FanOut } from "./fan-out.ts";
import { LiveFeed } from "./live-feed.ts";
import { PresenceFeed } from "./presence-feed.ts";
import { bytesOf, PublicationMessage } from "./shared-message.ts";
import { SharedAnswers } from "./shared-answers.ts";
import { type Reader, SharedPage } from "./shared-page.ts";
import type { Counters } from "./stats.ts";

/** Most bytes of pages that are kept to be given again, about. */
const MAX_PAGES_BYTES = 67_108_864;

/**
 * A channel that somebody here is subscribed to: follows the head of its log and hands what is new to those
 * who are live.
 */
export class Channel {
  readonly name: string;
  /**
   * Rejects when the engine could not open it; whoever acquired it then has to release it and may try again.
   */
  readonly opened: Promise<void>;
  readonly #engine: Engine;
  /** Who is told of those who come and go. */
  readonly presence: PresenceFeed;
  /** Of all channels, for those who catch up. */
  readonly #pages: SharedAnswers<SharedPage>;
  /** Those at the head. */
  readonly live: LiveFeed;
  /** Those who are told what is cast. */
  readonly casts: CastFeed;
  #epoch = "";
  #head = 0;
  #acknowledged = 0;

  constructor(
    name: string,
    engine: Engine,
    live: LiveFeed,
    casts: CastFeed,
    presence: PresenceFeed,
    pages: SharedAnswers<SharedPage>,
  ) {
    this.name = name;
    this.#pages = pages;
    this.#engine = engine;
    this.live = live;
    this.casts = casts;
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
  acknowledged(epoch: string, offset: number): void {
    if (epoch !== this.#epoch) return; // The log was replaced meanwhile.
    this.#acknowledged = Math.max(this.#acknowledged, offset);
  }

  /** Hot path. Guarded by `npm run bench -- fan-out`. */
  publication(epoch: string, publication: StoredPublication): void {
    const { offset, data } = publication;
    if (epoch !== this.#epoch) {
      this.replaced({ epoch, head: offset, oldest: offset });
      return;
    }
    if (offset <= this.#head) return;
    const isNext = offset === this.#head + 1;
    this.#head = offset;
    if (this.live.size === 0) return;
    // The engine's feed skipped something: the log has it.
    if (!isNext) this.live.sendToLog();
    else {
      this.live.tell(new PublicationMessage(this.name, publication), offset, bytesOf(data));
    }
  }

  /** The log is another one now. */
  replaced({ epoch, head }: LogState): void {
    this.#epoch = epoch;
    this.#head = head;
    this.#acknowledged = 0;
    this.live.sendToLog();
  }

  /**
   * A page of its log, in turn with others of the same address; at once if it is known. A crowd that comes
   * back shares one: it is read anew when something is new in the log.
   *
   * @param after the offset before it
   * @param limit publications in it
   * @param attempt more than 1: what was read before was of no use
   * @returns nothing, without having read, if it is not wanted any more when its turn comes
   */
  async read(
    after: number,
    limit: number,
    attempt: number,
    { whose, context }: Reader,
    isWanted: () => boolean,
  ): Promise<SharedPage | undefined> {
    const question = `${this.name} ${after} ${limit} ${attempt}`;
    const known = this.#pages.known(question, this.#state);
    if (known) return known;
    const read = async (): Promise<SharedPage> =>
      new SharedPage(this.name, await this.#engine.read(this.name, after, limit));
    return context.reads.run(whose, async () =>
      isWanted() ? this.#pages.get(question, this.#state, read) : undefined,
    );
  }

  /** Of the log, as far as it is known here. */
  get #state(): string {
    return `${this.#epoch} ${this.newest}`;
  }

  async #open(): Promise<void> {
    const state = await this.#engine.open(this.name);
    // Publications may have been told of already while this was on its way.
    if (this.#epoch === "") this.#epoch = state.epoch;
    if (this.#epoch === state.epoch) this.#head = Math.max(this.#head, state.head);
  }
}

/** The channels that are in use, each opened once and released with its last user. */
export class Channels {
  readonly #engine: Engine;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #maxPresenceBytes: number;
  readonly #backlog: Backlog;
  /** Shares each turn among what is new. */
  readonly #fanOut: FanOut;
  readonly #pages: SharedAnswers<SharedPage>;
  readonly #inUse = new Map<string, { readonly channel: Channel; uses: number }>();

  /** @param maxPresenceBytes of one message of changes */
  constructor(engine: Engine, counters: Counters, clock: Clock, maxPresenceBytes: number, backlog: Backlog) {
    this.#backlog = backlog;
    this.#fanOut = new FanOut(clock);
    this.#pages = new SharedAnswers(clock, ({ bytes }) => bytes, MAX_PAGES_BYTES);
    this.#engine = engine;
    this.#counters = counters;
    this.#clock = clock;
    this.#maxPresenceBytes = maxPresenceBytes;
  }

  /** Who has its turn beside the channels. */
  get fanOut(): FanOut {
    return this.#fanOut;
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
      const live = new LiveFeed(this.#fanOut, this.#counters, this.#backlog);
      const casts = new CastFeed(this.#fanOut, this.#counters, this.#backlog);
      const channel = new Channel(name, this.#engine, live, casts, presence, this.#pages);
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
