import assert from "node:assert/strict";
import { test } from "node:test";
import { textMemory } from "./text-memory.ts";

test("plain text takes a byte for each character, any other two", () => {
  assert.equal(textMemory(""), 0);
  assert.equal(textMemory("hola"), 4);
  assert.equal(textMemory(`${"a".repeat(999)}漢`), 2000);
  assert.equal(textMemory("😀"), 4);
  assert.equal(textMemory("\ud800"), 2);
});
