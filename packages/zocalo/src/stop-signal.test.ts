import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { StopSignals } from "./stop-signal.ts";

function setUp() {
  const source = new EventEmitter();
  const exits: number[] = [];
  const clock = { now: 1_000 };
  const signals = new StopSignals(
    source,
    (code) => exits.push(code),
    () => clock.now,
  );
  return { source, exits, clock, signals };
}

test("the first signal stops in order", async () => {
  const { source, exits, signals } = setUp();
  source.emit("SIGTERM");
  assert.equal(await signals.first, "SIGTERM");
  assert.deepEqual(exits, []);
});

test("a second one ends at once, with its own code", () => {
  const { source, exits, clock } = setUp();
  source.emit("SIGTERM");
  clock.now += 500;
  source.emit("SIGINT");
  source.emit("SIGTERM");
  assert.deepEqual(exits, [130, 143]);
});

test("the echo of a Ctrl-C that npm hands on is not a second one", () => {
  const { source, exits, clock } = setUp();
  source.emit("SIGINT");
  clock.now += 499;
  source.emit("SIGINT");
  assert.deepEqual(exits, []);
});

test("gives signals back to the runtime", () => {
  const { source, signals } = setUp();
  signals[Symbol.dispose]();
  assert.deepEqual([source.listenerCount("SIGINT"), source.listenerCount("SIGTERM")], [0, 0]);
});
