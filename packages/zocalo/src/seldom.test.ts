import assert from "node:assert/strict";
import { test } from "node:test";
import { Seldom } from "./seldom.ts";

test("one is told for each interval, with the number of those that were kept back", () => {
  const seldom = new Seldom(100);
  const told: number[] = [];
  for (const nowMs of [0, 1, 50, 99, 100, 150, 200, 1_000]) seldom.tell((kept) => told.push(kept), nowMs);
  assert.deepEqual(told, [0, 3, 1, 0]);
});
