import assert from "node:assert/strict";
import { test } from "node:test";
import { began, EMPTY_LOG, missed, received, type RoomLog, said } from "./room-log.ts";
import { dayLabel, GROUP_MS, type Row, timeline, type Viewpoint } from "./timeline.ts";

const me = { user: "me", name: "Ana" };
const noon = new Date(2026, 4, 20, 12).getTime();
const atEnd = { limit: 500, isHeld: false };
const view: Viewpoint = { me, unreadAfter: undefined, followsLoss: false, markOf: () => undefined };

interface Said {
  readonly user?: string;
  readonly at?: number;
  readonly text?: string;
}

function logOf(messages: readonly Said[], epoch = "e"): RoomLog {
  const log = began(EMPTY_LOG, { epoch, head: 0, oldest: 1 });
  return received(log, publications(messages), me.user, atEnd);
}

function publications(messages: readonly Said[]) {
  return messages.map(({ user = "omar", at = noon, text = "x" }, i) => ({
    offset: i + 1,
    at,
    user,
    data: { text },
    json: JSON.stringify({ text }),
  }));
}

/** Rows below the beginning in short: a kind, or for a message its user, with `+` when it begins a group. */
const short = (rows: readonly Row[]) =>
  rows
    .filter(({ kind }) => kind !== "beginning")
    .map((row) => (row.kind === "message" ? `${row.isFirst ? "+" : ""}${row.user}` : row.kind));

test("consecutive messages of one person stand under one name", () => {
  const rows = timeline(logOf([{}, {}, { user: "ines" }, {}]), view);
  assert.deepEqual(short(rows), ["day", "+omar", "omar", "+ines", "+omar"]);
});

test("after a pause the name is shown again", () => {
  const pause = (ms: number) => short(timeline(logOf([{}, { at: noon + ms }]), view));
  assert.deepEqual(pause(GROUP_MS - 1), ["day", "+omar", "omar"]);
  assert.deepEqual(pause(GROUP_MS), ["day", "+omar", "+omar"]);
});

test("a new day has its line, and begins a group", () => {
  const night = new Date(2026, 4, 20, 23, 59).getTime();
  const rows = timeline(logOf([{ at: night }, { at: night + 60_000 }]), view);
  assert.deepEqual(short(rows), ["day", "+omar", "day", "+omar"]);
});

test("the line for what is new stands before the first message of somebody else", () => {
  const log = logOf([{}, { user: "me" }, { user: "ines" }]);
  assert.deepEqual(short(timeline(log, { ...view, unreadAfter: 1 })), [
    "day",
    "+omar",
    "+me",
    "unread",
    "+ines",
  ]);
  assert.deepEqual(short(timeline(log, { ...view, unreadAfter: 3 })), ["day", "+omar", "+me", "+ines"]);
});

test("a message says which one of those who share a name has written it", () => {
  const rows = timeline(logOf([{}, { user: "ines" }]), {
    ...view,
    markOf: (user) => `of ${user}`,
  });
  const marks = rows.flatMap((row) => (row.kind === "message" ? [row.mark] : []));
  assert.deepEqual(marks, ["of omar", "of ines"]);
});

test("a gap is named where it is", () => {
  let log = logOf([{}]);
  log = missed(log, { from: 2, to: 31 });
  assert.deepEqual(short(timeline(log, view)), ["day", "+omar", "gap"]);
  log = received(
    log,
    [{ offset: 32, at: noon, user: "omar", data: { text: "y" }, json: '{"text":"y"}' }],
    "me",
    atEnd,
  );
  const rows = timeline(log, view);
  assert.deepEqual(short(rows), ["day", "+omar", "gap", "+omar"]);
  assert.deepEqual(rows[3], { kind: "gap", id: "gap-2", from: 2, to: 31 });
});

test("messages of a lost log stay above a line and have no offset any more", () => {
  let log = began(logOf([{ text: "before" }]), { epoch: "f", head: 0, oldest: 1 });
  log = received(log, publications([{ text: "after" }]), "me", atEnd);
  const rows = timeline(log, view);
  assert.deepEqual(short(rows), ["day", "+omar", "restart", "+omar"]);
  assert.deepEqual(
    rows.filter((row) => row.kind === "message").map((row) => row.offset),
    [undefined, 1],
  );
});

test("one's own message is there while it is on its way, and once when it has arrived", () => {
  let log = said(logOf([{}]), { key: "k", text: "hola", at: noon });
  assert.deepEqual(short(timeline(log, view)), ["day", "+omar", "+me"]);
  const waiting = timeline(log, view).at(-1);
  assert.ok(waiting?.kind === "message" && waiting.delivery === "pending" && waiting.isMine);
  log = received(
    log,
    [{ offset: 2, at: noon, user: "me", data: { text: "hola" }, json: '{"text":"hola"}' }],
    "me",
    atEnd,
  );
  assert.deepEqual(short(timeline(log, view)), ["day", "+omar", "+me"]);
});

test("the beginning says whether there was more before", () => {
  const first = (log: RoomLog, followsLoss = false) => {
    const row = timeline(log, { ...view, followsLoss })[0];
    return row?.kind === "beginning" ? row.what : row?.kind;
  };
  const log = logOf([{}]);
  assert.equal(first(logOf([])), "empty");
  assert.equal(first(log), "complete");
  assert.equal(first(log, true), "lost");
  assert.equal(first({ ...log, oldest: 9 }), "trimmed");
  const [entry] = log.entries;
  assert.ok(entry);
  assert.equal(first({ ...log, entries: [{ ...entry, offset: 7 }], head: 7 }), "older");
  assert.equal(first(EMPTY_LOG), undefined);
});

test("every row has its own id, and keeps it when others come", () => {
  let log = logOf([{}, { user: "ines" }, { at: noon + 86_400_000 }]);
  const before = timeline(log, { ...view, unreadAfter: 1 }).map(({ id }) => id);
  log = received(log, [{ offset: 4, at: noon + 86_400_000, user: "ines", data: 1, json: "1" }], "me", atEnd);
  const after = timeline(log, { ...view, unreadAfter: 1 }).map(({ id }) => id);
  assert.deepEqual(after.slice(0, -1), before);
  assert.equal(new Set(after).size, after.length);
});

test("a day is called today, yesterday or by its date", () => {
  assert.equal(dayLabel(noon, noon + 3_600_000), "Today");
  assert.equal(dayLabel(new Date(2026, 4, 19, 23).getTime(), noon), "Yesterday");
  assert.equal(dayLabel(new Date(2026, 0, 5).getTime(), noon), "Monday, January 5");
  assert.equal(dayLabel(new Date(2025, 0, 5).getTime(), noon), "Sunday, January 5, 2025");
});
