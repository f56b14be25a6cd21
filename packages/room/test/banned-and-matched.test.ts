// Nobody is matched into a room from which they are banned, and nobody waits in vain for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asked, openRooms } from "./timed-rooms.ts";

const SOON = { matching: { fillAfterMs: 3_000 } };

/** A room where Ben plays, and from which Ana was put out for a minute. */
async function bannedFromBens() {
  const opened = await openRooms(SOON);
  const { clock, join, rooms } = opened;
  const { room } = await join("ben", "ben");
  await join("ana", "ana");
  clock.runUntil(100);
  const seat = rooms.get(room)?.seats.find(({ user }) => user === "ana") ?? assert.fail();
  rooms.get(room)?.kick(seat, { banMs: 60_000 });
  clock.runUntil(200);
  return { ...opened, room };
}

for (const [by, session, key] of [
  ["user, with another key", "ana", "another"],
  ["key, as another user", "guest", "ana"],
] as const) {
  test(`who is banned by ${by} waits, is told so, and is matched into another room`, async () => {
    const { hub, clock, rooms, room } = await bannedFromBens();
    const first = (await hub.call(session, "room.match", asked(key))) as { readonly state: string };
    assert.equal(first.state, "waiting");
    clock.runUntil(3_000);
    const states = (): unknown[] =>
      hub.told(session, "room.match").map((news) => (news as { state: string }).state);
    assert.deepEqual(states(), ["waiting", "waiting"], "a second apart, and nothing else");
    clock.runUntil(6_000);
    const news = hub.told(session, "room.match") as { readonly state: string; readonly room?: string }[];
    assert.deepEqual(
      states().filter((state) => state !== "waiting"),
      ["found"],
    );
    assert.notEqual(news.at(-1)?.room, room);
    assert.equal(rooms.size, 2);
    clock.runUntil(7_000);
    assert.equal(hub.told(session, "room.match").length, news.length, "it is in no queue any more");
  });
}

test("who is not banned is matched into the same room, beside one who is", async () => {
  const { hub, clock, room } = await bannedFromBens();
  await hub.call("ana", "room.match", asked("another"));
  await hub.call("eva", "room.match", asked("eva"));
  clock.runUntil(1_400);
  const [news] = hub.told("eva", "room.match") as { readonly state: string; readonly room?: string }[];
  assert.deepEqual([news?.state, news?.room], ["found", room]);
  assert.deepEqual(
    hub.told("ana", "room.match").map((one) => (one as { state: string }).state),
    ["waiting"],
  );
});

test("a ban that ends lets its player be matched into the room", async () => {
  const opened = await openRooms({ matching: { fillAfterMs: 600_000 } });
  const { hub, clock, join, rooms } = opened;
  const { room } = await join("ben", "ben");
  await join("ana", "ana");
  clock.runUntil(100);
  const seat = rooms.get(room)?.seats.find(({ user }) => user === "ana") ?? assert.fail();
  rooms.get(room)?.kick(seat, { banMs: 5_000 });
  clock.runUntil(200);
  await hub.call("ana", "room.match", asked("another"));
  const last = (): unknown => hub.told("ana", "room.match").at(-1);
  clock.runUntil(4_900);
  assert.equal((last() as { state: string }).state, "waiting");
  clock.runUntil(7_000);
  assert.deepEqual([(last() as { state: string }).state, (last() as { room: string }).room], ["found", room]);
});
