import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MARKS_LIMIT,
  type Memory,
  recallMarks,
  recallName,
  rememberMark,
  rememberName,
  secretToken,
} from "./identity.ts";

function memory(): Memory & { readonly items: Map<string, string> } {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
  };
}

const forbidden: Memory = {
  getItem: () => {
    throw new Error("denied");
  },
  setItem: () => {
    throw new Error("denied");
  },
};

test("the token is 128 random bits, made once and kept", () => {
  const storage = memory();
  const token = secretToken(storage);
  assert.match(token, /^[0-9a-f]{32}$/);
  assert.equal(secretToken(storage), token);
  assert.notEqual(secretToken(memory()), token);
});

test("a token that is none is replaced", () => {
  const storage = memory();
  storage.items.set("plaza.token", "1");
  assert.match(secretToken(storage), /^[0-9a-f]{32}$/);
});

test("a name is remembered", () => {
  const storage = memory();
  assert.equal(recallName(storage), undefined);
  rememberName(storage, "Ana");
  assert.equal(recallName(storage), "Ana");
});

test("read marks are remembered, the latest of too many", () => {
  const storage = memory();
  for (let i = 0; i <= MARKS_LIMIT; i++) rememberMark(storage, `r${i}`, { epoch: "e", offset: i });
  const recalled = recallMarks(storage);
  assert.equal(recalled.size, MARKS_LIMIT);
  assert.equal(recalled.has("r0"), false);
  assert.deepEqual(recalled.get("r9"), { epoch: "e", offset: 9 });
});

test("a mark that another tab has set further stays, and another log's replaces it", () => {
  const storage = memory();
  rememberMark(storage, "r", { epoch: "e", offset: 9 });
  rememberMark(storage, "r", { epoch: "e", offset: 3 });
  assert.deepEqual(recallMarks(storage).get("r"), { epoch: "e", offset: 9 });
  rememberMark(storage, "r", { epoch: "f", offset: 3, followsLoss: true });
  assert.deepEqual(recallMarks(storage).get("r"), { epoch: "f", offset: 3, followsLoss: true });
});

test("what somebody else wrote into the storage is ignored", () => {
  for (const stored of ["{", "1", "null", '[[1,"e",2],["a",3,4],["a","e","5"],"x",null]']) {
    const storage = memory();
    storage.items.set("plaza.read", stored);
    assert.equal(recallMarks(storage).size, 0, stored);
  }
});

test("a browser that refuses storage still has a user, for this visit", () => {
  assert.match(secretToken(forbidden), /^[0-9a-f]{32}$/);
  assert.equal(recallName(forbidden), undefined);
  rememberName(forbidden, "Ana");
});
