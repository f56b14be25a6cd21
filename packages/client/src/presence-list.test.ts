import assert from "node:assert/strict";
import { test } from "node:test";
import type { PresenceChange } from "@zocalo/protocol";
import { MAX_HELD_CHANGES, PresenceList } from "./presence-list.ts";

const channel = "plaza:general";
const join = (version: number, user: string): PresenceChange => ({ type: "join", channel, version, user });
const leave = (version: number, user: string): PresenceChange => ({ type: "leave", channel, version, user });

function begin() {
  const counts = { asked: 0 };
  const list = new PresenceList(() => counts.asked++);
  const names = () => list.users.map(({ user }) => user);
  return { list, names, counts };
}

test("changes in order change the list", () => {
  const { list, names, counts } = begin();
  list.replace({ version: 4, users: [{ user: "ana", connections: 2 }] });
  assert.equal(list.change(join(5, "luis")), true);
  assert.equal(list.change(leave(6, "ana")), true);
  assert.deepEqual(names(), ["luis"]);
  assert.equal(counts.asked, 0);
});

test("a change the list has already is passed over", () => {
  const { list, names } = begin();
  list.replace({ version: 4, users: [{ user: "ana", connections: 1 }] });
  assert.equal(list.change(leave(4, "ana")), false);
  assert.deepEqual(names(), ["ana"]);
});

test("after a jump the list is asked for once, and what comes meanwhile is not lost", () => {
  const { list, names, counts } = begin();
  list.replace({ version: 1, users: [] });
  assert.equal(list.change(join(3, "luis")), false);
  assert.equal(list.change(join(4, "eva")), false);
  assert.equal(list.change(leave(5, "luis")), false);
  assert.equal(counts.asked, 1);
  list.replace({
    version: 3,
    users: ["ana", "luis"].map((user) => ({ user, connections: 1 })),
  });
  assert.deepEqual(names(), ["ana", "eva"]);
  assert.equal(counts.asked, 1);
});

test("at the limit of held changes all are kept; past it the list is asked for again", () => {
  for (const extra of [0, 1]) {
    const { list, names, counts } = begin();
    list.replace({ version: 0, users: [] });
    const most = MAX_HELD_CHANGES + extra;
    for (let index = 0; index < most; index++) list.change(join(index + 2, `u${index}`));
    list.replace({ version: 1, users: [] });
    assert.equal(names().length, MAX_HELD_CHANGES);
    assert.equal(counts.asked, 1);
    // The next one follows what was kept, or shows that something was not.
    list.change(join(most + 2, "last"));
    assert.equal(counts.asked, 1 + extra);
  }
});
