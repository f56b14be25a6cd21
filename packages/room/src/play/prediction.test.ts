import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { defineGame } from "../schema/game.ts";
import { angle, int } from "../schema/numbers.ts";
import { vector } from "../schema/vector.ts";
import type { Cell } from "../contracts/layout.ts";
import { type PredictedState, Prediction, type PredictionOptions } from "./prediction.ts";
import { PredictedWorld } from "./predicted-world.ts";

const cells: readonly Cell[] = [
  { min: 0, max: 10_000, wraps: false, moves: true, refers: false },
  { min: -128, max: 127, wraps: true, moves: true, refers: false },
  { min: 0, max: 100, wraps: false, moves: false, refers: false },
];

/** One entity that goes by what its input says, and a prediction of it. */
class Own implements PredictedState {
  readonly cells = cells;
  readonly row = Int32Array.of(0, 0, 0);
  readonly inputs = new Map<number, Int32Array>();
  readonly prediction: Prediction;
  readonly shown = new Float64Array(3);

  constructor(options?: PredictionOptions) {
    this.prediction = new Prediction(this, (number) => this.inputs.get(number), options);
  }

  save(into: Int32Array): void {
    into.set(this.row);
  }

  restore(row: Int32Array): void {
    this.row.set(row);
  }

  apply(input: Int32Array): void {
    this.row[0] = (this.row[0] ?? 0) + (input[0] ?? 0);
  }

  /** Inputs that each go `by` quanta. */
  predict(from: number, to: number, by = 10): void {
    for (let number = from; number <= to; number++) {
      this.inputs.set(number, Int32Array.of(by));
      this.prediction.predict(number);
    }
  }

  at(nowMs: number, fraction = 1): number {
    this.prediction.show(nowMs, fraction, this.shown);
    return this.shown[0] ?? 0;
  }
}

test("each input is applied at once, and a frame that agrees changes nothing", () => {
  const own = new Own();
  own.predict(1, 1);
  assert.equal(own.prediction.hasBegun, false);
  assert.equal(own.prediction.reconcile(1, 1, Int32Array.of(100, 0, 0)), "first");
  own.predict(2, 6);
  assert.equal(own.prediction.row[0], 150);
  for (let taken = 2; taken <= 6; taken++) {
    assert.equal(own.prediction.reconcile(taken, taken, Int32Array.of(90 + 10 * taken, 0, 0)), "matched");
  }
  assert.equal(own.prediction.row[0], 150);
  assert.equal(own.prediction.error(1), 0);
  assert.equal(own.prediction.corrections, 0);
});

test("one quantum of what moves counts as right; two, or one of anything else, does not", () => {
  for (const [row, outcome] of [
    [[121, 0, 0], "matched"],
    [[119, 0, 0], "matched"],
    [[122, 0, 0], "corrected"],
    [[120, 1, 0], "matched"],
    [[120, -2, 0], "corrected"],
    [[120, 0, 1], "corrected"],
  ] as const) {
    const own = new Own();
    own.prediction.reconcile(1, 1, Int32Array.of(100, 0, 0));
    own.predict(2, 5);
    assert.equal(own.prediction.reconcile(3, 3, Int32Array.from(row)), outcome, row.join());
  }
});

test("a wrong prediction is restored and what came since applied again; what is shown glides there in 100 ms", () => {
  const own = new Own();
  own.prediction.reconcile(1, 1, Int32Array.of(100, 0, 0));
  own.predict(2, 6);
  assert.equal(own.at(0), 150);
  // Somebody pushed it by 200.
  assert.equal(own.prediction.reconcile(3, 3, Int32Array.of(320, 0, 0)), "corrected");
  assert.equal(own.prediction.row[0], 350);
  assert.equal(own.prediction.error(1), 200);
  assert.equal(own.at(0), 150);
  let last = 150;
  for (let now = 10; now <= 100; now += 10) {
    const shown = own.at(now);
    assert.ok(shown > last && shown < 350);
    last = shown;
  }
  assert.ok(350 - last <= 200 * 0.05 + 1e-6);
  assert.ok(Math.abs(own.at(1_000) - 350) < 0.01);
  // However often it is shown.
  const other = new Own();
  other.prediction.reconcile(1, 1, Int32Array.of(100, 0, 0));
  other.predict(2, 6);
  other.at(0);
  other.prediction.reconcile(3, 3, Int32Array.of(320, 0, 0));
  assert.ok(Math.abs(other.at(100) - last) < 0.1);
});

test("beyond a limit it snaps", () => {
  const own = new Own({ snapBeyond: 100 });
  own.prediction.reconcile(1, 1, Int32Array.of(100, 0, 0));
  own.predict(2, 6);
  assert.equal(own.prediction.reconcile(3, 3, Int32Array.of(220, 0, 0)), "corrected");
  assert.equal(own.at(0), 150);
  own.at(10_000);
  assert.equal(own.prediction.reconcile(4, 4, Int32Array.of(331, 0, 0)), "snapped");
  assert.equal(own.at(10_000), 351);
  assert.equal(own.prediction.corrections, 2);
  assert.equal(own.prediction.snaps, 1);
});

test("a cell that wraps is compared and shown by the shorter way", () => {
  const own = new Own();
  own.prediction.reconcile(1, 1, Int32Array.of(0, 120, 0));
  own.predict(2, 2, 0);
  own.at(0);
  assert.equal(own.prediction.reconcile(2, 2, Int32Array.of(0, -126, 0)), "corrected");
  assert.equal(own.prediction.error(1), 10);
  own.at(0);
  assert.equal(own.shown[1], 120);
  own.at(33);
  assert.ok((own.shown[1] ?? 0) > 120 || (own.shown[1] ?? 0) < -126);
});

test("what is shown lies between the last two ticks", () => {
  const own = new Own();
  own.prediction.reconcile(1, 1, Int32Array.of(100, 0, 7));
  own.predict(2, 3);
  assert.equal(own.at(0, 0), 110);
  assert.equal(own.at(0, 0.25), 112.5);
  assert.equal(own.at(0, 1), 120);
  assert.equal(own.shown[2], 7);
});

test("frames that are older, of inputs that were never sent, or before any was taken", () => {
  const own = new Own();
  assert.equal(own.prediction.reconcile(10, 0, Int32Array.of(100, 0, 0)), "first");
  own.predict(11, 15);
  assert.equal(own.prediction.row[0], 150);
  assert.equal(own.prediction.reconcile(9, 9, Int32Array.of(0, 0, 0)), "old");
  assert.equal(own.prediction.reconcile(10, 10, Int32Array.of(0, 0, 0)), "old");
  // The page stood still: something stood for the inputs 16 to 18.
  own.predict(19, 20);
  assert.equal(own.prediction.reconcile(17, 17, Int32Array.of(170, 0, 0)), "corrected");
  assert.equal(own.prediction.row[0], 190);
  assert.equal(own.prediction.reconcile(18, 300, Int32Array.of(500, 0, 0)), "corrected");
  assert.equal(own.prediction.row[0], 500);
  own.prediction.reset();
  assert.equal(own.prediction.hasBegun, false);
  assert.equal(own.prediction.reconcile(400, 0, Int32Array.of(1, 0, 0)), "first");
  assert.equal(own.at(0), 1);
});

test("for any pushes and lost inputs it is in the end where the server is", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const own = new Own();
    const server = Int32Array.of(5_000, 0, 0);
    own.prediction.reconcile(1, 1, server);
    const lead = random.int(1, 12);
    for (let tick = 2; tick < 200; tick++) {
      own.predict(tick, tick, random.int(-20, 20));
      const taken = tick - lead;
      if (taken < 2) continue;
      const isLost = tick < 150 && random.chance(0.1);
      if (!isLost) server[0] = (server[0] ?? 0) + (own.inputs.get(taken)?.[0] ?? 0);
      if (tick < 150 && random.chance(0.05)) server[0] = random.int(4_000, 6_000);
      if (tick > 190 || !random.chance(0.2)) own.prediction.reconcile(taken, taken, server);
    }
    let ahead = server[0] ?? 0;
    for (let number = 200 - lead; number < 200; number++) ahead += own.inputs.get(number)?.[0] ?? 0;
    assert.ok(Math.abs((own.prediction.row[0] ?? 0) - ahead) <= 1, `seed ${seed}`);
  }
});

test("a game's own apply runs in the page, in a copy of the world that a frame shows", () => {
  const place = vector(2, { min: 0, max: 100, precision: 0.01, moves: true });
  const game = defineGame({
    version: 1,
    ticksPerSecond: 30,
    kinds: {
      wall: { at: place },
      player: { at: place, aim: angle(10), shots: int(0, 100) },
      shot: { at: place },
    },
    input: { dx: int(-100, 100), fire: int(0, 1) },
    apply(player, input, world) {
      const before = player.at.x;
      player.at.x += input.dx / 50;
      for (const wall of world.all("wall")) if (player.at.x > wall.at.x) player.at.x = before;
      if (input.fire === 0) return;
      player.shots += 1;
      world.add("shot", { at: player.at });
    },
  });
  const server = game.world();
  server.add("wall", { at: [60, 0] });
  const player = server.add("player", { at: [50, 50] });
  const random = new Random(3);
  const state = new PredictedWorld(game);
  const inputs = new Map<number, Int32Array>();
  const prediction = new Prediction(state, (number) => inputs.get(number));
  const lead = 6;
  const begin = state.take(server, player.slot);
  assert.ok(begin !== undefined);
  prediction.reconcile(1, 1, begin);
  for (let tick = 2; tick < 400; tick++) {
    const row = new Int32Array(game.input.cells.length);
    game.input.toCells({ dx: random.int(-60, 100), fire: random.int(0, 1) }, row, 0);
    inputs.set(tick, row);
    prediction.predict(tick);
    const taken = inputs.get(tick - lead);
    if (taken === undefined) continue;
    game.apply?.(player, game.input.fromCells(taken, 0), server);
    for (const shot of server.all("shot")) if (random.chance(0.5)) server.remove(shot);
    const own = state.take(server, player.slot);
    assert.ok(own !== undefined);
    player.shots %= 90;
    const outcome = prediction.reconcile(tick - lead, tick - lead, own);
    const isPushed = tick % 100 === 1 && tick > 100;
    assert.ok((outcome === "snapped") === isPushed || player.shots === 0, `tick ${tick}: ${outcome}`);
    assert.ok(outcome === "matched" || isPushed || player.shots === 0, `tick ${tick}: ${outcome}`);
    if (tick % 100 === 0) player.at.x = 10;
  }
  assert.equal(prediction.error(0.9), 0);
  // What the page did ahead of the server is gone with the next frame.
  const size = state.world.size;
  state.restore();
  assert.equal(state.world.size, server.size);
  assert.ok(size >= server.size);
  server.remove(player);
  assert.equal(state.take(server, player.slot), undefined);
});
