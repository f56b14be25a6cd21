import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError } from "@zocalo/protocol";
import { FakeClock } from "../../test/fake-clock.ts";
import { MemoryModel } from "../../test/memory-model.ts";
import type { NewPublication, Retention } from "../engine/engine.ts";
import { MemoryEngine, type MemoryEngineOptions } from "./memory-engine.ts";

/** For each seed an engine with other limits. Many more were tried when this was written. */
const SEEDS = Array.from({ length: 16 }, (_, index) => index + 1);
const COMMANDS = 400;

const SWEEP_MS = 30_000;
const ALPHABETS = ["x", "0123456789\0\x7f", "é", "漢字", "😀", "\ud800", "\udc00a", "aé漢😀\ud800"];
/** Each side of where a text is short, or ends with a cell. */
const SIZES = [0, 1, 3, 4, 23, 47, 48, 49, 59, 60, 61, 127, 128, 129, 183, 184, 185, 1_000, 4_097];
const WAITS = [1, 499, 500, 501, 999, 1_000, 19_999, 20_000, 59_999, 60_000, 100_000];

/** Whole numbers from 0, below what is asked, the same for a seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** What is asked of an engine, and its limits. */
class Commands {
  readonly options: MemoryEngineOptions;
  readonly below: (most: number) => number;
  readonly #channels: number;
  readonly #nameLength: number;
  readonly #usual: Retention;

  constructor(seed: number) {
    this.below = numbers(seed);
    this.options = {
      maxBytes: this.one([2_000, 10_000, 50_000, 300_000, 3_000_000]),
      maxBytesPerAddress: this.one([500, 3_000, 20_000, 100_000, 1_000_000]),
      maxChannels: this.one([1, 5, 20, 1_000, 1_000]),
      maxChannelsPerAddress: this.one([1, 5, 20, 1_000, 1_000]),
      maxKeysPerChannel: this.one([1, 10, 1_000, 1_000_000]),
      sweepMs: SWEEP_MS,
    };
    this.#channels = 1 + this.below(this.one([5, 60]));
    this.#nameLength = this.one([1, 30, 129]);
    this.#usual = this.#anyRetention();
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  channel(): string {
    const number = this.below(this.#channels);
    return `c:${number}:`.padEnd((number * 7) % this.#nameLength, "z");
  }

  publication(): NewPublication {
    const few = this.below(4);
    return {
      user: this.below(10) === 0 ? this.#text(this.below(200)) : this.one(["ana", "", "ñ"]),
      info: this.one([undefined, undefined, "{}", this.#text(this.below(80))]),
      data: this.#data(),
      key: this.one([
        undefined,
        undefined,
        "",
        `${few}`,
        `${this.below(10_000)}`,
        this.#text(this.below(99)),
      ]),
      address: this.one([
        undefined,
        "2001:db8::1",
        `10.0.0.${few}`,
        `10.0.1.${this.below(40)}`,
        "漢".repeat(40),
      ]),
    };
  }

  retention(): Retention {
    return this.below(4) === 0 ? this.#anyRetention() : this.#usual;
  }

  #anyRetention(): Retention {
    return {
      publications: this.one([0, 1, 2, 17, 40, 1_000]),
      bytes: this.one([0, 100, 5_000, 100_000, 10_000_000]),
      ttlMs: this.one([1, 1_000, 60_000, Number.POSITIVE_INFINITY]),
      keyMs: this.one([0, 500, 20_000, 100_000]),
    };
  }

  #data(): string | Uint8Array {
    const long = this.below(400) === 0 ? 1_048_576 : this.below(60_000);
    const size = this.below(20) === 0 ? long : this.one(SIZES);
    if (this.below(4) > 0) return this.#text(size);
    return Uint8Array.from({ length: size }, (_, at) => (at * 31 + size) % 256);
  }

  #text(size: number): string {
    return this.one(ALPHABETS).repeat(size).slice(0, size);
  }
}

/** What it answers, or the code with which it refuses. Epochs of the engine begin with a name. */
async function answer(ask: () => unknown): Promise<unknown> {
  try {
    const given = await ask();
    if (typeof given !== "object" || given === null || !("epoch" in given)) return given;
    return { ...given, epoch: String(given.epoch).replace(/^.*-/, "") };
  } catch (error) {
    assert.ok(error instanceof ProtocolError, String(error));
    return error.code;
  }
}

/** An engine and the model of it. */
class Pair {
  readonly #commands: Commands;
  readonly #clock = new FakeClock();
  readonly #engine: MemoryEngine;
  readonly model: MemoryModel;
  readonly #open = new Set<string>();
  readonly #told: unknown[] = [];
  #nextSweep = this.#clock.uptime() + SWEEP_MS;

  constructor(seed: number) {
    this.#commands = new Commands(seed);
    this.#engine = new MemoryEngine({ ...this.#commands.options, clock: this.#clock });
    this.model = new MemoryModel(this.#commands.options);
    this.#engine.start({
      publication: (channel, epoch, { offset, data }) =>
        this.#told.push([channel, epoch.replace(/^.*-/, ""), offset, data]),
      replaced: () => assert.fail("no log was replaced"),
      presence: () => assert.fail("nobody came"),
    });
    this.#lookAtClock();
  }

  /** Does what comes next with both, and compares. @returns what it was */
  async step(): Promise<string> {
    const { below } = this.#commands;
    const channel = this.#commands.channel();
    const kind = below(18);
    if (kind < 11) return this.#publish(channel);
    if (kind < 15) return this.#read(channel);
    if (kind < 17) return this.#openOrRelease(channel);
    return this.#wait();
  }

  async compareAll(): Promise<void> {
    const { model } = this;
    const counts = [this.#engine.bytes, this.#engine.channels, this.#engine.isFull];
    assert.deepEqual(counts, [model.bytes, model.logs.size, model.isFull]);
    for (const channel of ["c:never", ...model.logs.keys()]) {
      const page = await answer(() => this.#engine.read(channel, 0, 1_000));
      assert.deepStrictEqual(page, model.read(channel, 0, 1_000), channel);
    }
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  async #publish(channel: string): Promise<string> {
    const publication = this.#commands.publication();
    const retention = this.#commands.retention();
    const given = await answer(() => this.#engine.publish(channel, publication, retention));
    const expected = await answer(() => this.model.publish(channel, publication, retention));
    assert.deepStrictEqual(given, expected);
    const told = this.#told.splice(0);
    if (typeof expected === "string") return `${expected}: publish`;
    const { epoch, offset, duplicate } = expected as { epoch: string; offset: number; duplicate: boolean };
    const isTold = this.#open.has(channel) && !duplicate;
    assert.deepStrictEqual(told, isTold ? [[channel, epoch, offset, publication.data]] : []);
    return duplicate ? "duplicate" : "publish";
  }

  async #read(channel: string): Promise<string> {
    const { below, one } = { below: this.#commands.below, one: this.#commands.one.bind(this.#commands) };
    const { head, oldest } = this.model.read(channel, 0, 0);
    const afters = [
      0,
      head,
      head - 1,
      head + 1,
      oldest - 2,
      oldest - 1,
      oldest,
      oldest + below(50),
      2 ** 53 - 2,
    ];
    const [after, limit] = [one(afters), one([0, 1, 2, 16, 17, 1_000])];
    const page = await answer(() => this.#engine.read(channel, after, limit));
    assert.deepStrictEqual(page, this.model.read(channel, after, limit), `after ${after}, ${limit}`);
    return "read";
  }

  async #openOrRelease(channel: string): Promise<string> {
    if (this.#open.delete(channel)) {
      this.#engine.release(channel);
      this.model.release(channel);
      return "release";
    }
    const state = await answer(() => this.#engine.open(channel));
    assert.deepStrictEqual(state, await answer(() => this.model.open(channel)));
    if (typeof state === "string") return `${state}: open`;
    this.#open.add(channel);
    return "open";
  }

  #wait(): string {
    if (this.#commands.below(5) === 0) this.#clock.setWall(this.#commands.one([1e9, -1e9, 3e11, -3e11]));
    const byMs = this.#commands.one(WAITS);
    const end = this.#clock.uptime() + byMs;
    for (; this.#nextSweep <= end; this.#nextSweep += SWEEP_MS) {
      this.model.uptime = this.#nextSweep;
      this.model.sweep();
    }
    this.#clock.advance(byMs);
    this.#lookAtClock();
    return "wait";
  }

  #lookAtClock(): void {
    this.model.wall = this.#clock.wall();
    this.model.uptime = this.#clock.uptime();
  }
}

test("whatever is asked of it, it answers as one of maps and arrays does that looks at everything", async (t) => {
  const counts: Record<string, number> = {};
  for (const seed of SEEDS) {
    const pair = new Pair(seed);
    for (let step = 0; step < COMMANDS; step++) {
      try {
        const what = await pair.step();
        counts[what] = (counts[what] ?? 0) + 1;
        await pair.compareAll();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${step}`, { cause: error });
      }
    }
    await pair.close();
  }
  t.diagnostic(JSON.stringify(counts));
  const all = ["duplicate", "limit_reached: open", "limit_reached: publish", "open", "publish", "read"];
  assert.deepEqual(Object.keys(counts).toSorted(), [...all, "release", "wait"]);
});
