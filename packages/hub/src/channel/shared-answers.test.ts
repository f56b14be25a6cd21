import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock, settle } from "../../test/fake-clock.ts";
import { SharedAnswers } from "./shared-answers.ts";

function make(length: number) {
  const clock = new FakeClock();
  const answers = new SharedAnswers<string>(clock, (answer) => answer.length, 4_000_000);
  let made = 0;
  const ask = async (question: string, state = "now"): Promise<number> => {
    const before = made;
    await answers.get(question, state, async () => {
      made++;
      return "x".repeat(length);
    });
    await settle();
    return made - before;
  };
  return { clock, answers, ask };
}

test("what nobody asks for any more is forgotten", async () => {
  const { clock, answers, ask } = make(10);
  await ask("1");
  clock.advance(500);
  await ask("2");
  clock.advance(1_499);
  assert.equal(answers.length, 1_010);
  clock.advance(1_000);
  assert.equal(answers.length, 0);
  assert.equal(clock.nextAt, undefined, "no timer is left");
});

test("answers of 4,000,000 characters are kept, with a thousand for each, and one more drives out the oldest", async () => {
  const { answers, ask } = make(999_000);
  for (const question of ["1", "2", "3", "4"]) assert.equal(await ask(question), 1);
  assert.equal(answers.length, 4_000_000);
  for (const question of ["1", "2", "3", "4"]) assert.equal(await ask(question), 0);
  assert.equal(await ask("5"), 1);
  assert.equal(answers.length, 4_000_000);
  assert.equal(await ask("1"), 1);
  assert.equal(await ask("3"), 0);
});

test("one that is larger than all may be is given, and not kept", async () => {
  const { answers, ask } = make(3_999_001);
  assert.equal(await ask("1"), 1);
  assert.equal(answers.length, 0);
  assert.equal(await ask("1"), 1);
});

test("what is a second old, or of another state, is made anew and counts once", async () => {
  const { clock, answers, ask } = make(10);
  await ask("1");
  clock.advance(999);
  assert.equal(await ask("1"), 0);
  assert.equal(await ask("1", "later"), 1);
  await ask("2");
  assert.equal(answers.length, 2_020);
  clock.advance(1_000);
  await ask("3");
  assert.equal(answers.length, 1_010, "no longer kept");
});

test("one that failed is asked for anew", async () => {
  const { answers, ask } = make(10);
  await assert.rejects(answers.get("1", "now", () => Promise.reject(new Error("no"))));
  await settle();
  assert.equal(await ask("1"), 1);
  assert.equal(answers.length, 1_010);
});
