import assert from "node:assert/strict";
import { test } from "node:test";
import { Link } from "./link.ts";

test("Without loss the server learns of each tick a round trip and up to a tick later", () => {
  const link = new Link(20, { roundTripMs: 150, loss: 0, ticksPerSecond: 30 }, 1);
  const newest = new Int32Array(20).fill(-1);
  for (let tick = 0; tick < 100; tick++) {
    for (let client = 0; client < 20; client++) {
      newest[client] = link.acknowledged(client, tick)?.newest ?? newest[client] ?? -1;
      if (tick > 20) {
        const age = tick - (newest[client] ?? 0);
        assert.ok(age === 5 || age === 6, `client ${client} has tick ${newest[client]} in ${tick}`);
      }
      assert.equal(link.send(client, tick), true);
    }
  }
});

test("What is lost is never acknowledged, and all else is within 32 ticks", () => {
  const link = new Link(1, { roundTripMs: 100, loss: 0.2, ticksPerSecond: 60, areInStep: true }, 7);
  const [arrived, told] = [new Set<number>(), new Set<number>()];
  let youngest = Number.POSITIVE_INFINITY;
  for (let tick = 0; tick < 1_000; tick++) {
    const acknowledged = link.acknowledged(0, tick);
    if (acknowledged) {
      told.add(acknowledged.newest);
      youngest = Math.min(youngest, tick - acknowledged.newest);
      for (let i = 0; i < 32; i++) {
        if (((acknowledged.before >>> i) & 1) === 1) told.add(acknowledged.newest - 1 - i);
      }
    }
    if (link.send(0, tick)) arrived.add(tick);
  }
  assert.equal(youngest, 6);
  assert.ok(arrived.size < 900, `${arrived.size} of 1,000 arrived`);
  assert.deepEqual(
    [...told].filter((tick) => !arrived.has(tick)),
    [],
  );
  assert.deepEqual(
    [...arrived].filter((tick) => tick < 960 && !told.has(tick)),
    [],
  );
});

test("The same seed loses the same", () => {
  const arrivals = (seed: number): boolean[] => {
    const link = new Link(1, { roundTripMs: 100, loss: 0.5, ticksPerSecond: 30 }, seed);
    return Array.from({ length: 64 }, (_, tick) => link.send(0, tick));
  };
  assert.deepEqual(arrivals(3), arrivals(3));
  assert.notDeepEqual(arrivals(3), arrivals(4));
});
