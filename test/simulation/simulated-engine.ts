import {
  type Committed,
  type Engine,
  type EngineListener,
  type LogPage,
  type LogState,
  type Member,
  MemoryEngine,
  type NewPublication,
  type PresentPage,
  type Retention,
} from "@zocalo/hub";
import type { Random } from "@zocalo/integrity";
import { ProtocolError } from "@zocalo/protocol";
import type { Machine, VirtualTime } from "./virtual-time.ts";

interface Written {
  readonly channel: string;
  readonly publication: NewPublication;
  readonly retention: Retention;
}

/** What outlives a crash. */
class Disk {
  readonly written: Written[] = [];
  /** How often the log of a channel was lost. */
  readonly losses = new Map<string, number>();
  isFull = false;

  lose(channel: string): void {
    this.losses.set(channel, (this.losses.get(channel) ?? 0) + 1);
    const kept = this.written.filter((one) => one.channel !== channel);
    this.written.splice(0, this.written.length, ...kept);
  }
}

/** Where logs are kept, while processes come and go. */
export interface Storage {
  isFull: boolean;
  /** Nothing fails. */
  isCalm: boolean;
  /** What a process that has begun just now serves. */
  boot(process: Machine): Engine;
  /** That process is killed. Gives true if any channel may have lost something. */
  crash(): boolean;
  /** The log of a channel is lost, be it at once or when it is looked at. */
  lose(channel: string): Promise<void>;
  /** It is needed no more. */
  end(): void;
}

/** How an engine misbehaves, within its contract. */
export interface EngineFaults {
  /** Longest delay of anything, in milliseconds. */
  readonly maxDelayMs: number;
  /** How often a read, an open or a join fails, from 0 to 1. */
  readonly readFails: number;
  /** How often a publish fails, half of the time after it was committed. */
  readonly publishFails: number;
}

/** The engine in memory, whose log is written down. */
export class SimulatedStorage implements Storage {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #faults: EngineFaults;
  readonly #disk = new Disk();
  #engine: SimulatedEngine | undefined;
  #isCalm = false;

  constructor(time: VirtualTime, random: Random, faults: EngineFaults) {
    this.#time = time;
    this.#random = random;
    this.#faults = faults;
  }

  boot(process: Machine): Engine {
    this.#engine = new SimulatedEngine(this.#time, process, this.#random, this.#faults, this.#disk);
    this.#engine.isCalm = this.#isCalm;
    return this.#engine;
  }

  crash(): boolean {
    this.#engine?.crash();
    this.#engine = undefined;
    return false;
  }

  async lose(channel: string): Promise<void> {
    await this.#engine?.lose(channel);
  }

  end(): void {}

  set isFull(isFull: boolean) {
    this.#disk.isFull = isFull;
  }

  set isCalm(isCalm: boolean) {
    this.#isCalm = isCalm;
    if (this.#engine !== undefined) this.#engine.isCalm = isCalm;
  }
}

const NEVER = new Promise<never>(() => {});

/**
 * The memory engine as one on a disk would look: everything takes its time, calls fail before or after they
 * took effect, the disk is full, the process is killed in the middle of a write, a log is lost.
 */
class SimulatedEngine implements Engine {
  readonly durability = "disk";
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #faults: EngineFaults;
  readonly #disk: Disk;
  readonly #inner: MemoryEngine;
  readonly #opened = new Set<string>();
  /** Effects come one after the other for each channel. */
  readonly #effects = new Map<string, Promise<unknown>>();
  readonly #news = new Map<string, (() => void)[]>();
  /** On their way to the disk, in order. */
  readonly #writing = new Set<Written>();
  #listener: EngineListener | undefined;
  #isUp = true;
  isCalm = false;

  constructor(time: VirtualTime, machine: Machine, random: Random, faults: EngineFaults, disk: Disk) {
    this.#time = time;
    this.#random = random;
    this.#faults = faults;
    this.#disk = disk;
    // The same name after each start: the log is the same.
    this.#inner = new MemoryEngine({ clock: machine.hubClock, random: (count) => Buffer.alloc(count, 7) });
  }

  start(listener: EngineListener): void {
    this.#listener = listener;
    this.#inner.start({
      publication: (inner, epoch, publication) => {
        const channel = inner.slice(0, inner.lastIndexOf("#"));
        if (inner !== this.#name(channel)) return;
        const named = this.#epoch(channel, epoch);
        this.#tell(channel, () => this.#listener?.publication(channel, named, publication));
      },
      replaced: () => undefined,
      presence: (channel, event) => this.#tell(channel, () => this.#listener?.presence(channel, event)),
    });
    for (const written of this.#disk.written) void this.#keep(written);
  }

  publish(channel: string, publication: NewPublication, retention: Retention): Promise<Committed> {
    const isFailing = this.#fails(this.#faults.publishFails);
    const isBefore = this.#random.chance(0.5);
    const written = { channel, publication, retention };
    this.#writing.add(written);
    return this.#effect(channel, async () => {
      this.#writing.delete(written);
      if (this.#disk.isFull) throw new ProtocolError("unavailable", "the disk is full");
      if (isFailing && isBefore) throw new Error("the write failed");
      this.#disk.written.push(written);
      const committed = await this.#keep(written);
      if (isFailing) throw new Error("the answer was lost after the commit");
      return committed;
    });
  }

  async read(channel: string, after: number, limit: number): Promise<LogPage> {
    return this.#try(channel, async () => {
      const page = await this.#inner.read(this.#name(channel), after, limit);
      return { ...page, epoch: this.#epoch(channel, page.epoch) };
    });
  }

  async open(channel: string): Promise<LogState> {
    return this.#try(channel, async () => {
      this.#opened.add(channel);
      const state = await this.#inner.open(this.#name(channel));
      return { ...state, epoch: this.#epoch(channel, state.epoch) };
    });
  }

  release(channel: string): void {
    void this.#effect(channel, async () => {
      this.#opened.delete(channel);
      this.#inner.release(this.#name(channel));
    });
  }

  join(channel: string, member: Member): Promise<void> {
    return this.#try(channel, () => this.#inner.join(channel, member));
  }

  leave(channel: string, session: string): Promise<void> {
    return this.#effect(channel, () => this.#inner.leave(channel, session));
  }

  present(channel: string, after: number, limit: number): Promise<PresentPage> {
    return this.#try(channel, () => this.#inner.present(channel, after, limit));
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  // --- what the world does

  /** The process is killed. What was being written is on the disk up to some point; the rest is torn. */
  crash(): void {
    this.#isUp = false;
    this.#listener = undefined;
    const torn = new Set<string>();
    for (const written of this.#writing) {
      if (this.#random.chance(0.5)) torn.add(written.channel);
      if (!torn.has(written.channel) && !this.#disk.isFull) this.#disk.written.push(written);
    }
  }

  /** The log of a channel is lost, and an empty one is in its place. */
  lose(channel: string): Promise<void> {
    return this.#effect(channel, async () => {
      for (const news of this.#news.get(channel)?.splice(0) ?? []) news();
      const isOpen = this.#opened.has(channel);
      if (isOpen) this.#inner.release(this.#name(channel));
      this.#disk.lose(channel);
      if (!isOpen) return;
      const work = this.#inner.open(this.#name(channel));
      const { epoch } = await this.#inner.read("none", 0, 1);
      this.#listener?.replaced(channel, { epoch: this.#epoch(channel, epoch), head: 0, oldest: 1 });
      await work;
    });
  }

  async #keep({ channel, publication, retention }: Written): Promise<Committed> {
    const lossesThen = this.#disk.losses.get(channel) ?? 0;
    const committed = await this.#inner.publish(this.#name(channel), publication, retention);
    return { ...committed, epoch: `${committed.epoch}.${lossesThen}` };
  }

  #name(channel: string): string {
    return `${channel}#${this.#disk.losses.get(channel) ?? 0}`;
  }

  #epoch(channel: string, epoch: string): string {
    return `${epoch}.${this.#disk.losses.get(channel) ?? 0}`;
  }

  #fails(probability: number): boolean {
    return !this.isCalm && this.#random.chance(probability);
  }

  #delay(): Promise<void> | undefined {
    if (this.isCalm || this.#random.chance(0.4)) return undefined;
    return this.#time.sleep(this.#random.below(this.#faults.maxDelayMs));
  }

  #try<Value>(channel: string, work: () => Promise<Value>): Promise<Value> {
    const isFailing = this.#fails(this.#faults.readFails);
    return this.#effect(channel, async () => {
      if (isFailing) throw new Error("the engine failed");
      return work();
    });
  }

  async #effect<Value>(channel: string, work: () => Promise<Value>): Promise<Value> {
    const before = this.#effects.get(channel) ?? Promise.resolve();
    const effect = before.then(() => this.#delay()).then(() => (this.#isUp ? work() : NEVER));
    this.#effects.set(
      channel,
      effect.catch(() => undefined),
    );
    try {
      return await effect;
    } finally {
      await this.#delay();
      if (!this.#isUp) await NEVER;
    }
  }

  /** Late, but in order. */
  #tell(channel: string, news: () => void): void {
    const waiting = this.#news.get(channel) ?? [];
    this.#news.set(channel, waiting);
    waiting.push(news);
    void Promise.resolve(this.#delay()).then(() => waiting.shift()?.());
  }
}
