import assert from "node:assert/strict";
import { test } from "node:test";
import { ownText, textMemory } from "./text-memory.ts";

test("plain text takes a byte for each character, any other two", () => {
  assert.equal(textMemory(""), 0);
  assert.equal(textMemory("hola"), 4);
  assert.equal(textMemory(`${"a".repeat(999)}漢`), 2000);
  assert.equal(textMemory("😀"), 4);
  assert.equal(textMemory("\ud800"), 2);
});

test("a text of one's own is the same text", () => {
  for (const text of [
    "",
    "a",
    "hola",
    "a".repeat(13),
    "a".repeat(10_000),
    `${"a".repeat(20)}漢`,
    "\ud800".repeat(20),
  ]) {
    assert.equal(ownText(`(${text})`.slice(1, -1)), text);
  }
});
