import assert from "node:assert/strict";
import { test } from "node:test";
import { EndOfTurn, type Flushable } from "./end-of-turn.ts";

/** Targets that each take so long, and a loop whose turns a test makes. */
function open(eachMs: number) {
  let now = 0;
  const turns: (() => void)[] = [];
  const flushed: string[] = [];
  const end = new EndOfTurn(
    () => now,
    (run) => turns.push(run),
  );
  const target = (name: string, then: () => void = () => undefined): Flushable => ({
    flush() {
      now += eachMs;
      flushed.push(name);
      then();
    },
  });
  const add = (name: string, then?: () => void): void => end.add(target(name, then));
  const addLate = (given: Flushable): void => end.addLate(given);
  const turn = (): string[] => {
    flushed.length = 0;
    for (const run of turns.splice(0)) run();
    return [...flushed];
  };
  return { add, addLate, target, turn, turns };
}

const named = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}`);

test("what is due in a turn is flushed together, in order", () => {
  const { add, turn, turns } = open(0);
  for (const name of named(1, 1_000)) add(name);
  assert.equal(turns.length, 1);
  assert.deepEqual(turn(), named(1, 1_000));
  assert.equal(turns.length, 0);
});

test("what would take too long is late: it goes on in the next turns, behind what is due then", () => {
  const { add, turn, turns } = open(1);
  for (const name of named(1, 300)) add(name);
  assert.deepEqual(turn(), named(1, 64));
  add("new");
  assert.equal(turns.length, 1);
  assert.deepEqual(turn(), ["new", ...named(65, 128)]);
  for (const name of named(1_001, 1_064)) add(name);
  assert.deepEqual(turn(), [...named(1_001, 1_064), ...named(129, 192)], "those that are late go on, too");
  assert.deepEqual([...turn(), ...turn()], named(193, 300));
  assert.equal(turns.length, 0, "nothing is left");
  add("again");
  assert.deepEqual(turn(), ["again"]);
});

test("what becomes due while others are flushed comes in the next turn", () => {
  const { add, turn } = open(1);
  add("1", () => add("2"));
  assert.deepEqual(turn(), ["1"]);
  assert.deepEqual(turn(), ["2"]);
  for (const name of named(1, 100)) add(name, name === "80" ? () => add("from 80") : undefined);
  assert.deepEqual(turn(), named(1, 64));
  assert.deepEqual(turn(), named(65, 100));
  assert.deepEqual(turn(), ["from 80"]);
});

test("one that throws keeps none of the others", () => {
  const { add, turn, turns } = open(1);
  const broken = (): never => {
    throw new Error("broken");
  };
  add("1", broken);
  for (const name of named(2, 100)) add(name, name === "90" ? broken : undefined);
  assert.throws(turn, /broken/);
  assert.deepEqual(turn(), named(2, 65));
  assert.throws(turn, /broken/);
  assert.deepEqual(turn(), named(91, 100));
  assert.equal(turns.length, 0);
});

test("what may be late comes behind what is due, in later turns, too, and is there once", () => {
  const { add, addLate, target, turn, turns } = open(1);
  const crowd = named(1, 100).map((name) => target(name));
  for (const each of crowd) addLate(each);
  add("answer");
  assert.deepEqual(turn(), ["answer", ...named(1, 64)]);
  for (const each of crowd) addLate(each);
  add("another");
  assert.deepEqual(turn(), ["another", ...named(65, 100), ...named(1, 28)]);
  assert.deepEqual([...turn(), ...turn()], named(29, 64));
  assert.equal(turns.length, 0, "nothing is left");
});
