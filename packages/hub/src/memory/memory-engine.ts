import { ProtocolError } from "@zocalo/protocol";
import { type Clock, systemClock, type Timer } from "../primitives/clock.ts";
import type {
  Committed,
  Engine,
  EngineListener,
  LogPage,
  LogState,
  Member,
  NewPublication,
  PresentPage,
  Retention,
} from "../engine/engine.ts";
import { keyBytes, MemoryLog } from "./memory-log.ts";
import { MemoryShare } from "./memory-share.ts";
import { PresenceByChannel } from "../engine/presence.ts";
import { Recency, type RecencyEntry } from "../primitives/recency.ts";
import { type Random, randomName, systemRandom } from "../primitives/random.ts";

/** What a `MemoryEngine` may hold. */
export interface MemoryEngineOptions {
  /**
   * Channels at once. At the limit those that nobody has open, and that have no key whose time is not over,
   * are forgotten with what they hold: first those that hold nothing, then those that were published to
   * longest ago, until a twentieth is free. A subscriber who comes back to a forgotten one is told `reset`.
   * If there are none, a new channel is answered `limit_reached`. Default 100,000.
   */
  readonly maxChannels?: number;
  /**
   * Channels that one address began by publishing in them first. At the limit its own that was used longest
   * ago is forgotten, of those that nobody has open and that have no key whose time is not over; if there is
   * none, a publication in a new channel is answered `limit_reached`. Default 10,000.
   */
  readonly maxChannelsPerAddress?: number;
  /**
   * Idempotency keys known for each channel. At the limit a publication with another one is answered
   * `limit_reached`, until the time of some is over: none is forgotten before. So it is, too, when keys take
   * half of `maxBytes`, or those of one address half of `maxBytesPerAddress`. Default 1,000,000.
   */
  readonly maxKeysPerChannel?: number;
  /**
   * What all logs together may hold, in bytes (estimated). Past it the channels that were published to
   * longest ago lose their oldest publications until a twentieth is free. Default 128 MiB. The process takes
   * more: V8 collects what was dropped only now and then, so that 2 GB published without a pause made it grow
   * to 0.7 GB with 128 MiB, and to 1.3 GB with 256.
   */
  readonly maxBytes?: number;
  /**
   * How much of `maxBytes` the publications and keys of one address may take, in whichever channels. Past it
   * its own publications go that are the oldest of their channel, about in the order in which their channels
   * were published to. If it has none, what it publishes takes the place of as many bytes in that channel,
   * oldest first, whoever published them. Other channels lose nothing that somebody else published. Default
   * 32 MiB.
   */
  readonly maxBytesPerAddress?: number;
  /**
   * How often what is past its time is thrown away where nobody publishes or reads, in milliseconds. Default
   * 30,000.
   */
  readonly sweepMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Used where `MemoryEngineOptions` leaves a field out. */
export const defaultMemoryEngineOptions = {
  maxChannels: 100_000,
  maxChannelsPerAddress: 10_000,
  maxKeysPerChannel: 1_000_000,
  maxBytes: 128 * 1024 * 1024,
  maxBytesPerAddress: 32 * 1024 * 1024,
  sweepMs: 30_000,
} as const;

/** How full it is, of `maxBytes` or `maxChannels`, after it was too full. */
const FILL_AFTER_MAKING_ROOM = 0.95;

/** How much of what may be held may be keys, which cannot be dropped to make room. */
const KEY_SHARE = 0.5;

/** Keeps everything in this process; what it knows ends with it. */
export class MemoryEngine implements Engine {
  readonly durability = "memory";
  readonly #maxChannels: number;
  readonly #maxChannelsPerAddress: number;
  readonly #maxBytesPerAddress: number;
  readonly #maxKeys: number;
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #sweep: Timer;
  readonly #name: string;
  /** Raised when a log that had offsets is forgotten, so that no epoch ever names two logs of a channel. */
  #generation = 0;
  readonly #logs = new Map<string, RecencyEntry<MemoryLog>>();
  /** By when they were published to. */
  readonly #recency = new Recency<MemoryLog>();
  readonly #open = new Set<string>();
  readonly #shares = new Map<string, MemoryShare>();
  readonly #presence: PresenceByChannel;
  /**
   * False after a search that found nothing to forget, until the next sweep: a search looks at every log.
   */
  #mayForget = true;
  #weight = 0;
  readonly #keys = { bytes: 0 };
  #listener: EngineListener | undefined;
  #isClosed = false;

  constructor(options: MemoryEngineOptions = {}) {
    const limit = (name: keyof typeof defaultMemoryEngineOptions): number =>
      options[name] ?? defaultMemoryEngineOptions[name];
    this.#maxChannels = limit("maxChannels");
    this.#maxChannelsPerAddress = limit("maxChannelsPerAddress");
    this.#maxKeys = limit("maxKeysPerChannel");
    this.#maxBytes = limit("maxBytes");
    this.#maxBytesPerAddress = limit("maxBytesPerAddress");
    this.#clock = options.clock ?? systemClock;
    this.#name = randomName(options.random ?? systemRandom, 12);
    this.#presence = new PresenceByChannel((channel, event) => this.#listener?.presence(channel, event));
    this.#sweep = this.#sweepEvery(limit("sweepMs"));
  }

  /** Channels it holds something of, or has open. */
  get channels(): number {
    return this.#logs.size;
  }

  /** True if a new channel would be refused, as all there may be are open. */
  get isFull(): boolean {
    return this.#logs.size >= this.#maxChannels && this.#open.size >= this.#maxChannels;
  }

  get trouble(): string | undefined {
    return this.isFull ? `full: ${this.channels} channels are in use` : undefined;
  }

  /** What all logs hold, in bytes (estimated). */
  get bytes(): number {
    return this.#weight;
  }

  start(listener: EngineListener): void {
    if (this.#listener) throw new Error("this engine serves a hub already");
    this.#listener = listener;
  }

  // Each method does its work before it returns, so that calls take effect in call order; `async` turns
  // throws into rejections.

  async publish(channel: string, publication: NewPublication, retention: Retention): Promise<Committed> {
    this.#checkOpen();
    const now = { wall: this.#clock.wall(), uptime: this.#clock.uptime() };
    const { address, key } = publication;
    const known = key === undefined ? undefined : this.#find(channel, key, now.uptime);
    if (known) return known;
    if (key !== undefined && retention.keyTtlMs > 0) this.#checkRoomForKey(channel, key, address);
    const entry = this.#entry(channel);
    const log = entry.value;
    if (log.head === 0 && !log.share && address !== undefined) this.#assign(entry, address);
    const before = log.weight;
    const holder = address === undefined ? undefined : this.#share(address);
    const added = log.append(publication, holder, retention, now);
    this.#weighed(log, before);
    this.#recency.touch(entry);
    log.share?.used(log);
    if (holder && holder.weight > this.#maxBytesPerAddress) this.#makeRoomFor(holder, log, before);
    if (this.#weight > this.#maxBytes) this.#makeRoom();
    const committed = { epoch: log.epoch, offset: added.offset, at: added.at, duplicate: false };
    if (this.#open.has(channel)) this.#listener?.publication(channel, log.epoch, added);
    return committed;
  }

  async read(channel: string, after: number, limit: number): Promise<LogPage> {
    this.#checkOpen();
    const log = this.#logs.get(channel)?.value;
    if (!log) return { ...this.#nothing(), publications: [] };
    this.#trim(log);
    return log.page(after, limit);
  }

  async open(channel: string): Promise<LogState> {
    this.#checkOpen();
    const log = this.#entry(channel).value;
    this.#open.add(channel);
    log.share?.opened(log);
    this.#trim(log);
    return { epoch: log.epoch, head: log.head, oldest: log.oldest };
  }

  release(channel: string): void {
    this.#open.delete(channel);
    const entry = this.#logs.get(channel);
    // One that never held anything leaves no trace: the next log of this name is the same one.
    if (entry?.value.head === 0) this.#forget(channel, entry);
    else entry?.value.share?.closed(entry.value);
  }

  async join(channel: string, member: Member): Promise<void> {
    this.#checkOpen();
    this.#presence.join(channel, member);
  }

  async leave(channel: string, session: string): Promise<void> {
    this.#presence.leave(channel, session);
  }

  async present(channel: string, after: number, limit: number): Promise<PresentPage> {
    this.#checkOpen();
    return this.#presence.page(channel, after, limit);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#sweep.cancel();
    this.#logs.clear();
    this.#shares.clear();
    this.#presence.clear();
    this.#weight = 0;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new Error("the engine is closed");
  }

  #nothing(): LogState {
    return { epoch: `${this.#name}-${this.#generation}`, head: 0, oldest: 1 };
  }

  #forget(channel: string, entry: RecencyEntry<MemoryLog>): void {
    const log = entry.value;
    this.#weight -= log.weight;
    this.#logs.delete(channel);
    this.#recency.remove(entry);
    log.clear(); // others may hold something of it
    log.share?.drop(log);
  }

  /** What the log holds has changed. */
  #weighed(log: MemoryLog, before: number): void {
    this.#weight += log.weight - before;
  }

  #find(channel: string, key: string, uptime: number): Committed | undefined {
    const log = this.#logs.get(channel)?.value;
    if (!log) return undefined;
    const before = log.weight;
    const known = log.find(key, uptime);
    this.#weighed(log, before); // what it forgot: what is published next may throw
    return known;
  }

  /** A key is known for its time, so one that could not be is not taken. */
  #checkRoomForKey(channel: string, key: string, address: string | undefined): void {
    const share = address === undefined ? undefined : this.#shares.get(address);
    const bytes = keyBytes(key);
    const isFull =
      (this.#logs.get(channel)?.value.keys ?? 0) >= this.#maxKeys ||
      this.#keys.bytes + bytes > this.#maxBytes * KEY_SHARE ||
      (share?.keyWeight ?? 0) + bytes > this.#maxBytesPerAddress * KEY_SHARE;
    if (!isFull) return;
    throw new ProtocolError(
      "limit_reached",
      "as many keys are known as may be; publish when the time of some is over, or without a key",
    );
  }

  #share(address: string): MemoryShare {
    return this.#shares.get(address) ?? new MemoryShare(address, this.#shares);
  }

  /** A log that begins counts for the address that begins it. */
  #assign(entry: RecencyEntry<MemoryLog>, address: string): void {
    const log = entry.value;
    const isOpen = this.#open.has(log.channel);
    const share = this.#share(address);
    if (share.count >= this.#maxChannelsPerAddress && !this.#forgetOldestOf(share)) {
      if (!isOpen) this.#forget(log.channel, entry);
      throw new ProtocolError(
        "limit_reached",
        `this server keeps at most ${this.#maxChannelsPerAddress} channels that one address began`,
      );
    }
    share.take(log, isOpen);
  }

  /** False if all of them are open, or have keys. */
  #forgetOldestOf(share: MemoryShare): boolean {
    const oldest = share.oldest((log) => this.#trim(log));
    const entry = oldest && this.#logs.get(oldest.channel);
    if (!entry) return false;
    this.#forget(oldest.channel, entry);
    this.#generation++;
    return true;
  }

  #entry(channel: string): RecencyEntry<MemoryLog> {
    const known = this.#logs.get(channel);
    if (known) return known;
    if (this.#logs.size >= this.#maxChannels && this.#mayForget) this.#forgetIdle();
    if (this.#logs.size >= this.#maxChannels) {
      throw new ProtocolError("limit_reached", `this server keeps at most ${this.#maxChannels} channels`);
    }
    const entry = this.#recency.add(new MemoryLog(channel, this.#nothing().epoch, this.#keys));
    this.#logs.set(channel, entry);
    return entry;
  }

  #trim(log: MemoryLog): void {
    const before = log.weight;
    log.trim(this.#clock.uptime());
    this.#weighed(log, before);
  }

  #forgetIdle(): void {
    let hadOffsets = false;
    for (const [channel, entry] of this.#logs) {
      const { isEmpty, head } = entry.value;
      if (!isEmpty || this.#open.has(channel)) continue;
      hadOffsets ||= head > 0;
      this.#forget(channel, entry);
    }
    if (this.#logs.size >= this.#maxChannels) hadOffsets = this.#forgetOldest() || hadOffsets;
    if (hadOffsets) this.#generation++;
    this.#mayForget = this.#logs.size < this.#maxChannels;
  }

  /** Forgets what was published to longest ago, with what it holds; true if there was any. */
  #forgetOldest(): boolean {
    // Some more than is needed, so that not every new channel looks for what to forget.
    const most = Math.floor(this.#maxChannels * FILL_AFTER_MAKING_ROOM);
    let hasForgotten = false;
    for (const { channel } of this.#recency) {
      if (this.#logs.size <= most && hasForgotten) break;
      const entry = this.#logs.get(channel);
      if (!entry || this.#open.has(channel)) continue;
      this.#trim(entry.value);
      if (entry.value.keys > 0) continue;
      this.#forget(channel, entry);
      hasForgotten = true;
    }
    return hasForgotten;
  }

  #makeRoom(): void {
    // Some more than is needed, so that not every publish looks for what to drop.
    const most = this.#maxBytes * FILL_AFTER_MAKING_ROOM;
    for (const log of this.#recency) {
      this.#drop(log, () => this.#weight > most);
      if (this.#weight <= most) return;
    }
  }

  /**
   * What stands behind publications of others stays: else a small one, published at the right time in each of
   * many channels, would later drive out all that is older in them. If nothing else is left, what is added
   * takes the place of as many bytes in its log.
   *
   * @param before what this log held before
   */
  #makeRoomFor(share: MemoryShare, published: MemoryLog, before: number): void {
    const most = this.#maxBytesPerAddress * FILL_AFTER_MAKING_ROOM;
    for (const log of share.droppable) {
      this.#drop(log, () => share.weight > most && log.isNextOf(share));
      if (share.weight <= most) return;
    }
    if (share.weight > this.#maxBytesPerAddress) this.#drop(published, () => published.weight > before);
  }

  /** Drops its oldest publications while there is too much. */
  #drop(log: MemoryLog, isTooMuch: () => boolean): void {
    let before = log.weight;
    while (isTooMuch() && log.dropOldest()) {
      this.#weighed(log, before);
      before = log.weight;
    }
  }

  #sweepEvery(periodMs: number): Timer {
    let timer: Timer;
    const next = (): Timer =>
      this.#clock.after(periodMs, () => {
        for (const log of this.#recency) this.#trim(log);
        this.#mayForget = true;
        timer = next();
      });
    timer = next();
    return { cancel: () => timer.cancel() };
  }
}
