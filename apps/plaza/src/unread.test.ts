import assert from "node:assert/strict";
import { test } from "node:test";
import { began, EMPTY_LOG, received, type RoomLog } from "./room-log.ts";
import { badge, unreadCount } from "./unread.ts";

function logWith(from: number, to: number, user = "omar"): RoomLog {
  const publications = Array.from({ length: to - from + 1 }, (_, i) => ({
    offset: from + i,
    at: 0,
    user,
    data: null,
    json: "null",
  }));
  const log = began(EMPTY_LOG, { epoch: "e", head: to, oldest: 1 });
  return received(log, publications, "me", { limit: 500, isHeld: false });
}

test("what others wrote after the mark is unread", () => {
  assert.equal(unreadCount(logWith(1, 9), { epoch: "e", offset: 7 }, "me"), 2);
  assert.equal(unreadCount(logWith(1, 9), { epoch: "e", offset: 9 }, "me"), 0);
  assert.equal(unreadCount(logWith(1, 9, "me"), { epoch: "e", offset: 7 }, "me"), 0);
});

test("a room never seen asks for nothing", () => {
  assert.equal(unreadCount(logWith(1, 9), undefined, "me"), 0);
  assert.equal(unreadCount(EMPTY_LOG, { epoch: "e", offset: 1 }, "me"), 0);
});

test("what is not loaded counts too, before and after the window", () => {
  assert.equal(unreadCount(logWith(51, 100), { epoch: "e", offset: 40 }, "me"), 60);
  const away = { ...logWith(51, 100), head: 130, isAtHead: false };
  assert.equal(unreadCount(away, { epoch: "e", offset: 100 }, "me"), 30);
});

test("what the server no longer keeps is not unread", () => {
  assert.equal(unreadCount({ ...logWith(51, 100), oldest: 51 }, { epoch: "e", offset: 3 }, "me"), 50);
});

test("a new log is unread from its beginning", () => {
  assert.equal(unreadCount(logWith(1, 4), { epoch: "earlier", offset: 300 }, "me"), 4);
});

test("a badge has at most three characters", () => {
  assert.deepEqual([1, 99, 100, 5_000].map(badge), ["1", "99", "99+", "99+"]);
});
