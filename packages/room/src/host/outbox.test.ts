import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "./outbox.ts";

/** One in which these wait. */
function waiting(...said: string[]): Outbox {
  const outbox = new Outbox();
  for (const one of said) outbox.say(one, () => false);
  return outbox;
}

function told(outbox: Outbox): unknown[] {
  const all: unknown[] = [];
  outbox.go((data) => all.push(data) > 0);
  return all;
}

test("what is saved are the newest, of as many characters as may be, and none in part", () => {
  const outbox = waiting("a", "bb", "ccc"); // As JSON 3, 4 and 5 characters.
  assert.deepEqual(outbox.save(12), ['"a"', '"bb"', '"ccc"']);
  assert.deepEqual(outbox.save(11), ['"bb"', '"ccc"']);
  assert.deepEqual(outbox.save(5), ['"ccc"']);
  assert.deepEqual([outbox.save(4), outbox.save(0)], [[], []]);
  assert.deepEqual(told(outbox), ["a", "bb", "ccc"], "it is as it was");
});

test("what was saved is told before what is said later, and counts for what may wait", () => {
  const outbox = new Outbox();
  outbox.restore(waiting("a", "b").save(99));
  outbox.say("c", () => assert.fail("it was told before the others"));
  assert.deepEqual(told(outbox), ["a", "b", "c"]);
  outbox.restore(waiting("x".repeat(262_140)).save(300_000));
  outbox.say("y", () => false);
  assert.deepEqual([outbox.dropped, told(outbox)], [1, ["y"]]);
});
