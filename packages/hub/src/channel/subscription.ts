import { encodeServerMessage, type ErrorCode, type GapPush } from "@zocalo/protocol";
import type { Cast } from "./cast.ts";
import type { CastReceiver } from "./cast-feed.ts";
import type { Channel } from "./channel.ts";
import { costOfPublications } from "./costs.ts";
import { withEpoch } from "./datagram-form.ts";
import type { Clock, Timer } from "../primitives/clock.ts";
import type { Engine } from "../engine/engine.ts";
import type { Lane } from "./lane.ts";
import type { Subscriber } from "./live-feed.ts";
import type { PresenceWatcher, ToldChanges } from "./presence-feed.ts";
import type { Sender } from "./sender.ts";
import type { SharedMessage } from "./shared-message.ts";
import type { Reader, SharedPage } from "./shared-page.ts";
import type { Counters } from "./stats.ts";

/** How often a read that fails is tried, and the delay after the first failure, which doubles each time. */
const READ_TRIES = 6;
const RETRY_MS = 50;

/** What a subscription needs of its session and hub. */
export interface SubscriptionHost extends Reader {
  /** True where messages may be lost. */
  readonly isDatagram: boolean;
  readonly sender: Sender;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly counters: Counters;
  report(error: unknown): void;
  /**
   * Counts what a command costs beside being one (`COST` of the protocol). Known when it is done, so it
   * is the next ones that wait.
   */
  charge(cost: number): void;
  /** Counts a message that the connection has taken. */
  sent(length: number, bytes: number): void;
  /** What is of this moment goes to the peer this way. */
  readonly lane: Lane;
  /** The log cannot be read: ends the subscription and tells the peer why. */
  fail(subscription: Subscription, code: ErrorCode, message: string): void;
}

/**
 * - `starting`: not answered yet
 * - `live`: at the head, in the channel's live feed
 * - `reading`: behind, a page of the log is on its way
 * - `waiting`: for room in the send buffer; wherever it stands, `resume` goes on from there
 */
type State = "starting" | "live" | "reading" | "waiting" | "ended";

/**
 * A position in a channel's log that moves to the head as fast as its peer reads.
 *
 * There is one rule: the next message is what stands at `offset + 1`, or the gap that is there instead, and
 * the position moves when the connection has taken it. Resuming, falling behind and being live are all this
 * rule.
 */
export class Subscription implements Subscriber, PresenceWatcher, CastReceiver {
  readonly channel: Channel;
  readonly #host: SubscriptionHost;
  readonly #conn: Sender;
  readonly #pageSize: number;
  /** Publications in the next page: about as many as the connection takes at once, if it is not full. */
  #limit: number;
  liveIndex = -1;
  castIndex = -1;
  /** True once the engine may count this connection as present in the channel. */
  isPresent = false;
  #state: State = "starting";
  #epoch = "";
  #offset = 0;
  #retry: Timer | undefined;
  #presenceVersion = 0;
  #missesPresence = false;

  /** @param pageSize how many publications are read from the log at once */
  constructor(channel: Channel, host: SubscriptionHost, pageSize: number) {
    this.channel = channel;
    this.#pageSize = pageSize;
    this.#limit = pageSize;
    this.#host = host;
    this.#conn = host.sender;
  }

  get offset(): number {
    return this.#offset;
  }

  get hasEnded(): boolean {
    return this.#state === "ended";
  }

  /** Begins the flow after this position; `page` is what has been read from there already, if anything. */
  start(epoch: string, offset: number, page: SharedPage | undefined): void {
    if (this.#state !== "starting") return;
    this.#epoch = epoch;
    this.#offset = offset;
    this.#state = "reading";
    this.channel.casts.join(this);
    if (page && !this.#offerPage(page)) return;
    this.readLog();
  }

  /**
   * Begins the flow of presence after this version.
   *
   * @param gathers has what happens in one turn in one message
   */
  watchPresence(version: number, gathers: boolean): void {
    if (this.hasEnded) return;
    this.#presenceVersion = version;
    this.channel.presence.watch(this, gathers);
    this.#catchUpPresence();
  }

  /** Hot path. */
  offer(shared: SharedMessage, offset: number): boolean {
    const message = this.#host.isDatagram ? withEpoch(shared, this.#epoch) : shared;
    const outcome = this.#conn.trySend(message);
    if (outcome === "sent") {
      this.#offset = offset;
      return true;
    }
    this.channel.live.leave(this);
    this.#host.counters.fellBehind++;
    if (outcome === "buffered") {
      this.#offset = offset;
      this.#state = "waiting";
      return true;
    }
    if (this.#refused(message, offset)) this.readLog();
    return false;
  }

  /** There is room in the send buffer again. */
  resume(): void {
    if (this.#state === "waiting") this.readLog();
    if (this.#missesPresence) this.#catchUpPresence();
  }

  /** Goes live if this is the head, and otherwise reads what is missing. */
  readLog(): void {
    if (this.hasEnded) return;
    this.channel.live.leave(this);
    if (this.#isAtHead) {
      this.#state = "live";
      this.channel.live.join(this);
      return;
    }
    this.#state = "reading";
    void this.#read(1);
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#state = "ended";
    this.channel.live.leave(this);
    this.channel.casts.leave(this);
    this.channel.presence.unwatch(this);
    this.#retry?.cancel();
  }

  get #isAtHead(): boolean {
    return this.#epoch === this.channel.epoch && this.#offset >= this.channel.head;
  }

  async #read(attempt: number): Promise<void> {
    let page: SharedPage | undefined;
    const isWanted = (): boolean => this.#state === "reading";
    try {
      page = await this.channel.read(this.#offset, this.#limit, attempt, this.#host, isWanted);
    } catch (error) {
      this.#readFailed(attempt, error);
      return;
    }
    if (page === undefined || !isWanted()) return;
    const before = this.#offset;
    const epoch = this.#epoch;
    if (!this.#offerPage(page)) return;
    if (this.#isAtHead || this.#offset !== before || this.#epoch !== epoch) {
      this.readLog();
      return;
    }
    this.#readFailed(
      attempt,
      new Error(`${this.channel.name}: the engine told of ${this.channel.head} and reads ${page.page.head}`),
    );
  }

  #readFailed(attempt: number, error: unknown): void {
    if (this.#state !== "reading") return;
    if (attempt === 1 || attempt === READ_TRIES) this.#host.report(error);
    if (attempt === READ_TRIES) {
      this.#host.fail(this, "unavailable", "the log cannot be read now; subscribe again since your position");
      return;
    }
    this.#retry = this.#host.clock.after(RETRY_MS * 2 ** (attempt - 1), () => void this.#read(attempt + 1));
  }

  /** Hands over a page; false if it has to stop and wait. */
  #offerPage(shared: SharedPage): boolean {
    const { page } = shared;
    this.#host.charge(costOfPublications(page.publications.length));
    if (page.epoch !== this.#epoch) {
      // The page was read after a position in another log: only its state is of use.
      return this.#tell({ from: 1, to: page.oldest - 1, epoch: page.epoch, reset: true });
    }
    const next = page.publications[0]?.offset ?? page.head + 1;
    if (next > this.#offset + 1) {
      const isTold = this.#tell({ from: this.#offset + 1, to: next - 1, epoch: this.#epoch });
      if (!isTold) return false;
    }
    for (const [index, { offset }] of page.publications.entries()) {
      const shown = offset <= this.#offset ? undefined : shared.message(index);
      if (!shown) continue;
      const message = this.#host.isDatagram ? withEpoch(shown, this.#epoch) : shown;
      const outcome = this.#conn.trySend(message);
      if (outcome === "refused") {
        if (!this.#refused(message, offset)) return this.#fullAfter(index);
        continue;
      }
      this.#offset = offset;
      this.#host.counters.delivered++;
      this.#host.sent(message.length, message.bytes);
      if (outcome === "buffered") {
        this.#wait();
        return this.#fullAfter(index + 1);
      }
    }
    this.#limit = Math.min(this.#pageSize, 2 * this.#limit);
    return true;
  }

  /**
   * It took so many of a page. A page of the largest publications is megabytes, and would be read anew for
   * each two of them.
   */
  #fullAfter(count: number): false {
    const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, count) * 2)); // few sizes, so that pages are shared
    this.#limit = Math.min(this.#pageSize, wanted);
    return false;
  }

  /**
   * A publication that was refused: waits for room, unless it can never fit. True if the flow goes on after
   * it.
   */
  #refused(message: SharedMessage, offset: number): boolean {
    if (this.#conn.canSend(message)) return this.#wait();
    return this.#tell({ from: offset, to: offset, epoch: this.#epoch });
  }

  /** Tells of a gap and moves past it. True if the flow goes on after it. */
  #tell(gap: Pick<GapPush, "from" | "to" | "epoch" | "reset">): boolean {
    const outcome = this.#conn.trySend(
      encodeServerMessage({ type: "gap", channel: this.channel.name, ...gap }),
    );
    if (outcome === "refused") return this.#wait();
    this.#epoch = gap.epoch;
    this.#offset = gap.to;
    this.#host.counters.gaps++;
    return outcome === "sent" ? true : this.#wait();
  }

  #wait(): false {
    if (!this.hasEnded) this.#state = "waiting";
    return false;
  }

  /** Hot path. */
  offerCast(cast: Cast): boolean {
    if (cast.from === this.#host) return false;
    this.#host.lane.offer(cast);
    return true;
  }

  /** Hands over changes of presence, or remembers that it could not. */
  offerPresence({ version, message }: ToldChanges): void {
    if (version <= this.#presenceVersion) return;
    this.#missesPresence = this.#conn.trySend(message) === "refused";
    if (!this.#missesPresence) this.#presenceVersion = version;
    else if (!this.#conn.canSend(message)) this.#catchUpPresence();
  }

  /**
   * Tells of the newest change. If it is not the next one, its version says so and the peer asks who is
   * there.
   */
  #catchUpPresence(): void {
    const newest = this.channel.presence.newestFor(this);
    if (newest === undefined || newest.version <= this.#presenceVersion) return;
    this.#missesPresence = this.#conn.trySend(newest.message) === "refused";
    if (!this.#missesPresence) this.#presenceVersion = newest.version;
  }
}
