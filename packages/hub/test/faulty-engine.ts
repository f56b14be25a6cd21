import type { Random } from "@zocalo/integrity";
import type { StoredPublication } from "@zocalo/protocol";
import type {
  Clock,
  Committed,
  Engine,
  EngineListener,
  LogPage,
  LogState,
  Member,
  NewPublication,
  PresentPage,
  Retention,
} from "../src/index.ts";
import { MemoryEngine } from "../src/index.ts";

/** How a `FaultyEngine` misbehaves, within the contract. */
export interface Faults {
  /** Longest delay of anything, in milliseconds. */
  readonly maxDelayMs: number;
  /** How often a read fails, from 0 to 1. */
  readonly readFails: number;
  /** How often a publish fails, half of the time after it was committed. */
  readonly publishFails: number;
}

/**
 * A memory engine as a distributed one would look: everything takes its time, the listener hears of things
 * late, calls fail, and logs get replaced. It also remembers all that was ever committed, so that a test can
 * know the truth.
 */
export class FaultyEngine implements Engine {
  readonly durability = "memory";
  readonly #inner: MemoryEngine;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #faults: Faults;
  #listener: EngineListener | undefined;
  /** Which log a channel has now: the inner engine knows it as `channel#number`. */
  readonly #lives = new Map<string, number>();
  readonly #opened = new Set<string>();
  /** Effects happen one after the other for each channel. */
  readonly #effects = new Map<string, Promise<unknown>>();
  readonly #news = new Map<string, (() => void)[]>();
  /** Everything ever committed, by channel, epoch and offset. */
  readonly truth = new Map<string, Map<number, StoredPublication>>();
  isCalm = false;

  constructor(clock: Clock, random: Random, faults: Faults) {
    this.#clock = clock;
    this.#random = random;
    this.#faults = faults;
    this.#inner = new MemoryEngine({ clock, random: (count) => random.bytes(count) });
  }

  start(listener: EngineListener): void {
    this.#listener = listener;
    this.#inner.start({
      publication: (inner, epoch, publication) => {
        const channel = outer(inner);
        if (inner !== this.#name(channel)) return;
        const named = this.#epoch(channel, epoch);
        this.#tell(channel, () => this.#listener?.publication(channel, named, publication));
      },
      replaced: () => undefined,
      presence: (channel, event) => this.#tell(channel, () => this.#listener?.presence(channel, event)),
    });
  }

  async publish(channel: string, given: NewPublication, retention: Retention): Promise<Committed> {
    const data = typeof given.data === "string" ? given.data : Uint8Array.from(given.data); // The caller's.
    const publication = { ...given, data };
    const isFailing = this.#fails(this.#faults.publishFails);
    return this.#effect(channel, async () => {
      if (isFailing && this.#random.chance(0.5)) throw new Error("publish failed");
      const work = this.#inner.publish(this.#name(channel), publication, retention);
      const epochNow = this.#lives.get(channel) ?? 0;
      const { epoch, offset, at, duplicate } = await work;
      const committed = { epoch: `${epoch}.${epochNow}`, offset, at, duplicate };
      if (!duplicate) {
        const { user, info } = publication;
        this.#truthOf(channel, committed.epoch).set(offset, { offset, at, user, info, data });
      }
      if (isFailing) throw new Error("publish failed, after it was committed");
      return committed;
    });
  }

  async read(channel: string, after: number, limit: number): Promise<LogPage> {
    if (this.#fails(this.#faults.readFails)) {
      await this.#delay();
      throw new Error("read failed");
    }
    return this.#effect(channel, async () => {
      const life = this.#lives.get(channel) ?? 0;
      const page = await this.#inner.read(this.#name(channel), after, limit);
      return { ...page, epoch: `${page.epoch}.${life}` };
    });
  }

  async open(channel: string): Promise<LogState> {
    return this.#effect(channel, async () => {
      this.#opened.add(channel);
      const life = this.#lives.get(channel) ?? 0;
      const state = await this.#inner.open(this.#name(channel));
      return { ...state, epoch: `${state.epoch}.${life}` };
    });
  }

  release(channel: string): void {
    void this.#effect(channel, async () => {
      this.#opened.delete(channel);
      this.#inner.release(this.#name(channel));
    });
  }

  async join(channel: string, member: Member): Promise<void> {
    return this.#effect(channel, () => this.#inner.join(channel, member));
  }

  async leave(channel: string, session: string): Promise<void> {
    return this.#effect(channel, () => this.#inner.leave(channel, session));
  }

  async present(channel: string, after: number, limit: number): Promise<PresentPage> {
    return this.#effect(channel, () => this.#inner.present(channel, after, limit));
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  // --- what the test does

  /** The log of a channel is lost, and an empty one is in its place. */
  async replace(channel: string): Promise<void> {
    await this.#effect(channel, async () => {
      this.#flushNews(channel);
      const isOpen = this.#opened.has(channel);
      if (isOpen) this.#inner.release(this.#name(channel));
      const life = (this.#lives.get(channel) ?? 0) + 1;
      this.#lives.set(channel, life);
      if (!isOpen) return;
      const work = this.#inner.open(this.#name(channel));
      const { epoch } = await this.#inner.read("none", 0, 1);
      this.#listener?.replaced(channel, { epoch: `${epoch}.${life}`, head: 0, oldest: 1 });
      await work;
    });
  }

  /** The log as it is at this moment. */
  async now(channel: string): Promise<LogState> {
    const page = await this.#inner.read(this.#name(channel), Number.MAX_SAFE_INTEGER - 1, 1);
    return { ...page, epoch: this.#epoch(channel, page.epoch) };
  }

  #name(channel: string): string {
    return `${channel}#${this.#lives.get(channel) ?? 0}`;
  }

  #epoch(channel: string, epoch: string): string {
    return `${epoch}.${this.#lives.get(channel) ?? 0}`;
  }

  #truthOf(channel: string, epoch: string): Map<number, StoredPublication> {
    const name = `${channel} ${epoch}`;
    let known = this.truth.get(name);
    if (!known) this.truth.set(name, (known = new Map()));
    return known;
  }

  #fails(probability: number): boolean {
    return !this.isCalm && this.#random.chance(probability);
  }

  #delay(): Promise<void> {
    if (this.isCalm || this.#random.chance(0.3)) return Promise.resolve();
    return new Promise((resolve) => this.#clock.after(this.#random.below(this.#faults.maxDelayMs), resolve));
  }

  async #effect<Value>(channel: string, work: () => Promise<Value>): Promise<Value> {
    const before = this.#effects.get(channel) ?? Promise.resolve();
    const effect = before.then(() => this.#delay()).then(work);
    this.#effects.set(
      channel,
      effect.catch(() => undefined),
    );
    try {
      return await effect;
    } finally {
      await this.#delay();
    }
  }

  /** Late, but in order. */
  #tell(channel: string, news: () => void): void {
    let waiting = this.#news.get(channel);
    if (!waiting) this.#news.set(channel, (waiting = []));
    waiting.push(() => {
      try {
        news();
      } catch {
        // A fault of the listener: the test that made it knows.
      }
    });
    void this.#delay().then(() => this.#news.get(channel)?.shift()?.());
  }

  #flushNews(channel: string): void {
    for (const news of this.#news.get(channel)?.splice(0) ?? []) news();
  }
}

function outer(inner: string): string {
  return inner.slice(0, inner.lastIndexOf("#"));
}
