import assert from "node:assert/strict";
import { test } from "node:test";
import type { PresenceChange, PresenceChanges, PresencePage, PresentUser } from "@zocalo/protocol";
import { MAX_HELD_CHANGES, MAX_LISTED_USERS, PresenceList, readPresence } from "./presence-list.ts";

const channel = "plaza:general";
const join = (version: number, user: string): PresenceChange => ({ type: "join", channel, version, user });
const leave = (version: number, user: string): PresenceChange => ({ type: "leave", channel, version, user });

/** `+ana` came, `-ana` left; the last one made `version`. */
function changes(version: number, total: number, ...who: string[]): PresenceChanges {
  const list = who.map((one) => ({
    type: one.startsWith("+") ? ("join" as const) : ("leave" as const),
    user: one.slice(1),
  }));
  return { type: "changes", channel, version, total, changes: list };
}

const listed = (...names: string[]): PresentUser[] => names.map((user) => ({ user, connections: 1 }));

function page(version: number, users: PresentUser[], next?: number, total = users.length): PresencePage {
  return { version, total, users, ...(next === undefined ? {} : { next }) };
}

function begin() {
  const asked: (number | undefined)[] = [];
  const waiting: ((page: PresencePage | undefined) => void)[] = [];
  const counts = { told: 0 };
  const list = new PresenceList(
    (after, answered) => {
      asked.push(after);
      waiting.push(answered);
    },
    () => counts.told++,
  );
  const names = () => list.present.users.map(({ user }) => user);
  const answer = (given: PresencePage | undefined) => waiting.shift()?.(given);
  return { list, names, asked, answer, counts };
}

test("changes in order change the list, and are told once for each message", () => {
  const { list, names, asked, counts } = begin();
  list.start(page(4, listed("ana")));
  list.change(changes(7, 2, "+luis", "-ana", "+eva"));
  assert.deepEqual(names(), ["luis", "eva"]);
  list.change(join(8, "ben"));
  list.change(leave(9, "eva"));
  assert.deepEqual(list.present, { users: listed("luis", "ben"), total: 2 });
  assert.deepEqual([asked, counts.told], [[], 4]);
});

test("what the list has already is passed over, also in a message that has more", () => {
  const { list, names, counts } = begin();
  list.start(page(4, listed("ana", "luis")));
  list.change(changes(4, 2, "-ana"));
  assert.deepEqual([names(), counts.told], [["ana", "luis"], 1]);
  list.change(changes(5, 1, "-ana", "+ana", "-luis"));
  assert.deepEqual(names(), ["ana"]);
});

test("all pages are read, and what changes meanwhile is right in the end", () => {
  const { list, names, asked, answer, counts } = begin();
  list.start(page(10, listed("ana", "ben"), 2, 4));
  assert.deepEqual([asked, names(), counts.told], [[2], [], 0]);
  // Ben leaves; Eva, of the next page, leaves and comes back at the end; Luis comes, and is in the next page.
  list.change(changes(13, 4, "-ben", "-eva", "+eva"));
  list.change(changes(14, 5, "+luis"));
  answer(page(14, listed("dora"), 4, 5));
  assert.deepEqual(asked, [2, 4]);
  answer(page(14, listed("eva", "luis")));
  assert.deepEqual(names().toSorted(), ["ana", "dora", "eva", "luis"]);
  assert.deepEqual([list.present.total, counts.told], [4, 1]);
});

for (const jump of [join(3, "luis"), changes(3, 2, "+luis"), changes(3, 2)]) {
  test(`after a jump (${JSON.stringify(jump)}) the list is read again, and what comes meanwhile is not lost`, () => {
    const { list, names, asked, answer } = begin();
    list.start(page(1, []));
    list.change(jump);
    list.change(join(4, "eva"));
    list.change(leave(5, "luis"));
    assert.deepEqual(asked, [undefined]);
    answer(page(3, listed("ana", "luis")));
    assert.deepEqual(names(), ["ana", "eva"]);
    assert.equal(asked.length, 1);
  });
}

test("a page of a reading that is over is of no use", () => {
  const { list, names, asked, answer } = begin();
  list.start(page(1, listed("ana"), 1, 2));
  list.forget();
  list.start(page(7, listed("eva"), 5, 2));
  answer(page(1, listed("ben")));
  assert.deepEqual([names(), asked], [[], [1, 5]]);
  answer(page(7, listed("luis")));
  assert.deepEqual(names(), ["eva", "luis"]);
});

test("where a page cannot be had the next change reads anew", () => {
  const { list, names, asked, answer } = begin();
  list.start(page(1, listed("ana"), 1, 2));
  answer(undefined);
  list.change(changes(2, 3, "+eva"));
  assert.deepEqual(asked, [1, undefined]);
  answer(page(2, listed("ana", "ben", "eva")));
  assert.deepEqual(names(), ["ana", "ben", "eva"]);
});

for (const [most, isWhole] of [
  [MAX_LISTED_USERS, true],
  [MAX_LISTED_USERS + 1, false],
] as const) {
  test(`of ${most} users ${MAX_LISTED_USERS} are listed, and the total is known`, async () => {
    const users = listed(...Array.from({ length: most }, (_, index) => `u${index}`));
    const pageAt = (after = 0): PresencePage => {
      const end = after + 1_000;
      return page(1, users.slice(after, end), end < most ? end : undefined, most);
    };
    const { list, names, answer, asked } = begin();
    list.start(pageAt());
    for (let next = asked.shift(); next !== undefined; next = asked.shift()) answer(pageAt(next));
    assert.equal(names().length, MAX_LISTED_USERS);
    assert.equal(list.present.total, most);
    assert.deepEqual(await readPresence(async (after) => pageAt(after)), list.present);
    list.change(changes(2, most + 1, "+one more"));
    assert.deepEqual([names().length, list.present.total], [MAX_LISTED_USERS, most + 1]);
    list.change(changes(4, most - 1, "-u1", "-u2"));
    assert.deepEqual([names().length, list.present.total], [MAX_LISTED_USERS - 2, most - 1]);
    assert.equal(isWhole, most === MAX_LISTED_USERS);
  });
}

test("at the limit of held changes all are kept; past it the list is read again", () => {
  for (const extra of [0, 1]) {
    const { list, names, asked, answer } = begin();
    list.start(page(0, []));
    const most = MAX_HELD_CHANGES + extra;
    for (let index = 0; index < most; index++) list.change(join(index + 2, `u${index}`));
    answer(page(1, []));
    assert.equal(names().length, MAX_HELD_CHANGES);
    // Not only when somebody else comes: until then it would be wrong.
    assert.equal(asked.length, 1 + extra);
    answer(page(most + 1, listed("eva")));
    assert.equal(names().length, extra === 0 ? MAX_HELD_CHANGES : 1);
  }
});
