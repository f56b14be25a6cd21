import assert from "node:assert/strict";
import { test } from "node:test";
import { LINKS, linkModels } from "./links.ts";
import { type NetFigures, NetRing, SAMPLE_MS, SAMPLES } from "./net-figures.ts";

function figures(roundTripMs: number): NetFigures {
  return {
    roundTripMs,
    jitterMs: 3,
    lossShare: 0,
    bytesInPerSecond: 9_000,
    bytesOutPerSecond: 2_000,
    predictionErrorUnits: 0.01,
    tickLatenessMs: 1,
    carrier: "webrtc",
    inputDepth: 2,
  };
}

test("a ring keeps one sample for each tenth of a second, the first that is offered", () => {
  const ring = new NetRing();
  let told = 0;
  const end = ring.onSample(() => told++);
  for (let frame = 0; frame < 60; frame++) ring.offer(5_000 + (frame * 1_000) / 60, figures(frame));
  assert.equal(told, 10);
  assert.deepEqual(
    Array.from({ length: 10 }, (_, ago) => ring.at("roundTripMs", ago)),
    [54, 48, 42, 36, 30, 24, 18, 12, 6, 0],
  );
  assert.ok(Number.isNaN(ring.at("roundTripMs", 10)));
  assert.equal(ring.figures?.roundTripMs, 54);
  end();
  ring.offer(9_000, figures(1));
  assert.equal(told, 10);
});

test("it forgets what is older than ten seconds, and what is asked beyond them is not there", () => {
  const ring = new NetRing();
  for (let i = 0; i < 250; i++) ring.offer(i * SAMPLE_MS, figures(i));
  assert.equal(ring.at("roundTripMs", 0), 249);
  assert.equal(ring.at("roundTripMs", SAMPLES - 1), 150);
  assert.equal(ring.most("roundTripMs"), 249);
  for (const ago of [-1, SAMPLES]) assert.ok(Number.isNaN(ring.at("roundTripMs", ago)));
  for (let i = 250; i < 250 + SAMPLES; i++) ring.offer(i * SAMPLE_MS, figures(7));
  assert.equal(ring.most("roundTripMs"), 7);
});

test("where nothing was offered there is a gap, however long it was", () => {
  const ring = new NetRing();
  assert.ok(Number.isNaN(ring.at("jitterMs", 0)));
  assert.equal(ring.most("jitterMs"), 0);
  for (let i = 0; i < 5; i++) ring.offer(i * SAMPLE_MS, figures(i));
  ring.offer(8 * SAMPLE_MS, figures(8));
  const seen = Array.from({ length: 9 }, (_, ago) => ring.at("roundTripMs", ago));
  assert.deepEqual(seen, [8, Number.NaN, Number.NaN, Number.NaN, 4, 3, 2, 1, 0]);
  ring.offer(1e9, figures(9));
  assert.equal(ring.most("roundTripMs"), 9);
  for (let ago = 1; ago < SAMPLES; ago++) assert.ok(Number.isNaN(ring.at("roundTripMs", ago)));
});

test("the far link takes 140 to 160 ms there and back, and loses one in twenty each way", () => {
  const { up, down } = linkModels("far", 1);
  let [lost, slowest, fastest] = [0, 0, Number.POSITIVE_INFINITY];
  for (let now = 0; now < 100_000; now += 10) {
    const [there] = up.datagram(100, now);
    const [back] = down.datagram(100, now);
    if (there === undefined) lost++;
    if (there === undefined || back === undefined) continue;
    slowest = Math.max(slowest, there + back - 2 * now);
    fastest = Math.min(fastest, there + back - 2 * now);
  }
  assert.ok(fastest >= 140 && slowest <= 160, `${fastest} to ${slowest} ms`);
  assert.ok(Math.abs(lost / 10_000 - 0.05) < 0.01, `${lost} of 10,000 lost`);
});

test("Wi-Fi in bursts holds everything, and lets it come at once", () => {
  const { down } = linkModels("bursts", 1);
  const arrivals = Array.from({ length: 100 }, (_, i) => down.datagram(100, 10_000 + i * 10)[0] ?? 0);
  const together = arrivals.filter((at) => at === 10_000 + LINKS.bursts.holdMs);
  assert.ok(together.length >= 16, `${together.length} came at once`);
  assert.equal(arrivals.filter((at) => at === 0).length, 0, "nothing is lost");
});
