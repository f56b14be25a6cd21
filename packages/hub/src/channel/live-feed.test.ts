import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BusyClock } from "../../test/busy-clock.ts";
import { Backlog } from "./backlog.ts";
import { FanOut } from "./fan-out.ts";
import { LiveFeed, type Subscriber } from "./live-feed.ts";
import { type SharedMessage, TextMessage } from "./shared-message.ts";
import { Counters } from "./stats.ts";

const MIB = 1_048_576;

/** A channel whose subscribers take `eachMs` for each publication. */
class World {
  readonly clock = new BusyClock();
  readonly fanOut = new FanOut(this.clock);
  readonly counters = new Counters();
  eachMs = 0;

  feed(): Channel {
    return new Channel(this);
  }

  /** Until all is told. */
  finish(): void {
    while (this.clock.turn());
  }
}

class Channel {
  readonly world: World;
  readonly feed: LiveFeed;
  readonly all: Reader[] = [];
  head = 0;

  constructor(world: World) {
    this.world = world;
    const backlog = new Backlog(MIB, world.clock, () => []);
    this.feed = new LiveFeed(world.fanOut, world.counters, backlog);
  }

  join(count: number): this {
    for (let joined = 0; joined < count; joined++) this.all.push(new Reader(this));
    return this;
  }

  tell(count: number, bytes = 1_000): void {
    for (let told = 0; told < count; told++) {
      this.head++;
      if (this.feed.size > 0) this.feed.tell(new TextMessage("hola"), this.head, bytes);
    }
  }
}

class Reader implements Subscriber {
  readonly channel: Channel;
  liveIndex = -1;
  offset: number;
  /** The turns in which it was given something. */
  readonly turns = new Set<number>();
  isReading = false;
  /** The next publication does not go out. */
  refuses = false;

  constructor(channel: Channel) {
    this.channel = channel;
    this.offset = channel.head;
    channel.feed.join(this);
  }

  offer(_message: SharedMessage, offset: number): boolean {
    const { clock, eachMs } = this.channel.world;
    assert.equal(offset, this.offset + 1);
    clock.workedMs += eachMs;
    if (this.refuses) {
      this.readLog();
      return false;
    }
    this.offset = offset;
    this.turns.add(clock.turns);
    return true;
  }

  readLog(): void {
    this.channel.feed.leave(this);
    this.isReading = true;
  }

  /** The page has come. */
  catchUp(): void {
    if (!this.isReading) return;
    this.isReading = false;
    this.refuses = false;
    this.offset = this.channel.head;
    this.channel.feed.join(this);
  }

  leave(): void {
    this.channel.feed.leave(this);
    this.channel.all.splice(this.channel.all.indexOf(this), 1);
  }
}

test("a small crowd is told at once", () => {
  const channel = new World().feed().join(100);
  channel.tell(3);
  assert.ok(channel.all.every(({ offset }) => offset === 3));
  assert.equal(channel.world.counters.delivered, 300);
});

test("a turn tells for five milliseconds; who is told later is told of all that is new, once", () => {
  const world = new World();
  world.eachMs = 0.01;
  const channel = world.feed().join(1_000);
  channel.tell(50);
  const turnMs: number[] = [world.clock.workedMs];
  for (let isMore = true; isMore; ) {
    const before = world.clock.workedMs;
    isMore = world.clock.turn();
    turnMs.push(world.clock.workedMs - before);
  }
  assert.ok(Math.max(...turnMs) < 5 + 64 * 0.01 + 0.51, `${Math.max(...turnMs)} ms in one turn`);
  assert.ok(channel.all.every(({ offset }) => offset === 50));
  const writes = Math.max(...channel.all.map(({ turns }) => turns.size));
  assert.ok(writes <= 2, `${writes} writes for one of them`);
  assert.equal(world.counters.delivered, 50_000);
});

test("a small channel does not wait until a large crowd has all", () => {
  const world = new World();
  world.eachMs = 0.01;
  const crowd = world.feed().join(10_000);
  const few = world.feed().join(3);
  crowd.tell(10);
  few.tell(1);
  world.clock.turn();
  assert.ok(few.all.every(({ offset }) => offset === 1));
  assert.ok(crowd.all.some(({ offset }) => offset < 10));
});

/** How many of them read the log. */
const readers = ({ all }: Channel): number => all.filter(({ isReading }) => isReading).length;
/** Of a hundred, they are not told at once if telling one of them takes longer than a turn may. */
const LATE = 100 - 64;

for (const past of [0, 1]) {
  test(`4 MiB and ${past} bytes are kept of a channel: ${past === 0 ? "all are told" : "who does not have the first yet reads the log"}`, () => {
    const world = new World();
    world.eachMs = 10;
    const channel = world.feed().join(100);
    channel.tell(3, MIB);
    channel.tell(1, MIB + past);
    assert.equal(world.fanOut.keptBytes, past === 0 ? 4 * MIB : 3 * MIB + 1);
    world.finish();
    assert.equal(readers(channel), past === 0 ? 0 : LATE);
    assert.equal(world.fanOut.keptBytes, 0);
  });

  test(`64 MiB and ${past} bytes are kept of all channels: ${past === 0 ? "all are told" : "who does not have the last reads the log"}`, () => {
    const world = new World();
    world.eachMs = 10;
    const channels = Array.from({ length: 17 }, () => world.feed().join(100));
    for (const channel of channels.slice(0, 15)) channel.tell(1, 4 * MIB);
    channels[15]?.tell(1, 3 * MIB);
    channels[16]?.tell(1, MIB + past);
    world.finish();
    const reading = channels.map(readers);
    // Only of the first some are told at once.
    assert.deepEqual(reading, [...Array(16).fill(0), past === 0 ? 0 : 100]);
    assert.equal(world.fanOut.keptBytes, 0);
  });
}

test("a publication larger than all that may be kept is told all the same", () => {
  const channel = new World().feed().join(100);
  channel.tell(1, 5 * MIB);
  assert.ok(channel.all.every(({ offset }) => offset === 1));
});

test("who leaves while others are told, is told of nothing and keeps it from nobody", () => {
  const world = new World();
  world.eachMs = 1;
  const channel = world.feed().join(300);
  channel.tell(2);
  const [first] = channel.all;
  const last = channel.all.at(-1);
  first?.leave();
  last?.leave();
  world.finish();
  assert.equal(channel.all.length, 298);
  assert.ok(channel.all.every(({ offset }) => offset === 2));
  assert.equal(last?.offset, 0);
});

test("after all have left in the middle, whoever comes then is told from there", () => {
  const world = new World();
  world.eachMs = 10;
  const channel = world.feed().join(300);
  channel.tell(1);
  for (const reader of channel.all.slice()) reader.leave();
  channel.tell(1);
  channel.join(2);
  channel.tell(1);
  world.finish();
  assert.deepEqual(
    channel.all.map(({ offset }) => offset),
    [3, 3],
  );
  assert.equal(world.fanOut.keptBytes, 0);
});

test("whoever comes, goes, falls behind and catches up: all are told of all in order, or read the log", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ tell: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 2, arbitrary: fc.record({ join: fc.integer({ min: 1, max: 90 }) }) },
    { weight: 2, arbitrary: fc.record({ leave: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ refuse: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ catchUp: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ large: fc.integer({ min: 1, max: 5 * MIB }) }) },
    { weight: 1, arbitrary: fc.record({ reset: fc.constant(true) }) },
    { weight: 3, arbitrary: fc.record({ turn: fc.constant(true) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World();
      world.eachMs = 0.2;
      const channel = world.feed();
      const one = (choice: number): Reader | undefined => channel.all[choice % channel.all.length];
      for (const each of steps) {
        if ("tell" in each) channel.tell(each.tell);
        else if ("join" in each) channel.join(each.join);
        else if ("leave" in each) one(each.leave)?.leave();
        else if ("large" in each) channel.tell(1, each.large);
        else if ("catchUp" in each) one(each.catchUp)?.catchUp();
        else if ("reset" in each) channel.feed.sendToLog();
        else if ("turn" in each) world.clock.turn();
        else {
          const reader = one(each.refuse);
          if (reader) reader.refuses = true;
        }
        const live = channel.all.filter(({ liveIndex }) => liveIndex >= 0);
        assert.equal(channel.feed.size, live.length);
        assert.equal(new Set(live.map(({ liveIndex }) => liveIndex)).size, live.length);
      }
      world.finish();
      for (const { isReading, offset } of channel.all) assert.ok(isReading || offset === channel.head);
      assert.equal(world.fanOut.keptBytes, 0);
    }),
  );
});
