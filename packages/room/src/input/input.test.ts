import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { BitReader } from "../bits/reader.ts";
import { BitWriter } from "../bits/writer.ts";
import type { Cell } from "../contracts/layout.ts";
import { InputBuffer, type InputBufferOptions } from "./buffer.ts";
import { InputReport, MAX_REPORT_BYTES, readReport, writeReport } from "./report.ts";
import { type InputOutcome, InputOutcomes } from "./outcomes.ts";
import { InputSender } from "./sender.ts";

const plain = { wraps: false, moves: false, refers: false };
const cells: readonly Cell[] = [
  { ...plain, min: -100, max: 100 },
  { ...plain, min: -(2 ** 31), max: 2 ** 31 - 1 },
  { ...plain, min: 0, max: 1 },
];
const NONE = { tick: -1, bits: 0 };

function rowOf(number: number): Int32Array {
  return Int32Array.of((number % 201) - 100, Math.imul(number, 2_654_435_761), number % 2);
}

/** The two halves, and packets that a test carries between them. */
class Pair {
  readonly sender = new InputSender(cells);
  readonly learning = new InputOutcomes(this.sender);
  readonly buffer: InputBuffer;
  readonly out = new Uint8Array(100);
  readonly applied: { number: number; isRepeated: boolean; displayed: number; first: number }[] = [];
  readonly outcomes: [number, InputOutcome][] = [];

  constructor(options?: InputBufferOptions) {
    this.buffer = new InputBuffer(cells, options);
  }

  packet(number: number, frames = NONE, displayed = Number.NaN): Uint8Array {
    this.sender.add(number, rowOf(number));
    return this.out.slice(0, this.sender.write(this.out, frames, displayed));
  }

  receive(packet: Uint8Array, now: number): boolean {
    return this.buffer.receive(packet, now);
  }

  take(tick: number): InputReport {
    this.buffer.take(tick, (row, number, displayed, isRepeated) => {
      if (!isRepeated) assert.deepEqual(row, rowOf(number));
      this.applied.push({ number, isRepeated, displayed, first: row[0] ?? 0 });
    });
    const report = new InputReport();
    this.buffer.report(tick, report);
    const end = writeReport(report, tick, this.out, 5);
    assert.ok(end <= 5 + MAX_REPORT_BYTES);
    const read = new InputReport();
    const reader = new BitReader(this.out.subarray(5, end));
    readReport(read, tick, reader);
    assert.ok(reader.isAtEnd);
    assert.equal(read.taken, Math.max(0, report.taken));
    assert.equal(read.applied, read.taken === 0 ? 0 : report.applied);
    assert.equal(read.depth, Math.max(-16, Math.min(15, report.depth)));
    return read;
  }

  get numbers(): number[] {
    return this.applied.filter(({ isRepeated }) => !isRepeated).map(({ number }) => number);
  }
}

test("two of three packets may be lost: every input is applied in its tick", () => {
  const pair = new Pair();
  for (let tick = 1; tick <= 300; tick++) {
    const packet = pair.packet(tick + 2);
    if (tick % 3 === 0) pair.receive(packet, tick + 0.5);
    pair.take(tick);
    if (tick >= 3) assert.equal(pair.buffer.taken, tick);
  }
  assert.equal(pair.buffer.counts.repeated + pair.buffer.counts.missing, 0);
});

test("a packet takes 14 bytes and its cells, and unchanged inputs a bit each", () => {
  const pair = new Pair();
  pair.sender.add(1, Int32Array.of(5, 6, 1));
  pair.sender.add(2, Int32Array.of(5, 6, 1));
  pair.sender.add(3, Int32Array.of(5, 6, 1));
  const bytes = Math.ceil((32 + 64 + 12 + 2 + (8 + 32 + 1) + 2) / 8);
  assert.equal(pair.sender.write(pair.out, { tick: 0, bits: 0 }, 0), bytes);
});

test("what the client saw and which frames came travel with each input", () => {
  const pair = new Pair();
  pair.receive(pair.packet(100, { tick: 90, bits: 0xffff0001 }, 87.5), 99);
  assert.deepEqual({ ...pair.buffer.frames }, { tick: 90, bits: 0xffff0001 });
  pair.receive(pair.packet(103, { tick: 93, bits: 5 }, 90.25), 102);
  for (let tick = 100; tick <= 103; tick++) pair.take(tick);
  assert.deepEqual(
    pair.applied.map(({ number, displayed }) => [number, displayed]),
    [
      [100, 87.5],
      // Nothing came for 101 and 102: the last one is repeated, and time passes.
      [101, 88.5],
      [102, 89.5],
      [103, 90.25],
    ],
  );
});

test("missing inputs are the last one so many times, then none, and late ones are made up for at most N a tick", () => {
  const pair = new Pair({ maxRepeats: 2, maxPerTick: 2, maxLate: 5 });
  const packets = Array.from({ length: 12 }, (_, index) => pair.packet(index + 1));
  const come = (number: number, now: number) => pair.receive(packets[number - 1] ?? new Uint8Array(), now);
  come(1, 0.5);
  pair.take(1);
  for (let tick = 2; tick <= 6; tick++) pair.take(tick);
  assert.deepEqual(
    pair.applied.map(({ number, first }) => [number, first]),
    [
      [1, -99],
      [2, -99],
      [3, -99],
    ],
  );
  // All that was held up comes at once: 2 and 3 had something in their place.
  for (let number = 2; number <= 8; number++) come(number, 6.5);
  for (let tick = 7; tick <= 9; tick++) pair.take(tick);
  assert.deepEqual(pair.numbers, [1, 4, 5, 6, 7, 8]);
  assert.equal(pair.buffer.counts.late, 2);
  const report = pair.take(20);
  assert.equal(pair.buffer.taken, 15);
  assert.equal(report.depth, -12);
});

test("for any loss, order, doubling and delay: at most once, in order, never more than ticks have passed", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const maxLate = random.int(0, 20);
    const options = { maxLate, maxPerTick: random.int(1, 4), maxRepeats: random.int(0, 5) };
    const pair = new Pair(options);
    const way: { at: number; packet: Uint8Array }[] = [];
    const first = random.int(1, 1e9);
    const loss = random.next() * 0.5;
    const outcomes = new Map<number, InputOutcome>();
    for (let tick = first; tick < first + 200; tick++) {
      const number = tick + 3;
      // A client that was away, or pretends to be.
      if (!random.chance(0.1)) {
        const packet = pair.packet(number, { tick: tick - 5, bits: 0 }, tick - 6);
        for (let copies = random.int(1, 2); copies > 0; copies--) {
          if (!random.chance(loss)) way.push({ at: tick + random.next() * random.int(1, 12), packet });
        }
      }
      for (const { packet } of way.filter(({ at }) => at <= tick)) assert.ok(pair.receive(packet, tick));
      way.splice(0, way.length, ...way.filter(({ at }) => at > tick));
      const before = pair.applied.length;
      const report = pair.take(tick);
      assert.ok(pair.applied.length - before <= options.maxPerTick);
      assert.ok(pair.applied.length <= tick - first + 1 + maxLate);
      if (random.chance(loss)) continue;
      pair.learning.learn(report, (number, outcome) => {
        assert.ok(!outcomes.has(number));
        outcomes.set(number, outcome);
      });
    }
    const order = pair.applied.map(({ number }) => number);
    assert.deepEqual(
      order,
      [...new Set(order)].sort((a, b) => a - b),
      `seed ${seed}`,
    );
    const applied = new Set(pair.numbers);
    for (const [number, outcome] of outcomes) {
      if (outcome !== "unknown") assert.equal(outcome === "applied", applied.has(number), `seed ${seed}`);
    }
    const { counts } = pair.buffer;
    assert.equal(counts.applied, applied.size);
    assert.equal(counts.repeated, pair.applied.length - applied.size);
  }
});

test("a client that holds its inputs back gains maxLate ticks at most, and one of the future nothing", () => {
  const pair = new Pair({ maxLate: 10, maxPerTick: 256, maxRepeats: 0 });
  const packets = Array.from({ length: 400 }, (_, index) => pair.packet(index + 1));
  pair.receive(packets[0] ?? new Uint8Array(), 0.5);
  pair.take(1);
  for (let tick = 2; tick <= 100; tick++) pair.take(tick);
  for (const packet of packets.slice(0, 133)) pair.receive(packet, 100.5);
  pair.take(101);
  assert.deepEqual(
    pair.numbers,
    [1, ...Array.from({ length: 11 }, (_, index) => 91 + index)],
    "of a hundred ticks eleven",
  );
  assert.equal(pair.buffer.counts.early, 1);
  for (let tick = 102; tick <= 140; tick++) pair.take(tick);
  assert.equal(pair.buffer.taken, 132);
  assert.equal(pair.applied.length, 12 + 31);
});

test("hostile bytes change nothing and are counted: cut, flipped, longer, random", () => {
  const random = new Random(11);
  const pair = new Pair();
  let bad = 0;
  for (let tick = 1; tick < 3_000; tick++) {
    const packet = pair.packet(tick + 2, { tick: tick - 1, bits: 1 }, tick - 1.5);
    const hostile = [
      packet.subarray(0, random.below(packet.length)),
      Uint8Array.of(...packet, 0),
      random.bytes(random.below(60)),
      new Uint8Array(packet.length),
      new Uint8Array(packet.length).fill(255),
    ];
    const before = { ...pair.buffer.counts };
    for (const bytes of hostile) if (!pair.receive(bytes, tick)) bad += 1;
    assert.equal(pair.buffer.counts.malformed, bad);
    // Random bytes that are well formed are numbers of the far future or past.
    assert.equal(pair.buffer.counts.applied, before.applied);
    const flipped = Uint8Array.from(packet);
    const at = random.below(packet.length);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
    new InputBuffer(cells).receive(flipped, tick);
    assert.ok(pair.receive(packet, tick + 0.1));
    pair.take(tick);
  }
  assert.ok(bad > 12_000);
  assert.deepEqual(pair.numbers.slice(-5), [2_995, 2_996, 2_997, 2_998, 2_999]);
});

test("an input out of its range is refused, and the packet with it", () => {
  const pair = new Pair();
  for (const value of [201, 200]) {
    const writer = new BitWriter();
    writer.reset(100);
    writer.write(5, 32);
    writer.write(0xffff_ffff, 32);
    writer.write(0, 32);
    writer.write(0, 12);
    writer.write(1, 2);
    writer.write(value, 8);
    writer.write(0, 33);
    writer.write(0, 4);
    writer.finish();
    assert.equal(pair.receive(writer.bytes.subarray(0, writer.length), 4), value === 200);
  }
});

test("the longest input takes 783 bytes, and one for which there is no room is refused", () => {
  const whole = { ...plain, min: -(2 ** 31), max: 2 ** 31 - 1 };
  const sender = new InputSender(Array.from({ length: 64 }, () => whole));
  const out = new Uint8Array(783);
  assert.equal(sender.write(out, NONE, 0), 0);
  for (let number = 1; number <= 3; number++) sender.add(number, new Int32Array(64).fill(number));
  assert.throws(() => sender.write(out.subarray(1), { tick: 1, bits: 1 }, 0), RangeError);
  assert.equal(sender.write(out, { tick: 1, bits: 1 }, 0), 783);
});

test("what came is told once: of each tick what came latest for its own", () => {
  const pair = new Pair();
  pair.receive(pair.packet(10), 7.5);
  pair.receive(pair.packet(11), 7.75);
  const report = pair.take(8);
  assert.equal(report.came, 10);
  assert.equal(report.cameAt, 7.5);
  assert.equal(report.depth, 3);
  assert.equal(pair.take(9).came, 0);
  // Too early or too late, it is told all the same: its sender must learn.
  pair.receive(pair.packet(90), 9.5);
  assert.equal(pair.take(10).came, 90);
});

test("a sender refuses numbers that do not ascend, and options are checked", () => {
  const pair = new Pair();
  pair.packet(5);
  assert.throws(() => pair.packet(5), RangeError);
  assert.throws(() => pair.sender.add(Number.NaN, rowOf(1)), RangeError);
  assert.equal(pair.sender.row(6), undefined);
  for (const options of [
    { maxAhead: 0 },
    { maxAhead: 257 },
    { maxLate: -1 },
    { maxLate: 201 },
    { maxPerTick: 0 },
    { maxPerTick: 257 },
    { maxRepeats: 1.5 },
    { maxRepeats: 257 },
  ]) {
    assert.throws(() => new InputBuffer(cells, options), RangeError);
  }
  assert.ok(new InputBuffer(cells, { maxAhead: 256, maxLate: 200, maxPerTick: 256, maxRepeats: 256 }));
});

test("a buffer that is restored from JSON goes on as the other does, also where nothing was shown", () => {
  const options = { maxAhead: 8 };
  for (const displayed of [Number.NaN, 3.5]) {
    const pair = new Pair(options);
    const frames = { tick: 4, bits: 0 };
    for (let number = 1; number <= 6; number++)
      pair.receive(pair.packet(number, frames, displayed), number - 2);
    for (let tick = 1; tick <= 3; tick++) pair.take(tick);
    const other = new Pair(options);
    other.buffer.restore(JSON.parse(JSON.stringify(pair.buffer.save())) as ReturnType<InputBuffer["save"]>);
    pair.applied.length = 0;
    // Past the sixth the last one is repeated, and then there is none.
    for (let tick = 4; tick <= 12; tick++) {
      pair.take(tick);
      other.buffer.take(tick, (row, number, shown, isRepeated) => {
        other.applied.push({ number, isRepeated, displayed: shown, first: row[0] ?? 0 });
      });
    }
    assert.equal(other.applied.length, 6);
    assert.deepEqual(other.applied, pair.applied);
    assert.equal(Number.isNaN(other.applied[0]?.displayed), Number.isNaN(displayed));
  }
});
