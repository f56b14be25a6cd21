import { inspect } from "node:util";
import { printable } from "@zocalo/net";
import { checkCount, checkKind, checkNames, type Names } from "@zocalo/net/transport";
import { ProtocolError } from "@zocalo/protocol";
import { checkClock, type Clock, CLOCK_FUNCTIONS, systemClock, type Timer } from "../primitives/clock.ts";
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
import { MOST_BYTES, type Ref } from "./cells.ts";
import { MemoryLogs } from "./memory-logs.ts";
import { PresenceByChannel } from "../engine/presence.ts";
import { type Random, randomName, systemRandom } from "../primitives/random.ts";

/** What a `MemoryEngine` may hold. */
export interface MemoryEngineOptions {
  /**
   * Channels at once. At the limit one that nobody has open, and that has no key whose time is not over, is
   * forgotten with what it holds: one that holds nothing, or else the one used longest ago. A subscriber who
   * comes back to a forgotten one is told `reset`. If there is none, a new channel is answered
   * `limit_reached`. Default 100,000.
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
   * half of `maxBytes`, or those of one address half of `maxBytesPerAddress`; one in another channel may
   * count up to `sweepMs` longer. Default 1,000,000.
   */
  readonly maxKeysPerChannel?: number;
  /**
   * What channels, publications and keys may take, in bytes. It bounds resident memory to within a quarter: a
   * publication of 200 bytes takes 396, a key, a channel and an address 132 each, or 264 with a long name.
   * Past it the channels used longest ago lose their oldest publications, and those that then hold nothing
   * and that nobody has open are forgotten. A channel is not opened when those that are take a quarter of it:
   * `limit_reached`. Memory is not given back, but used again. Presence and what V8 takes for what is on its
   * way come on top. Default 128 MiB, at most 256 GiB.
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

const optionNames: Names<MemoryEngineOptions> = {
  maxChannels: 1,
  maxChannelsPerAddress: 1,
  maxKeysPerChannel: 1,
  maxBytes: 1,
  maxBytesPerAddress: 1,
  sweepMs: 1,
  clock: 1,
  random: 1,
};

/** How much of what may be held may be keys, with the channels and shares that they keep. */
const KEY_SHARE = 0.5;

/** The same for channels that are open, without what they hold. */
const OPEN_SHARE = 0.25;

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
  /** Above that of each log that had offsets and was forgotten: no epoch ever names two logs of a channel. */
  #generation = 0;
  #logs = new MemoryLogs();
  readonly #presence: PresenceByChannel;
  #listener: EngineListener | undefined;
  #isClosed = false;

  /**
   * @throws NetError `invalid_argument` for a name of an option that is not known, and a value that cannot be
   */
  constructor(options: MemoryEngineOptions = {}) {
    checkNames("set", "MemoryEngine", options, optionNames);
    checkClock(options.clock, CLOCK_FUNCTIONS);
    checkKind("set", "random", options.random, "function");
    const limit = (name: keyof typeof defaultMemoryEngineOptions, most = Number.MAX_SAFE_INTEGER): number => {
      const { [name]: value = defaultMemoryEngineOptions[name] } = options;
      return checkCount("set", name, value, most);
    };
    this.#maxChannels = limit("maxChannels");
    this.#maxChannelsPerAddress = limit("maxChannelsPerAddress");
    this.#maxKeys = limit("maxKeysPerChannel");
    this.#maxBytes = limit("maxBytes", MOST_BYTES);
    this.#maxBytesPerAddress = limit("maxBytesPerAddress");
    this.#clock = options.clock ?? systemClock;
    this.#name = randomName(options.random ?? systemRandom, 12);
    this.#presence = new PresenceByChannel((channel, event) =>
      this.#tell((listener) => listener.presence(channel, event)),
    );
    this.#sweep = this.#sweepEvery(limit("sweepMs"));
  }

  /** Channels it holds something of, or has open. */
  get channels(): number {
    return this.#logs.size;
  }

  /** True if a new channel would be refused, as all there may be are open. */
  get isFull(): boolean {
    return this.#isTooMuchOpen || this.#logs.open >= this.#maxChannels;
  }

  get trouble(): string | undefined {
    return this.isFull ? `full: ${this.channels} channels are in use` : undefined;
  }

  /** What it holds, presence aside, in bytes: resident memory. */
  get bytes(): number {
    return this.#logs.bytes;
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
    const { user, info, data, key, address, sender } = publication;
    const found = this.#logs.find(channel);
    const known = key === undefined || found === 0 ? undefined : this.#find(found, key, now.uptime);
    if (known) return known;
    if (key !== undefined && retention.keyMs > 0) this.#checkRoomForKey(found, address);
    const staged = this.#logs.publications.stage(publication); // First: what cannot be kept changes nothing.
    const log = found === 0 ? this.#begin(channel) : found;
    const epoch = this.#epoch(this.#logs.generation(log));
    const share = address === undefined ? 0 : this.#logs.shares.use(address);
    let offset: number;
    try {
      if (share !== 0 && this.#logs.head(log) === 0 && this.#logs.isNobodys(log)) this.#assign(log, share);
      const before = this.bytes;
      offset = this.#logs.append(log, staged, key, share, retention, now);
      if (share !== 0) this.#makeRoomFor(share, log, before);
      this.#makeRoom(log);
    } finally {
      this.#logs.shares.done();
    }
    const at = now.wall;
    if (this.#logs.isOpen(log)) {
      const own = typeof data === "string" ? data : new Uint8Array(data); // Bytes are the caller's.
      const told = { offset, at, user, info, data: own, sender };
      this.#tell((listener) => listener.publication(channel, epoch, told));
    }
    return { epoch, offset, at, duplicate: false };
  }

  async read(channel: string, after: number, limit: number): Promise<LogPage> {
    this.#checkOpen();
    const log = this.#logs.find(channel);
    if (log === 0) return { epoch: this.#epoch(this.#generation), head: 0, oldest: 1, publications: [] };
    this.#trim(log);
    return { ...this.#state(log), publications: this.#logs.page(log, after, limit) };
  }

  async open(channel: string): Promise<LogState> {
    this.#checkOpen();
    if (this.#isTooMuchOpen) {
      throw new ProtocolError("limit_reached", `this server keeps at most ${this.#logs.open} channels open`);
    }
    const log = this.#logs.find(channel) || this.#begin(channel);
    this.#logs.setOpen(log, true);
    this.#trim(log);
    return this.#state(log);
  }

  release(channel: string): void {
    const log = this.#logs.find(channel);
    if (log === 0) return;
    this.#logs.setOpen(log, false);
    // One that never held anything leaves no trace: the next log of this name is the same one.
    if (this.#logs.head(log) === 0) this.#logs.forget(log);
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
    this.#logs = new MemoryLogs();
    this.#presence.clear();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new Error("the engine is closed");
  }

  /** A listener that throws has a fault of its own: what is committed stays so, and others hear of it. */
  #tell(tell: (listener: EngineListener) => void): void {
    try {
      if (this.#listener) tell(this.#listener);
    } catch (error) {
      // Nobody else can be told.
      console.error(`zocalo hub: ${printable(`the hub failed at what it was told: ${inspect(error)}`)}`);
    }
  }

  #epoch(generation: number): string {
    return `${this.#name}-${generation}`;
  }

  #state(log: Ref): LogState {
    const epoch = this.#epoch(this.#logs.generation(log));
    return { epoch, head: this.#logs.head(log), oldest: this.#logs.oldest(log) };
  }

  #find(log: Ref, key: string, uptime: number): Committed | undefined {
    this.#logs.trimKeys(log, uptime);
    const known = this.#logs.keys.find(log, key, uptime);
    return known && { epoch: this.#state(log).epoch, offset: known.offset, at: known.at, duplicate: true };
  }

  /** A key is known for its time, so one that could not be is not taken. */
  #checkRoomForKey(log: Ref, address: string | undefined): void {
    const { keys, shares } = this.#logs;
    const share = address === undefined ? 0 : shares.find(address);
    const isFull =
      (log !== 0 && keys.count(log) >= this.#maxKeys) ||
      keys.bytes >= this.#maxBytes * KEY_SHARE ||
      (share !== 0 && shares.keyWeight(share) >= this.#maxBytesPerAddress * KEY_SHARE);
    if (!isFull) return;
    throw new ProtocolError(
      "limit_reached",
      "as many keys are known as may be; publish when the time of some is over, or without a key",
    );
  }

  /** A log that begins counts for the address that begins it. */
  #assign(log: Ref, share: Ref): void {
    const isTooMany = this.#logs.shares.count(share) >= this.#maxChannelsPerAddress;
    if (isTooMany && !this.#forget(this.#logs.shares.idle.oldest(share))) {
      if (!this.#logs.isOpen(log)) this.#logs.forget(log);
      throw new ProtocolError(
        "limit_reached",
        `this server keeps at most ${this.#maxChannelsPerAddress} channels that one address began`,
      );
    }
    this.#logs.assign(log, share);
  }

  /** Forgets a log that had offsets; false if there is none. */
  #forget(log: Ref): boolean {
    if (log === 0) return false;
    this.#generation = Math.max(this.#generation, this.#logs.generation(log) + 1);
    this.#logs.forget(log);
    return true;
  }

  get #isTooMuchOpen(): boolean {
    return this.#logs.openBytes >= this.#maxBytes * OPEN_SHARE;
  }

  #begin(channel: string): Ref {
    if (this.channels >= this.#maxChannels && !this.#forget(this.#logs.spare)) {
      throw new ProtocolError("limit_reached", `this server keeps at most ${this.#maxChannels} channels`);
    }
    const log = this.#logs.begin(channel, this.#generation);
    this.#makeRoom(log);
    return log;
  }

  #trim(log: Ref): void {
    this.#logs.trim(log, this.#clock.uptime());
  }

  /** @param inUse what is not forgotten though nothing is left in it */
  #makeRoom(inUse: Ref): void {
    while (this.bytes > this.#maxBytes) {
      const log = this.#logs.giving;
      if (this.#logs.dropOldest(log)) continue;
      if (log === inUse || !this.#forget(log)) return;
    }
  }

  /**
   * What stands behind publications of others stays: else a small one, published at the right time in each of
   * many channels, would later drive out all that is older in them. If nothing else is left, what is added
   * takes the place of as many bytes in its log.
   *
   * @param before what all held before
   */
  #makeRoomFor(share: Ref, published: Ref, before: number): void {
    const { shares } = this.#logs;
    while (shares.weight(share) > this.#maxBytesPerAddress) {
      if (this.#logs.dropOldest(shares.next.oldest(share))) continue;
      while (this.bytes > before && this.#logs.dropOldest(published));
      return;
    }
  }

  #sweepEvery(periodMs: number): Timer {
    let timer: Timer;
    const next = (): Timer =>
      this.#clock.after(periodMs, () => {
        this.#logs.beginSweep();
        step();
      });
    const step = (): void => {
      timer = this.#logs.sweep(this.#clock.uptime()) ? next() : this.#clock.after(0, step);
    };
    timer = next();
    return { cancel: () => timer.cancel() };
  }
}
