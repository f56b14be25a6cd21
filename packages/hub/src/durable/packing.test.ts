import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer, Request } from "./messages.ts";
import { packBatch, packOutcome, unpackBatch, unpackOutcome } from "./packing.ts";

const retention = { publications: 9, bytes: 99, ttlMs: 999, keyMs: 0 };
const requests: readonly Request[] = [
  { kind: "open", channel: "a" },
  {
    kind: "publish",
    channel: "",
    publication: { user: "", info: undefined, data: "", key: undefined, address: undefined },
    retention,
  },
  {
    kind: "publish",
    channel: "b",
    publication: { user: "u", info: "{}", data: new Uint8Array([1, 2]), key: "k", address: "192.0.2.1" },
    retention: { ...retention, publications: 0 },
  },
  { kind: "read", channel: "b", after: 0, limit: 1 },
  { kind: "release", channel: "a" },
  { kind: "tidy" },
];
const answers: readonly Answer[] = [
  { kind: "state", state: { epoch: "e", head: 1, oldest: 1 } },
  { kind: "committed", committed: { epoch: "e", offset: 2, at: 3, duplicate: false } },
  { kind: "committed", committed: { epoch: "e", offset: 1, at: 2, duplicate: true } },
  { kind: "page", page: { epoch: "e", head: 1, oldest: 1, publications: [] } },
  { kind: "failed", code: "limit_reached", message: "full" },
  { kind: "done", isMoreToDo: false },
];

test("a batch comes out as it went in", () => {
  for (const some of [requests, [], requests.toReversed()]) {
    const batch = { now: { wall: 1, uptime: 2 }, requests: some };
    assert.deepEqual(unpackBatch(structuredClone(packBatch(batch))), batch);
  }
});

test("so does what it came to", () => {
  for (const some of [answers, [], answers.toReversed()]) {
    const state = { epoch: "f", head: 0, oldest: 1 };
    const replaced = [{ index: 1, channel: "c", state }];
    const outcome = { replaced, notices: ["n"], trouble: "full", answers: some };
    assert.deepEqual(unpackOutcome(structuredClone(packOutcome(outcome))), outcome);
  }
});
