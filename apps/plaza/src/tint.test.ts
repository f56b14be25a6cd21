import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { lookOf, TINTS } from "./tint.ts";

test("a user always looks the same", () => {
  assert.deepEqual(lookOf("guest-abc"), lookOf("guest-abc"));
});

test("users are spread over all tints, and the two colours of a tile differ", () => {
  const tints = new Set<number>();
  for (let i = 0; i < 200; i++) {
    const look = lookOf(`guest-${i}`);
    tints.add(look.tint);
    assert.notEqual(look.tint, look.second);
  }
  assert.equal(tints.size, TINTS);
});

test("the style sheet has every tint, twice", () => {
  const sheet = readFileSync(new URL("styles/tints.css", import.meta.url), "utf8");
  for (let tint = 0; tint < TINTS; tint++) {
    assert.ok(sheet.includes(`[data-tint="${tint}"]`));
    assert.ok(sheet.includes(`[data-second="${tint}"]`));
  }
});
