import type { ClientConn, Dial } from "@zocalo/client";
import { type Engine, Hub } from "@zocalo/hub";
import { Random } from "@zocalo/integrity";
import { findBroken } from "./checker.ts";
import { Client, type Surroundings } from "./client.ts";
import { CALM_MS, type Entry, type Promised, type Said } from "./history.ts";
import { Link } from "./link.ts";
import { DurableStorage } from "./durable-storage.ts";
import { OutboxDisk } from "./outbox-disk.ts";
import { SimulatedStorage, type Storage } from "./simulated-engine.ts";
import { Machine, VirtualTime } from "./virtual-time.ts";

const DAY_MS = 86_400_000;
const anyone = { subscribe: "anyone", publish: "anyone" } as const;
const FOR_EVER = { publications: 1_000, ttlMs: DAY_MS };

/** What each namespace keeps. */
const HISTORY: Readonly<Record<string, Promised>> = {
  none: { publications: 0, ttlMs: DAY_MS },
  few: { publications: 8, ttlMs: DAY_MS },
  brief: { publications: 1_000, ttlMs: 6_000 },
  all: FOR_EVER,
};
const CHANNELS = ["none:a", "few:a", "brief:a", "all:a", "all:b"] as const;
const USERS = ["ana", "ben", "eva"] as const;

/** How long keys are remembered: far longer than a world takes, or not. */
const KEY_MS = { long: 3_600_000, short: 60_000 } as const;

/** The transport notices within this time that nothing passes any more, in milliseconds. */
const HEARTBEAT_MS = 12_000;

/** A server, its clients and everything that can go wrong between and under them, by one seed. */
class World implements Surroundings {
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly channels = CHANNELS;
  readonly backoff = { baseMs: 200, maxMs: 4_000 };
  readonly timeoutMs = 4_000;
  readonly history: Entry[] = [];
  readonly #server: Machine;
  readonly #storage: Storage;
  readonly #latencyMs: number;
  readonly #commandsPerSecond: number;
  readonly #workMs: number;
  readonly #clients: Client[] = [];
  readonly #machines = new Map<Client, Machine>();
  readonly #links = new Map<Link, number>();
  /** What browsers keep, by user. */
  readonly #disks = new Map<string, OutboxDisk>();
  readonly #keyMs: number;
  /** Who was closed, and comes back later. */
  readonly #away: Client[] = [];
  #process: Machine;
  #hub: Hub | undefined;
  #engine: Engine | undefined;
  #lastNumber = 0;
  #isCalm = false;

  constructor(seed: number, engine: EngineName) {
    this.random = new Random(seed);
    const { random } = this;
    this.#server = new Machine(this.time, random.below(1_000_000));
    this.#process = this.#server;
    this.#latencyMs = random.pick([2, 40, 400]);
    this.#commandsPerSecond = random.pick([40, 10_000, 10_000]);
    this.#workMs = random.pick([0, 0, 1, 2]);
    this.#keyMs = random.pick([KEY_MS.long, KEY_MS.short]);
    const faults = {
      maxDelayMs: random.pick([1, 10, 100]),
      readFails: random.pick([0, 0.05]),
      publishFails: random.pick([0, 0.05]),
    };
    this.#storage =
      engine === "durable"
        ? new DurableStorage(this.time, this.#server, random, faults)
        : new SimulatedStorage(this.time, random, faults);
    this.#boot();
  }

  sleep(ms: number): Promise<void> {
    return this.time.sleep(ms);
  }

  get remembersKeys(): boolean {
    return this.#keyMs === KEY_MS.long;
  }

  watches(channel: string): boolean {
    return channel.startsWith("all:");
  }

  write(said: Said): void {
    this.history.push({ ...said, at: this.time.now });
  }

  number(): number {
    return ++this.#lastNumber;
  }

  dial(client: number): Dial {
    return async (_url, { signal }) => {
      await this.time.sleep(this.random.below(this.#latencyMs) + 1);
      const hub = this.#hub;
      const isGone = this.#clients.some((one) => one.number === client && one.isGone);
      if (hub === undefined || signal.aborted || isGone) throw new Error("connection refused");
      return this.#connect(hub, client);
    };
  }

  /** A while of everything, and then a minute of nothing; now and then a second time. */
  async run(): Promise<void> {
    const { random } = this;
    for (let left = random.int(2, 5); left > 0; left--) this.#come();
    for (let isAgain = true; isAgain; isAgain = random.chance(0.3)) {
      for (let steps = random.int(10, 45); steps > 0; steps--) {
        random.pick(this.#living)?.act();
        if (random.chance(0.25)) this.#fail();
        await this.time.pass(random.below(800));
      }
      // Some come back so late that keys are forgotten.
      if (this.#away.length > 0) await this.time.pass(random.below(2 * KEY_MS.short));
      for (const client of this.#away.splice(0)) this.#come(client);
      await this.#calmDown();
    }
  }

  end(): void {
    this.#storage.end();
  }

  get #living(): Client[] {
    return this.#clients.filter(({ isGone }) => !isGone);
  }

  #connect(hub: Hub, client: number): ClientConn {
    const { random } = this;
    const conn = this.number();
    const link = new Link(this.time, {
      latencyMs: () => random.below(this.#latencyMs) + 1,
      windowBytes: random.pick([2_000, 10_000, 1_000_000]),
      // A stream has none, and the server finds out by its pings.
      heartbeatMs: random.pick([HEARTBEAT_MS, Number.POSITIVE_INFINITY]),
      tap: (type, text) => this.write({ type, conn, text }),
    });
    this.#links.set(link, client);
    hub.accept(link.server);
    return link.client;
  }

  #boot(): void {
    const process = new Machine(this.time, this.random.below(1_000_000));
    process.wallAheadMs = this.#server.wallAheadMs;
    process.workMs = this.#workMs;
    this.#process = process;
    this.#engine = this.#storage.boot(process);
    this.#hub = new Hub({
      engine: this.#engine,
      clock: process.hubClock,
      random: (count) => this.random.bytes(count),
      namespaces: Object.fromEntries(
        Object.entries(HISTORY).map(([name, history]) => [
          name,
          { ...anyone, history, presence: this.watches(`${name}:`), keyMs: this.#keyMs },
        ]),
      ),
      authenticate: ({ token }) => (token === undefined ? null : { user: token, isGuest: false }),
      limits: {
        commandsPerSecond: this.#commandsPerSecond,
        commandBurst: this.#commandsPerSecond,
        pingMs: 5_000,
        presenceUsers: this.random.pick([1, 2, 1_000]),
      },
      exemptAddresses: ["192.0.2.0/24"],
      onError: () => undefined, // The engine is meant to fail.
    });
  }

  #come(before?: Client): void {
    const { random } = this;
    const user = before?.person.user ?? random.pick(USERS);
    const machine = new Machine(this.time, random.below(1_000_000));
    const isKeeping = before === undefined ? random.chance(0.6) : before.disk !== undefined;
    const disk = isKeeping ? this.#diskOf(user) : undefined;
    if (disk !== undefined) machine.wallAheadMs = disk.wallAheadMs;
    const client = new Client(this, { user, token: user }, machine, disk);
    this.#machines.set(client, machine);
    this.#clients.push(client);
    if (before === undefined) for (const channel of CHANNELS) if (random.chance(0.5)) client.follow(channel);
    if (before !== undefined) client.takeUp(before);
  }

  #diskOf(user: string): OutboxDisk {
    const disk = this.#disks.get(user) ?? new OutboxDisk(this.number(), this.time, this.random);
    this.#disks.set(user, disk);
    disk.isCalm = this.#isCalm;
    return disk;
  }

  #fail(): void {
    const { random } = this;
    const link = random.pick([...this.#links.keys()].filter(({ isOpen }) => isOpen));
    const dice = random.below(100);
    if (dice < 35) link?.cut();
    else if (dice < 55) {
      const directions = random.pick([
        { up: true, down: true },
        { up: true, down: false },
        { up: false, down: true },
      ]);
      link?.silence(directions, random.below(2 * HEARTBEAT_MS));
    } else if (dice < 70) {
      this.#setClock(random.pick([-1, 1]) * random.pick([2_000, 301_000, DAY_MS, 3_650 * DAY_MS]));
    } else if (dice < 80) this.#crash();
    else if (dice < 86) this.#lose(random.pick(CHANNELS));
    else if (dice < 92) this.#fill();
    else this.#leave();
  }

  /** Somebody sets the wall clock of a machine. */
  #setClock(byMs: number): void {
    const client = this.random.pick([undefined, ...this.#living]);
    if (client === undefined) this.#process.wallAheadMs += byMs;
    else if (client.disk === undefined) this.#setOf(client, byMs);
    else {
      client.disk.wallAheadMs += byMs;
      for (const one of this.#living) if (one.disk === client.disk) this.#setOf(one, byMs);
    }
  }

  #setOf(client: Client, byMs: number): void {
    const machine = this.#machines.get(client);
    if (machine !== undefined) machine.wallAheadMs += byMs;
  }

  /** The server is killed, and comes again. */
  #crash(): void {
    if (this.#hub === undefined) return;
    this.#hub = undefined;
    this.#process.isUp = false;
    this.#engine = undefined;
    if (this.#storage.crash()) for (const channel of CHANNELS) this.write({ type: "lost", channel });
    for (const link of this.#links.keys()) link.cut();
    this.#links.clear();
    this.time.after(this.random.below(3_000), () => this.#boot());
  }

  #lose(channel: string): void {
    if (this.#engine === undefined) return;
    this.write({ type: "lost", channel });
    void this.#storage.lose(channel);
  }

  #fill(): void {
    this.#storage.isFull = true;
    this.time.after(this.random.below(4_000), () => {
      this.#storage.isFull = false;
    });
  }

  /** A client closes its session or is killed, and perhaps another one goes on where it was. */
  #leave(): void {
    const { random } = this;
    const living = this.#living;
    const client = random.pick(living);
    if (client === undefined) return;
    if (client.disk !== undefined && random.chance(0.5)) {
      // The whole browser crashes.
      for (const tab of living) if (tab.disk === client.disk) this.#end(tab, false);
      this.#away.push(client);
      return;
    }
    this.#end(client, random.chance(0.3));
    if (living.length < 2 || random.chance(0.7)) this.#come(client);
  }

  #end(client: Client, isInOrder: boolean): void {
    client.leave(isInOrder);
    for (const [link, number] of this.#links) {
      if (number !== client.number || isInOrder) continue;
      // A dead machine says nothing, a dead process does.
      if (this.random.chance(0.5)) link.silence({ up: true, down: true }, Number.POSITIVE_INFINITY);
      else link.cut();
    }
  }

  async #calmDown(): Promise<void> {
    this.#storage.isCalm = true;
    this.#isCalm = true;
    for (const disk of this.#disks.values()) disk.isCalm = true;
    for (const client of this.#living) client.isSlow = false;
    await this.time.pass(CALM_MS);
    for (const channel of CHANNELS) await this.#look(channel);
    await this.time.pass(1_000);
    for (const client of this.#living) client.stand();
    this.write({ type: "calm" });
    for (const client of this.#living) client.isSlow = true;
    this.#storage.isCalm = false;
    this.#isCalm = false;
    for (const disk of this.#disks.values()) disk.isCalm = false;
  }

  /** Reads all there is of a channel. */
  async #look(channel: string): Promise<void> {
    const texts: { offset: number; text: string }[] = [];
    const engine = this.#engine;
    if (engine === undefined) throw new Error("the server is down");
    const page = await engine.read(channel, 0, 10_000);
    for (const { offset, data } of page.publications) texts.push({ offset, text: String(data) });
    const { epoch, head, oldest } = page;
    this.write({ type: "page", channel, epoch, head, oldest, publications: texts });
  }
}

/**
 * What is under the hub: the engine in memory as one on a disk would look, or the one on disk, without its
 * thread.
 */
export const ENGINES = ["memory", "durable"] as const;
export type EngineName = (typeof ENGINES)[number];

/** What happened in one world. */
export interface Outcome {
  readonly broken: string | undefined;
  readonly history: readonly Entry[];
}

/** Runs one world, and holds what its clients wrote down against the promises. */
export async function simulate(seed: number, engine: EngineName = "memory"): Promise<Outcome> {
  const world = new World(seed, engine);
  try {
    await world.run();
  } finally {
    world.end();
  }
  const promisedOf = (channel: string): Promised =>
    HISTORY[channel.slice(0, channel.indexOf(":"))] ?? FOR_EVER;
  return { broken: findBroken(world.history, promisedOf), history: world.history };
}
