import assert from "node:assert/strict";
import { test } from "node:test";
import type { PresenceAnswer } from "@zocalo/protocol";
import { encodePresence, showUsers } from "./encode.ts";

test("a page of presence takes as many bytes as it may, and with one byte less has a user less", () => {
  const users = ["ana", "beñ", "漢字"].map((user, index) => ({ user, since: index + 1, connections: 1 }));
  const page = { version: 9, total: 3, users };
  const shown = (bytes: number): number => {
    const limits = { users: 10, bytes, mostBytes: 65_536 };
    const text = encodePresence({ id: 1 }, "c:x", page, limits, showUsers);
    assert.ok(Buffer.byteLength(text) <= bytes || bytes < 160, `${bytes}: ${text}`);
    const answer = JSON.parse(text) as PresenceAnswer;
    assert.equal(answer.next, answer.users.length < 3 ? answer.users.length : undefined);
    return answer.users.length;
  };
  const counts = Array.from({ length: 300 }, (_, bytes) => shown(bytes));
  assert.deepEqual([...new Set(counts)], [1, 2, 3], "one at least, and never fewer with more room");
});
