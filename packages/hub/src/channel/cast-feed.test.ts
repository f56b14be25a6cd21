// A crowd is told of casts in turns, and each of the crowd has the newest of each slot in the end.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BusyClock } from "../../test/busy-clock.ts";
import { Backlog } from "./backlog.ts";
import { Cast } from "./cast.ts";
import { CastFeed, type CastReceiver } from "./cast-feed.ts";
import { FanOut } from "./fan-out.ts";
import { Counters } from "./stats.ts";

/** A channel whose receivers take `eachMs` for each cast. */
class World {
  readonly clock = new BusyClock();
  readonly fanOut = new FanOut(this.clock);
  readonly counters = new Counters();
  readonly feed = new CastFeed(this.fanOut, this.counters, new Backlog(2 ** 20, this.clock, () => []));
  eachMs = 0;
  #number = 0;
  readonly newest = new Map<string, number>();

  /** Says something of a key, by an owner. */
  cast(key: string, owner: object = this, size = 0): void {
    this.#number += 1;
    const data = `${this.#number}${" ".repeat(size)}`;
    this.newest.set(key, this.#number);
    this.feed.tell(new Cast("arena:1", { user: "ana", owner }, key, data, undefined));
  }

  finish(): void {
    while (this.clock.turn());
  }
}

class Receiver implements CastReceiver {
  readonly world: World;
  castIndex = -1;
  /** What came of each key. */
  readonly of = new Map<string, number[]>();
  readonly turns = new Set<number>();
  whenTold: () => void = () => undefined;

  constructor(world: World) {
    this.world = world;
    world.feed.join(this);
  }

  offerCast(cast: Cast): boolean {
    const { key = "", data } = JSON.parse(cast.text.message as string) as { key?: string; data: number };
    this.of.set(key, [...(this.of.get(key) ?? []), data]);
    this.turns.add(this.world.clock.turns);
    this.world.clock.workedMs += this.world.eachMs;
    this.whenTold();
    return true;
  }

  get count(): number {
    return [...this.of.values()].reduce((sum, { length }) => sum + length, 0);
  }
}

test("a crowd is told in turns of some milliseconds", () => {
  const world = new World();
  world.eachMs = 0.01;
  const crowd = Array.from({ length: 10_000 }, () => new Receiver(world));
  world.cast("a");
  world.finish();
  for (const receiver of crowd) assert.deepEqual(receiver.of.get("a"), [1]);
  const turns = new Set(crowd.flatMap((receiver) => [...receiver.turns]));
  assert.ok(turns.size >= 15 && turns.size <= 25, `${turns.size} turns for 100 ms of work`);
});

test("what is cast while a crowd is told waits for the next round, of each key the newest", () => {
  const world = new World();
  world.eachMs = 0.01;
  const crowd = Array.from({ length: 2_000 }, () => new Receiver(world));
  for (let round = 0; round < 50; round++) {
    world.cast("a");
    if (round % 2 === 0) world.cast("b");
    if (round % 10 === 0) world.clock.turn();
  }
  world.finish();
  for (const { of, count } of crowd) {
    assert.ok(count < 30, `${count} of 75`);
    for (const [key, number] of world.newest) assert.equal(of.get(key)?.at(-1), number, key);
  }
  assert.ok(world.counters.castsDropped > 40);
});

test("what waits in a channel is bounded, and of nobody's many at the cost of another's few", () => {
  const world = new World();
  world.eachMs = 100;
  const [receiver] = [new Receiver(world), new Receiver(world)]; // it waits for the second
  const [greedy, honest] = [{}, {}];
  for (const key of ["first", "second"]) world.cast(key, greedy); // the second makes a round
  world.cast("mine", honest);
  for (let number = 0; number < 10_000; number++) world.cast(`g${number}`, greedy);
  world.eachMs = 0;
  world.finish();
  assert.equal(receiver.of.get("mine")?.length, 1);
  assert.equal(receiver.count, 2 + 1_024);
  assert.equal(receiver.of.get("g9999")?.length, 1);
  assert.ok(world.fanOut.casts.take(16_777_216), "all of it is given back");
});

test("whoever comes or goes while one is told, each is told once", () => {
  const world = new World();
  const crowd = Array.from({ length: 5 }, () => new Receiver(world));
  const [ana, ben, eve] = crowd;
  assert.ok(ana && ben && eve);
  ben.whenTold = () => world.feed.leave(ana); // who was told before
  eve.whenTold = () => {
    crowd.push(new Receiver(world));
    eve.whenTold = () => undefined;
  };
  world.cast("a");
  world.finish();
  assert.deepEqual(
    crowd.map(({ count }) => count),
    [1, 1, 1, 1, 1, 0],
  );
});

test("nobody is told once left, whenever that is, and who comes is told what is cast then", () => {
  const world = new World();
  const [ana, ben, eve] = [new Receiver(world), new Receiver(world), new Receiver(world)];
  ana.whenTold = () => world.feed.leave(ben);
  world.cast("a");
  assert.deepEqual(
    [ana, ben, eve].map(({ count }) => count),
    [1, 0, 1],
  );
  const late = new Receiver(world);
  world.cast("b");
  assert.deepEqual(
    [ana, ben, eve, late].map(({ count }) => count),
    [2, 0, 2, 1],
  );
  for (const receiver of [ana, eve, late]) world.feed.leave(receiver);
  world.cast("c");
  assert.equal(world.feed.size, 0);
});

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ key: fc.constantFrom("a", "b", "c") }) },
  { weight: 1, arbitrary: fc.record({ joins: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ leaves: fc.nat(100) }) },
  { weight: 3, arbitrary: fc.constant("turn" as const) },
);

test("whoever stays has each key in order, and the newest in the end", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World();
      world.eachMs = 1;
      const there = [new Receiver(world)];
      const since = new Map<Receiver, number>(there.map((receiver) => [receiver, 0]));
      let said = 0;
      for (const one of steps) {
        if (one === "turn") world.clock.turn();
        else if ("key" in one) {
          said += 1;
          world.cast(one.key);
        } else if ("joins" in one) {
          for (let joined = 0; joined < one.joins; joined++) {
            const receiver = new Receiver(world);
            there.push(receiver);
            since.set(receiver, said);
          }
        } else if (there.length > 0) {
          const [gone] = there.splice(one.leaves % there.length, 1);
          if (gone) world.feed.leave(gone);
        }
      }
      world.finish();
      for (const receiver of there) {
        for (const [key, numbers] of receiver.of) {
          assert.deepEqual(
            numbers,
            [...new Set(numbers)].toSorted((a, b) => a - b),
            key,
          );
        }
        for (const [key, number] of world.newest) {
          if (number > (since.get(receiver) ?? 0)) assert.equal(receiver.of.get(key)?.at(-1), number, key);
        }
      }
    }),
    { seed: 12, numRuns: 300 },
  );
});
