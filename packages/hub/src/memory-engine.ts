import { ProtocolError } from "@zocalo/protocol";
import { type Clock, systemClock, type Timer } from "./clock.ts";
import type {
  Committed,
  Engine,
  EngineListener,
  LogPage,
  LogState,
  Member,
  NewPublication,
  PresenceState,
  Retention,
} from "./engine.ts";
import { MemoryLog } from "./memory-log.ts";
import { Presence } from "./presence.ts";
import { Recency, type RecencyEntry } from "./recency.ts";
import { type Random, randomName, systemRandom } from "./random.ts";

/** What a `MemoryEngine` may hold. */
export interface MemoryEngineOptions {
  /**
   * Channels at once. At the limit those that nobody has open are forgotten with what they hold: first those that hold nothing,
   * then those that were published to longest ago, until a twentieth is free. A subscriber who comes back to a forgotten one is told
   * `reset`. If all are open, a new channel is answered `limit_reached`. Default 100,000.
   */
  readonly maxChannels?: number;
  /** Idempotency keys known for each channel; the oldest go first. Default 10,000. */
  readonly maxKeysPerChannel?: number;
  /**
   * What all logs together may hold, in bytes (estimated). Past it the channels that were published to longest ago
   * lose their oldest publications, and their keys, until a twentieth is free. Default 128 MiB. The process takes more: V8 collects
   * what was dropped only now and then, so that 2 GB published without a pause made it grow to 0.7 GB with 128 MiB, and to 1.3 GB with 256.
   */
  readonly maxBytes?: number;
  /** How often what is past its time is thrown away where nobody publishes or reads, in milliseconds. Default 30,000. */
  readonly sweepMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

const defaults = {
  maxChannels: 100_000,
  maxKeysPerChannel: 10_000,
  maxBytes: 128 * 1024 * 1024,
  sweepMs: 30_000,
} as const;

/** How full it is, of `maxBytes` or `maxChannels`, after it was too full. */
const FILL_AFTER_MAKING_ROOM = 0.95;

/** Keeps everything in this process; what it knows ends with it. */
export class MemoryEngine implements Engine {
  readonly durability = "memory";
  readonly #maxChannels: number;
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
  readonly #presence = new Map<string, Presence>();
  /** The highest version of a presence that was dropped: the next one goes on from there, so that no version goes back. */
  #presenceVersion = 0;
  /** False after a search that found nothing to forget, until the next sweep: a search looks at every log. */
  #mayForget = true;
  #weight = 0;
  #listener: EngineListener | undefined;
  #isClosed = false;

  constructor(options: MemoryEngineOptions = {}) {
    this.#maxChannels = options.maxChannels ?? defaults.maxChannels;
    this.#maxKeys = options.maxKeysPerChannel ?? defaults.maxKeysPerChannel;
    this.#maxBytes = options.maxBytes ?? defaults.maxBytes;
    this.#clock = options.clock ?? systemClock;
    this.#name = randomName(options.random ?? systemRandom, 12);
    this.#sweep = this.#sweepEvery(options.sweepMs ?? defaults.sweepMs);
  }

  /** Channels it holds something of, or has open. */
  get channels(): number {
    return this.#logs.size;
  }

  /** What all logs hold, in bytes (estimated). */
  get bytes(): number {
    return this.#weight;
  }

  start(listener: EngineListener): void {
    if (this.#listener) throw new Error("this engine serves a hub already");
    this.#listener = listener;
  }

  // Each method does its work before it returns, so that calls take effect in call order; `async` turns throws into rejections.

  async publish(channel: string, publication: NewPublication, retention: Retention): Promise<Committed> {
    this.#checkOpen();
    const now = this.#clock.now();
    const entry = this.#entry(channel);
    const log = entry.value;
    const before = log.weight;
    const known = publication.key === undefined ? undefined : log.find(publication.key, now);
    const added = known ? undefined : log.append(publication, retention, now);
    this.#weight += log.weight - before;
    if (!added) return known as Committed;
    this.#recency.touch(entry);
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
    this.#trim(log);
    return { epoch: log.epoch, head: log.head, oldest: log.oldest };
  }

  release(channel: string): void {
    this.#open.delete(channel);
    const entry = this.#logs.get(channel);
    // One that never held anything leaves no trace: the next log of this name is the same one.
    if (entry?.value.head === 0) this.#forget(channel, entry);
  }

  async join(channel: string, member: Member): Promise<void> {
    this.#checkOpen();
    let presence = this.#presence.get(channel);
    if (!presence) {
      presence = new Presence(this.#presenceVersion);
      this.#presence.set(channel, presence);
    }
    const event = presence.join(member);
    if (event) this.#listener?.presence(channel, event);
  }

  async leave(channel: string, session: string): Promise<void> {
    const presence = this.#presence.get(channel);
    const event = presence?.leave(session);
    if (presence?.isEmpty === true) {
      this.#presence.delete(channel);
      this.#presenceVersion = Math.max(this.#presenceVersion, presence.state().version);
    }
    if (event) this.#listener?.presence(channel, event);
  }

  async present(channel: string): Promise<PresenceState> {
    this.#checkOpen();
    return this.#presence.get(channel)?.state() ?? { version: this.#presenceVersion, users: [] };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#sweep.cancel();
    this.#logs.clear();
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
    this.#weight -= entry.value.weight;
    this.#logs.delete(channel);
    this.#recency.remove(entry);
  }

  #entry(channel: string): RecencyEntry<MemoryLog> {
    const known = this.#logs.get(channel);
    if (known) return known;
    if (this.#logs.size >= this.#maxChannels && this.#mayForget) this.#forgetIdle();
    if (this.#logs.size >= this.#maxChannels) {
      throw new ProtocolError("limit_reached", `this server keeps at most ${this.#maxChannels} channels`);
    }
    const entry = this.#recency.add(new MemoryLog(channel, this.#nothing().epoch, this.#maxKeys));
    this.#logs.set(channel, entry);
    return entry;
  }

  #trim(log: MemoryLog): void {
    const before = log.weight;
    log.trim(this.#clock.now());
    this.#weight += log.weight - before;
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
      this.#forget(channel, entry);
      hasForgotten = true;
    }
    return hasForgotten;
  }

  #makeRoom(): void {
    // Some more than is needed, so that not every publish looks for what to drop.
    const most = this.#maxBytes * FILL_AFTER_MAKING_ROOM;
    for (const log of this.#recency) {
      let weight = log.weight;
      while (this.#weight > most && log.dropOldest()) {
        this.#weight += log.weight - weight;
        weight = log.weight;
      }
      if (this.#weight <= most) return;
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
