import assert from "node:assert/strict";
import { test } from "node:test";
import { Seldom, seldomEach } from "./seldom.ts";

test("one is told for each interval, with the number of those that were kept back", () => {
  const seldom = new Seldom(100);
  const told: number[] = [];
  for (const nowMs of [0, 1, 50, 99, 100, 150, 200, 1_000]) seldom.tell((kept) => told.push(kept), nowMs);
  assert.deepEqual(told, [0, 3, 1, 0]);
});

test("the same error is told once for each interval, another one and what is no object each time", () => {
  const [same, other] = [new Error("same"), new Error("other")];
  const told: unknown[] = [];
  const tell = seldomEach((error, keptBack) => told.push([error, keptBack]));
  for (const error of [same, same, other, "text", "text", same]) tell(error, 0);
  tell(same, 60_000);
  assert.deepEqual(told, [
    [same, 0],
    [other, 0],
    ["text", 0],
    ["text", 0],
    [same, 2],
  ]);
});
