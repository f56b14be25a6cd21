// Bans that end, and the list of rooms, by a clock that the test moves.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@zocalo/protocol";
import type { ListedRooms } from "../src/index.ts";
import type { Logs } from "./fake-hub.ts";
import { asked, BEGIN_MS, keyOf, openRooms, WALL } from "./timed-rooms.ts";

/** How exactly the moment of a ban is known. */
const STEP_MS = 0.25;

/** Who is banned, as their call and their ticket say it: the user, and whose key they have. */
const WAYS = [
  ["ben", "ben"],
  ["ben", "other"],
  ["eva", "ben"],
  ["", "ben"],
] as const;

type Begun = Awaited<ReturnType<typeof openRooms>>;

/** Ben plays, and is put out of the room for so long. */
async function bannedFor(begun: Begun, banMs: number): Promise<string> {
  const { hub, clock, rooms } = begun;
  await hub.call("ana", "room.join", asked("ana"));
  const { room } = (await hub.call("ben", "room.join", asked("ben"))) as { room: string };
  clock.runUntil(1_000);
  const match = rooms.get(room);
  const seat = match?.seats.find(({ name }) => name === "ben");
  assert.ok(match && seat);
  match.kick(seat, { banMs });
  while (hub.told("ben", "room.ended").length === 0) clock.runUntil(clock.uptime() + STEP_MS);
  assert.deepEqual(hub.told("ben", "room.ended"), [{ reason: "banned" }]);
  return room;
}

function asks({ hub }: Begun, room: string, [user, key]: readonly [string, string], more: object = {}) {
  return hub.call("other session", "room.join", asked(user, { room, key: keyOf(key), ...more }), user);
}

/** By which everybody is refused, for so many milliseconds more. */
async function allAreRefused(begun: Begun, room: string, forMs: number): Promise<void> {
  for (const way of WAYS) {
    for (const more of [{}, { watch: true }]) {
      await assert.rejects(
        asks(begun, room, way, more),
        (error: { code: string; data: { forMs: number } }) => {
          assert.ok(Math.abs(error.data.forMs - forMs) <= STEP_MS, `${way.join()}: ${error.data.forMs}`);
          return error.code === "banned";
        },
      );
    }
  }
}

test("a ban is for the user with any key, and for the key in any session, until it ends and no longer", async () => {
  for (const way of WAYS) {
    const begun = await openRooms();
    const { clock, hub } = begun;
    const room = await bannedFor(begun, 60_000);
    const from = clock.uptime();
    clock.runUntil(from + 30_000);
    await allAreRefused(begun, room, 30_000);
    clock.runUntil(from + 59_999);
    await allAreRefused(begun, room, 1);
    clock.runUntil(from + 60_000);
    await asks(begun, room, way);
    // Nobody else was banned with them.
    await hub.call("zoe", "room.join", asked("zoe", { room }));
  }
});

test("a ban ends in the next process when it would have ended in this one", async () => {
  const logs: Logs = new Map();
  const before = await openRooms({}, {}, { logs });
  const room = await bannedFor(before, 60_000);
  before.clock.runUntil(before.clock.uptime() + 20_000);
  await before.rooms.close();
  const after = await openRooms({}, {}, { logs, wallAt: WALL + before.clock.uptime() - BEGIN_MS });
  await allAreRefused(after, room, 40_000);
  after.clock.runUntil(BEGIN_MS + 40_000);
  for (const way of WAYS) await asks(after, room, way);
});

/** What the list said, and when. */
function listOf({ hub, clock }: Begun): { readonly at: number; readonly list: ListedRooms }[] {
  const told: { readonly at: number; readonly list: ListedRooms }[] = [];
  const publish = hub.publish.bind(hub);
  hub.publish = (channel, data) => {
    if (channel === "rooms:square") {
      told.push({ at: clock.uptime(), list: data as Json as unknown as ListedRooms });
    }
    return publish(channel, data);
  };
  return told;
}

test("the list has the fullest 100 of all rooms, and how many there are, and who plays in them", async () => {
  for (const count of [99, 100, 101, 130]) {
    const begun = await openRooms({}, { maxRoomsPerAddress: 1_000, maxPlacesPerAddress: 1_000 });
    const { hub, clock, rooms } = begun;
    const told = listOf(begun);
    const people = new Map<string, number>();
    for (let number = 0; number < count; number++) {
      const { id } = rooms.create("square");
      people.set(id, (number * 7) % 4);
      for (let who = 0; who < (number * 7) % 4; who++) {
        const name = `p${number}x${who}`;
        await hub.call(name, "room.join", asked(name, { room: id }));
      }
    }
    const secret = rooms.create("square", { isPrivate: true });
    for (const name of ["a", "b", "c", "d"]) {
      await hub.call(name, "room.join", asked(name, { room: secret.id }));
    }
    clock.runUntil(2_000);
    const last = told.at(-1)?.list ?? assert.fail();
    const players = [...people.values()];
    assert.equal(last.total, count);
    assert.equal(
      last.players,
      players.reduce((sum, each) => sum + each, 0),
    );
    assert.deepEqual(
      last.rooms.map((each) => each.players),
      players.toSorted((a, b) => b - a).slice(0, 100),
    );
    for (const { room, players } of last.rooms) assert.equal(players, people.get(room));
    assert.equal(new Set(last.rooms.map(({ room }) => room)).size, Math.min(100, count));
  }
});

test("the list is told at once, then at most twice a second, and its last word is how things are", async () => {
  const begun = await openRooms({ maxWatchers: 1_000 }, { maxPlacesPerAddress: 1_000 });
  const { hub, clock, rooms } = begun;
  const told = listOf(begun);
  const { id } = rooms.create("square");
  assert.deepEqual(
    told.map(({ at, list }) => [at, list.rooms.map(({ room }) => room)]),
    [[BEGIN_MS, [id]]],
  );
  for (let watchers = 1; watchers <= 300; watchers++) {
    clock.runUntil(BEGIN_MS + 33 * watchers);
    await hub.call(`w${watchers}`, "room.join", asked(`w${watchers}`, { room: id, watch: true }));
  }
  clock.runUntil(20_000);
  // The first, one each half second of 9,900 ms, and what has changed since.
  assert.equal(told.length, 1 + 19 + 1);
  for (const [index, { at }] of told.entries()) assert.equal(at, BEGIN_MS + 500 * index);
  assert.deepEqual(told.at(-1)?.list.rooms, [{ room: id, players: 0, bots: 0, watchers: 300, seats: 6 }]);
});
