import assert from "node:assert/strict";
import { test } from "node:test";
import { findBroken } from "./checker.ts";
import type { Said } from "./history.ts";

const channel = "all:a";
const keepTwo = () => ({ publications: 2, ttlMs: 1_000_000 });

/** A history in which a millisecond passes from one entry to the next. */
function judge(...said: readonly Said[]): string {
  return (
    findBroken(
      said.map((one, at) => ({ ...one, at })),
      keepTwo,
    ) ?? "kept"
  );
}

const publish = (id: number): Said => ({ type: "publish", id, client: 1, channel, text: `"${id}"` });
const acked = (id: number, offset = id, epoch = "e"): Said => ({ type: "acked", id, epoch, offset });
const subscribe = (sub: number, since?: number): Said => ({
  type: "subscribe",
  sub,
  client: 2,
  user: "ana",
  channel,
  watches: true,
  ...(since === undefined ? {} : { since: { epoch: "e", offset: since } }),
});
const got = (sub: number, offset: number, text = `"${offset}"`, epoch = "e"): Said => ({
  type: "publication",
  sub,
  epoch,
  offset,
  text,
});
const gap = (sub: number, from: number, to: number): Said => ({
  type: "gap",
  sub,
  gap: { reset: false, epoch: "e", from, to },
});
const reset = (sub: number, offset: number): Said => ({
  type: "gap",
  sub,
  gap: { reset: true, epoch: "f", previous: { epoch: "e", offset } },
});
const three = [1, 2, 3].flatMap((id) => [publish(id), acked(id)]);
const page = (head: number, oldest = 1): Said => ({
  type: "page",
  channel,
  epoch: "e",
  head,
  oldest,
  publications: Array.from({ length: head - oldest + 1 }, (_, index) => ({
    offset: oldest + index,
    text: `"${oldest + index}"`,
  })),
});
const users = (...names: string[]): Said => ({ type: "users", sub: 1, users: names, total: names.length });

const opened = (client: number, disk = 7): Said => ({ type: "opened", client, disk });
const keptAndGone: readonly Said[] = [
  opened(1),
  { type: "publish", id: 1, client: 1, channel, text: '"1"', disk: 7 },
  { type: "kept", id: 1 },
  { type: "gone", client: 1 },
];

test("what its application publishes again, with a key of its own, is sent again though its outcome was unknown", () => {
  const text = '{"type":"publish","id":1,"channel":"all:a","key":"key-1","data":"1"}';
  const unknown: Said = { type: "failed", id: 1, code: "unknown_outcome" };
  assert.equal(
    judge(publish(1), unknown, { ...publish(2), text: '"1"' } as Said, { type: "command", conn: 1, text }),
    "kept",
  );
});

test("what keeps its word is not said to be broken", () => {
  assert.equal(
    judge(...three, subscribe(1, 0), gap(1, 1, 1), got(1, 2), got(1, 3), page(3, 2), users("ana"), {
      type: "calm",
    }),
    "kept",
  );
  assert.equal(judge(...three, subscribe(1, 3), { type: "lost", channel }, reset(1, 3)), "kept");
  assert.equal(judge(publish(1), publish(1), acked(1)), "kept", "asked twice, and published once");
  const left: Said = { type: "left", id: 1, client: 2 };
  assert.equal(judge(...keptAndGone, page(0), { type: "calm" }), "kept", "nobody has come");
  assert.equal(judge(...keptAndGone, opened(2), left, acked(1), page(1), { type: "calm" }), "kept");
});

for (const [name, expected, ...said] of [
  ["skipped", /^order/, ...three, subscribe(1, 0), got(1, 2)],
  ["came twice", /^order/, ...three, subscribe(1, 0), got(1, 1), got(1, 1)],
  ["came in another order", /^order/, ...three, subscribe(1, 1), got(1, 3)],
  ["came after the end", /^order/, ...three, subscribe(1, 0), { type: "ended", sub: 1 }, got(1, 1)],
  ["changed", /^content/, ...three, subscribe(1, 0), got(1, 1, '"2"')],
  ["changed by a space", /^content/, ...three, subscribe(1, 0), got(1, 1, '"1" ')],
  ["made up", /^content/, subscribe(1, 0), got(1, 1)],
  ["published twice", /^twice/, publish(1), acked(1), publish(1), acked(1, 2)],
  ["said to be lost while it is kept", /^gap/, ...three, subscribe(1, 1), gap(1, 2, 2), got(1, 3)],
  ["said to be lost where one was not", /^gap/, ...three, subscribe(1, 0), gap(1, 2, 2)],
  [
    "said to be lost before it could be",
    /^gap/,
    publish(1),
    acked(1),
    subscribe(1, 0),
    gap(1, 1, 1),
    publish(2),
    acked(2),
    publish(3),
    acked(3),
  ],
  ["reset without a loss", /^reset/, ...three, subscribe(1, 3), reset(1, 3)],
  [
    "another log without a word",
    /^reset/,
    ...three,
    { type: "lost", channel },
    subscribe(1, 3),
    publish(4),
    got(1, 1, '"4"', "f"),
  ],
  ["lost though it was kept", /^kept/, ...keptAndGone, opened(2), page(0), { type: "calm" }],
  ["left to another user", /^left/, ...keptAndGone, opened(2, 8), { type: "left", id: 1, client: 2 }],
  [
    "sent again though its outcome is unknown",
    /^again/,
    ...keptAndGone,
    opened(2),
    { type: "failed", id: 1, code: "unknown_outcome" },
    { type: "command", conn: 1, text: '{"type":"publish","id":1,"channel":"all:a","key":"k","data":"1"}' },
  ],
  [
    "recovered elsewhere",
    /^start/,
    ...three,
    subscribe(1, 1),
    { type: "recovered", sub: 1, since: { epoch: "e", offset: 2 } },
  ],
  ["acknowledged and gone", /^lost/, ...three, page(2), { type: "calm" }],
  [
    "never brought",
    /^lost/,
    ...three,
    subscribe(1, 1),
    got(1, 2),
    page(3, 2),
    users("ana"),
    { type: "calm" },
  ],
  ["never answered", /^answer/, publish(1), { type: "calm" }],
  ["a hole in a page", /^page/, ...three, { ...page(3), publications: [] } as Said],
  [
    "present and gone",
    /^presence/,
    ...three,
    subscribe(1, 3),
    users("ana", "ben"),
    page(3),
    { type: "calm" },
  ],
  ["another total", /^presence/, subscribe(1), { type: "users", sub: 1, users: ["ana"], total: 2 }],
  ["there and not present", /^presence/, ...three, subscribe(1, 3), users(), page(3), { type: "calm" }],
  ["ended by itself", /^end/, subscribe(1), { type: "ended", sub: 1, error: "internal" }],
] as const satisfies readonly (readonly [string, RegExp, ...Said[]])[]) {
  test(`the checker finds what is broken: ${name}`, () => {
    assert.match(judge(...said), expected);
  });
}

const wire = (type: "command" | "message", message: object): Said => ({
  type,
  conn: 1,
  text: JSON.stringify({ channel, ...message }),
});
const asked = (since?: number): Said =>
  wire("command", {
    type: "subscribe",
    id: 1,
    ...(since === undefined ? {} : { since: { epoch: "e", offset: since } }),
  });
const subscribed = (more: object): Said =>
  wire("message", { type: "subscribed", id: 1, epoch: "e", offset: 1, head: 3, recovered: true, ...more });
const pushed = (offset: number): Said =>
  wire("message", { type: "publication", offset, data: String(offset) });

/** Version 4, and of Ana and Ben alone. */
const withPeople = subscribed({
  presence: { version: 4, total: 2, users: ["ana", "ben"].map((user) => ({ user, connections: 1 })) },
});
const changed = (version: number, total: number, ...who: string[]): Said =>
  wire("message", {
    type: "changes",
    version,
    total,
    changes: who.map((one) => ({ type: one.startsWith("+") ? "join" : "leave", user: one.slice(1) })),
  });
const printedAgain: Said = {
  type: "message",
  conn: 1,
  text: `{"type":"publication","channel":"${channel}","offset":2,"data": "2"}`,
};

test("a connection that keeps the protocol is not said to break it", () => {
  assert.equal(judge(...three, asked(1), subscribed({}), pushed(2), pushed(3)), "kept");
  const told = [
    changed(5, 1, "+ana", "-ana"),
    changed(7, 3, "+eva", "+ana"),
    changed(12, 9),
    changed(13, 8, "-zoe"),
  ];
  assert.equal(judge(...three, asked(1), withPeople, ...told), "kept");
});

for (const [name, expected, ...said] of [
  ["a publication skipped", /^order/, asked(1), subscribed({}), pushed(3)],
  ["a text printed again", /^content/, asked(1), subscribed({}), printedAgain],
  ["a flow that nobody asked for", /^order/, pushed(1)],
  ["a change twice", /^presence/, asked(1), withPeople, changed(5, 1, "-ana"), changed(5, 1, "-ana")],
  ["a change lost", /^presence/, asked(1), withPeople, changed(5, 0, "-ana")],
  ["a coming of who is there", /^presence/, asked(1), withPeople, changed(5, 3, "+ana")],
  ["changes that nobody asked for", /^presence/, asked(1), subscribed({}), changed(5, 1, "+ana")],
  ["a change by itself", /^presence/, wire("message", { type: "join", version: 5, user: "eva" })],
  ["a ping that nobody answers", /^ping/, wire("message", { type: "ping" })],
  ["recovered, and begun elsewhere", /^start/, asked(1), subscribed({ offset: 2 })],
  ["recovered, with a gap", /^start/, asked(0), subscribed({ gap: { from: 1, to: 1 } })],
  ["neither recovered nor a gap", /^start/, asked(1), subscribed({ recovered: false })],
  ["another log, not told", /^(?:start|reset)/, asked(1), subscribed({ epoch: "f" })],
  [
    "a gap that does not follow",
    /^gap/,
    asked(1),
    subscribed({}),
    wire("message", { type: "gap", epoch: "e", from: 3, to: 3 }),
  ],
] as const satisfies readonly (readonly [string, RegExp, ...Said[]])[]) {
  test(`the checker finds what breaks the protocol: ${name}`, () => {
    assert.match(judge(...three, ...said), expected);
  });
}
