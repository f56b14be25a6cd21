import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "./outbox.ts";

/** One in which these wait. */
function waiting(...said: string[]): Outbox {
  const outbox = new Outbox("log");
  for (const one of said) outbox.say(one, () => false);
  return outbox;
}

/** What is told on, by number. */
function told(outbox: Outbox): unknown[] {
  const all: unknown[] = [];
  outbox.go((number, text) => all.push([number, JSON.parse(text)]) > 0);
  return all;
}

test("what is saved are the newest, of as many characters as may be, and none in part", () => {
  const outbox = waiting("a", "bb", "ccc"); // As JSON 3, 4 and 5 characters.
  const saved = (characters: number) => outbox.save(characters).texts;
  assert.deepEqual(saved(12), ['"a"', '"bb"', '"ccc"']);
  assert.deepEqual(saved(11), ['"bb"', '"ccc"']);
  assert.deepEqual(saved(5), ['"ccc"']);
  assert.deepEqual([saved(4), saved(0)], [[], []]);
  const all = [1, 2, 3].map((number, index) => [number, ["a", "bb", "ccc"][index]]);
  assert.deepEqual(told(outbox), all, "it is as it was");
});

test("what was saved is told before what is said later, and by the same numbers", () => {
  for (const [characters, expected] of [
    [
      99,
      [
        [1, "a"],
        [2, "bb"],
        [3, "c"],
      ],
    ],
    [
      4,
      [
        [2, "bb"],
        [3, "c"],
      ],
    ],
    [0, [[3, "c"]]],
  ] as const) {
    const outbox = Outbox.restore(waiting("a", "bb").save(characters), "other");
    outbox.say("c", () => false);
    assert.deepEqual(told(outbox), expected);
  }
});

test("of what waits the last 64 are kept, of 262,144 characters together, or a longer one alone", () => {
  const many = waiting(...Array.from({ length: 65 }, (_, index) => `${index}`));
  assert.deepEqual(told(many).slice(0, 2), [
    [2, "1"],
    [3, "2"],
  ]);
  const half = "x".repeat(131_070); // As JSON 131,072 characters.
  assert.equal(told(waiting(half, half)).length, 2);
  assert.equal(told(waiting(half, `${half}y`)).length, 1);
  assert.equal(told(waiting("x".repeat(300_000))).length, 1);
});

test("an event of 1,048,512 characters is taken, and a longer one refused at once, though nobody is there", () => {
  const outbox = waiting("x".repeat(1_048_510));
  const longer = "x".repeat(1_048_511);
  assert.throws(() => outbox.say(longer, () => false), { name: "ProtocolError", code: "too_large" });
  assert.equal(told(outbox).length, 1);
});

test("of what a connection has taken 16,384 characters are kept, and told again to who has not heard them", () => {
  const half = "x".repeat(8_190);
  for (const [last, from] of [
    [half, 1],
    [`${half}y`, 2],
  ] as const) {
    const outbox = new Outbox("log");
    for (const data of [half, last]) outbox.say(data, () => true);
    assert.equal(outbox.rejoin({ log: "log", number: 0 }), from - 1);
    assert.deepEqual(told(outbox).length, 3 - from);
  }
});

test("who comes back is told after what they have heard; who has heard another log is told what waits", () => {
  const outbox = new Outbox("log");
  for (const data of ["a", "b"]) outbox.say(data, () => true);
  outbox.say("c", () => false);
  assert.equal(outbox.rejoin({ log: "other", number: 0 }), 2);
  assert.equal(outbox.rejoin(undefined), 2);
  assert.equal(outbox.rejoin({ log: "log", number: 1 }), 1);
  assert.deepEqual(told(outbox), [
    [2, "b"],
    [3, "c"],
  ]);
  for (const number of [-5, 99, Number.MAX_SAFE_INTEGER]) {
    assert.equal(outbox.rejoin({ log: "log", number }), number < 0 ? 0 : 3);
  }
});

test("whose answer was lost is told again what came after it, and who loads the page again is not", () => {
  const outbox = waiting("a");
  for (const [log, after] of [
    ["other", 0],
    ["other", 0],
    ["of another page", 1],
    ["other", 1],
  ] as const) {
    assert.equal(outbox.rejoin({ log, number: 0 }), after, log);
    assert.equal(told(outbox).length, 1 - after);
  }
  assert.equal(outbox.rejoin(undefined), 1);
  assert.equal(outbox.rejoin(undefined), 1);

  const moved = waiting("a");
  moved.rejoin({ log: "other", number: 0 });
  told(moved);
  assert.equal(Outbox.restore(moved.save(99), "new").rejoin({ log: "other", number: 0 }), 0);
});

test("who has heard what a crashed process said after a hand-over is told what is said in its stead", () => {
  const saved = waiting("a", "b").save(99);
  for (const said of [1, 9]) {
    const outbox = Outbox.restore(saved, "other");
    for (let left = said; left > 0; left--) outbox.say("c", () => false);
    assert.equal(outbox.rejoin({ log: "log", number: 6 }), 2);
    assert.equal(outbox.log, "other", "it begins anew");
    assert.equal(told(outbox).length, said);
    assert.equal(outbox.rejoin({ log: "log", number: 6 }), 2, "the answer was lost");
    assert.equal(outbox.rejoin({ log: "other", number: 3 }), 3);
  }
});
