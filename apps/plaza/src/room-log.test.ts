import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Publication } from "./link.ts";
import {
  acknowledged,
  began,
  discarded,
  EMPTY_LOG,
  extended,
  hasOlder,
  jumped,
  missed,
  received,
  refused,
  rested,
  retried,
  ROOM_MESSAGES,
  type RoomLog,
  said,
} from "./room-log.ts";

const me = { user: "me", name: "Ana" };
const atEnd = { limit: ROOM_MESSAGES, isHeld: false };

function publication(offset: number, user = "omar", text = `message ${offset}`): Publication {
  return {
    offset,
    at: offset * 1_000,
    user,
    info: { name: user },
    data: { text },
    json: JSON.stringify({ text }),
  };
}

function publications(from: number, to: number): Publication[] {
  return Array.from({ length: to - from + 1 }, (_, i) => publication(from + i));
}

const offsets = (log: RoomLog) => log.entries.map((entry) => entry.offset);
const numbers = (from: number, to: number) => publications(from, to).map(({ offset }) => offset);

function logWith(from: number, to: number, oldest = 1): RoomLog {
  const log = began(EMPTY_LOG, { epoch: "e", head: to, oldest });
  return received(log, publications(from, to), me.user, atEnd);
}

describe("merging", () => {
  test("publications in any order, any of them twice, are each there once and in order", () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.integer({ min: 1, max: 60 }))), (batches) => {
        let log = began(EMPTY_LOG, { epoch: "e", head: 0, oldest: 1 });
        for (const batch of batches) {
          log = received(
            log,
            batch.map((offset) => publication(offset)),
            me.user,
            atEnd,
          );
        }
        const expected = [...new Set(batches.flat())].sort((a, b) => a - b);
        assert.deepEqual(offsets(log), expected);
      }),
    );
  });

  test("an acknowledged message and its publication are one entry, whichever comes first", () => {
    const own = publication(4, "me", "hola");
    const start = said(logWith(1, 3), { key: "k", text: "hola", at: 1 });
    const place = { epoch: "e", offset: 4 };

    const ackFirst = received(acknowledged(start, "k", place, me, atEnd), [own], "me", atEnd);
    const pushFirst = acknowledged(received(start, [own], "me", atEnd), "k", place, me, atEnd);
    for (const log of [ackFirst, pushFirst]) {
      assert.deepEqual(offsets(log), [1, 2, 3, 4]);
      assert.deepEqual(log.pending, []);
      assert.equal(log.entries.at(-1)?.at, own.at, "the server's time counts");
    }
  });

  test("an acknowledgement that overtakes others' messages leaves room for them", () => {
    const start = said(logWith(1, 3), { key: "k", text: "hola", at: 1 });
    const log = acknowledged(start, "k", { epoch: "e", offset: 6 }, me, atEnd);
    assert.deepEqual(offsets(received(log, publications(4, 5), "me", atEnd)), [1, 2, 3, 4, 5, 6]);
  });

  test("two equal messages of one's own are two", () => {
    let log = said(logWith(1, 1), { key: "a", text: "hola", at: 1 });
    log = said(log, { key: "b", text: "hola", at: 2 });
    log = received(log, [publication(2, "me", "hola")], "me", atEnd);
    assert.deepEqual(
      log.pending.map(({ seenAs }) => seenAs),
      [2, undefined],
    );
    log = received(log, [publication(3, "me", "hola")], "me", atEnd);
    assert.deepEqual(
      log.pending.map(({ seenAs }) => seenAs),
      [2, 3],
    );
  });

  test("the same publication again does not settle a second message", () => {
    let log = said(logWith(1, 1), { key: "a", text: "hola", at: 1 });
    log = said(log, { key: "b", text: "hola", at: 2 });
    for (let i = 0; i < 2; i++) log = received(log, [publication(2, "me", "hola")], "me", atEnd);
    assert.deepEqual(
      log.pending.map(({ seenAs }) => seenAs),
      [2, undefined],
    );
  });

  test("an acknowledgement from a log this page does not have yet adds nothing to this one", () => {
    const start = said(logWith(1, 3), { key: "k", text: "hola", at: 1 });
    const log = acknowledged(start, "k", { epoch: "other", offset: 1 }, me, atEnd);
    assert.deepEqual(offsets(log), [1, 2, 3]);
    assert.deepEqual(log.pending, []);
  });
});

describe("a message that fails", () => {
  test("stays with the reason, can be sent again or discarded", () => {
    const start = said(EMPTY_LOG, { key: "k", text: "hola", at: 1 });
    const failed = refused(start, "k", "too large");
    assert.equal(failed.pending[0]?.problem, "too large");
    assert.equal(retried(failed, "k").pending[0]?.problem, undefined);
    assert.deepEqual(discarded(failed, "k").pending, []);
  });

  test("is no failure if its publication has been seen", () => {
    const start = said(logWith(1, 1), { key: "k", text: "hola", at: 1 });
    const seen = received(start, [publication(2, "me", "hola")], "me", atEnd);
    assert.deepEqual(refused(seen, "k", "interrupted").pending, []);
  });
});

describe("the window", () => {
  test("holds at most its limit and drops the oldest at the end of the log", () => {
    assert.equal(logWith(1, ROOM_MESSAGES).entries.length, ROOM_MESSAGES);
    const log = logWith(1, ROOM_MESSAGES + 1);
    assert.deepEqual(offsets(log), numbers(2, ROOM_MESSAGES + 1));
    assert.ok(hasOlder(log));
  });

  test("keeps what somebody reads, and counts what comes meanwhile", () => {
    const log = received(
      logWith(1, ROOM_MESSAGES),
      publications(ROOM_MESSAGES + 1, ROOM_MESSAGES + 9),
      "me",
      {
        limit: ROOM_MESSAGES,
        isHeld: true,
      },
    );
    assert.deepEqual(offsets(log), numbers(1, ROOM_MESSAGES));
    assert.equal(log.isAtHead, false);
    assert.equal(log.head, ROOM_MESSAGES + 9);
  });

  test("moves up with older pages and down again with newer ones, never with a hole", () => {
    const page = (from: number, to: number) => ({
      epoch: "e",
      head: 700,
      oldest: 1,
      publications: publications(from, to),
    });
    let log = logWith(201, 700);
    log = extended(log, page(151, 200), "older");
    assert.deepEqual(offsets(log), numbers(151, 650));
    assert.equal(log.isAtHead, false);
    log = received(log, [publication(701)], "me", atEnd);
    assert.deepEqual(offsets(log), numbers(151, 650), "what is far below is not appended");
    log = extended(log, { ...page(651, 701), head: 701 }, "newer");
    assert.deepEqual(offsets(log), numbers(202, 701));
    assert.equal(log.isAtHead, true);
  });

  test("jumps to the newest page", () => {
    const held = extended(
      logWith(201, 700),
      { epoch: "e", head: 700, oldest: 1, publications: publications(151, 200) },
      "older",
    );
    const log = jumped(held, { epoch: "e", head: 720, oldest: 5, publications: publications(671, 720) });
    assert.deepEqual(offsets(log), numbers(671, 720));
    assert.equal(log.isAtHead, true);
  });

  test("knows when the server has nothing older", () => {
    assert.equal(hasOlder(EMPTY_LOG), false);
    assert.equal(hasOlder(logWith(1, 5)), false);
    assert.equal(hasOlder(logWith(5, 9, 5)), false);
    assert.equal(hasOlder(logWith(5, 9, 4)), true);
    const empty = extended(logWith(5, 9, 4), { epoch: "e", head: 9, oldest: 4, publications: [] }, "older");
    assert.equal(hasOlder(empty), false, "an empty page ends the asking, whatever it claims");
  });

  test("of a room in the background is smaller, and begins at the end when it had been scrolled away", () => {
    assert.deepEqual(offsets(rested(logWith(1, 300), 100)), numbers(201, 300));
    const away = { ...logWith(1, 300), isAtHead: false };
    assert.deepEqual(offsets(rested(away, 100)), []);
  });

  test("ignores a page of another log", () => {
    const log = logWith(5, 9, 1);
    const page = { epoch: "other", head: 4, oldest: 1, publications: publications(1, 4) };
    assert.equal(extended(log, page, "older"), log);
    assert.equal(jumped(log, page), log);
  });
});

describe("losses", () => {
  test("a gap is kept once, in order", () => {
    let log = missed(logWith(1, 3), { from: 20, to: 31 });
    log = missed(log, { from: 4, to: 9 });
    log = missed(log, { from: 20, to: 31 });
    assert.deepEqual(log.gaps, [
      { from: 4, to: 9 },
      { from: 20, to: 31 },
    ]);
  });

  test("another epoch keeps what is on the page apart from the new log, and what waits goes on waiting", () => {
    let log = said(logWith(1, 3), { key: "k", text: "hola", at: 1 });
    log = began(log, { epoch: "f", head: 0, oldest: 1 });
    assert.deepEqual(
      log.past.map(({ offset }) => offset),
      [1, 2, 3],
    );
    assert.deepEqual(log.entries, []);
    assert.equal(log.pending.length, 1);
    log = received(log, publications(1, 2), "me", atEnd);
    assert.deepEqual(offsets(log), [1, 2]);
    assert.equal(log.past.length, 3);
  });

  test("the same epoch again changes nothing", () => {
    const log = logWith(1, 3);
    assert.deepEqual(began(log, { epoch: "e", head: 3, oldest: 1 }), log);
  });

  test("what is left of a lost log makes room for the new one first", () => {
    let log = began(logWith(1, ROOM_MESSAGES), { epoch: "f", head: 0, oldest: 1 });
    assert.equal(log.past.length, ROOM_MESSAGES);
    log = received(log, publications(1, 10), "me", atEnd);
    assert.equal(log.past.length, ROOM_MESSAGES - 10);
    assert.equal(log.entries.length, 10);
  });
});
