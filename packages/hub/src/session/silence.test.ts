import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fake-clock.ts";
import { Silence } from "./silence.ts";

function begin() {
  const clock = new FakeClock();
  const told: string[] = [];
  const peer = {
    isHeldBack: false,
    quiet: () => told.push("quiet"),
    silent: () => told.push("silent"),
    back: () => told.push("back"),
  };
  return { clock, told, peer, silence: new Silence(peer, clock, 1_000) };
}

test("whoever says nothing is quiet after the time, and silent after twice the time, once each", () => {
  const { clock, told } = begin();
  clock.advance(999);
  assert.deepEqual(told, []);
  clock.advance(1);
  assert.deepEqual(told, ["quiet"]);
  clock.advance(999);
  assert.deepEqual(told, ["quiet"]);
  clock.advance(1);
  assert.deepEqual(told, ["quiet", "silent"]);
  clock.advance(100_000);
  assert.deepEqual(told, ["quiet", "silent"]);
  assert.equal(clock.nextAt, undefined, "nothing is waited for");
});

test("a process that stood still asks, and waits for the answer as long as ever", () => {
  const { clock, told } = begin();
  clock.standStill(75_000);
  assert.deepEqual(told, ["quiet"]);
  clock.advance(999);
  assert.deepEqual(told, ["quiet"]);
  clock.advance(1);
  assert.deepEqual(told, ["quiet", "silent"]);
});

test("each word begins the time anew", () => {
  const { clock, told, silence } = begin();
  for (let count = 0; count < 10; count++) {
    clock.advance(999);
    silence.heard();
  }
  assert.deepEqual(told, []);
  clock.advance(1_500);
  silence.heard();
  clock.advance(999);
  assert.deepEqual(told, ["quiet"]);
  clock.advance(1);
  assert.deepEqual(told, ["quiet", "quiet"]);
});

test("who was silent and says something is back, and may be silent again", () => {
  const { clock, told, silence } = begin();
  clock.advance(2_000);
  clock.advance(60_000);
  silence.heard();
  silence.heard();
  assert.deepEqual(told, ["quiet", "silent", "back"]);
  clock.advance(2_000);
  assert.deepEqual(told.slice(3), ["quiet", "silent"]);
  silence.end();
});

test("who is held back here cannot be heard, and is not judged", () => {
  const { clock, told, peer } = begin();
  peer.isHeldBack = true;
  clock.advance(10_000);
  assert.deepEqual(told, []);
  peer.isHeldBack = false;
  clock.advance(2_000);
  assert.deepEqual(told, ["quiet", "silent"]);
});

test("after the end nothing is told", () => {
  const { clock, told, silence } = begin();
  silence.end();
  clock.advance(10_000);
  assert.deepEqual(told, []);
  assert.equal(clock.nextAt, undefined);
});
