// A key has one place. Who asks for another keeps the one they have until the other is theirs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openRooms } from "./timed-rooms.ts";

test("who asks for a full room keeps the place in the other one", async () => {
  const { hub, clock, join, rooms } = await openRooms({ seats: 2 });
  const { room: full } = await join("ben", "ben", { create: {} });
  await join("eva", "eva", { room: full });
  const { room: own, seat } = await join("ana", "ana", { create: {} });
  await assert.rejects(join("ana", "ana", { room: full }), { code: "full" });
  await assert.rejects(join("ana", "ana", { room: "nothing" }), { code: "no_room" });
  clock.runUntil(500);
  assert.deepEqual(
    rooms.get(own)?.seats.map(({ name }) => name),
    ["ana"],
  );
  assert.deepEqual(await hub.call("ana", "room.event", { hello: 1 }), {}, "the session still speaks there");
  const again = await join("ana", "ana", { room: own });
  assert.deepEqual([again.room, again.seat, again.isReturn], [own, seat, true]);
  assert.deepEqual(rooms.stats(), { rooms: 2, players: 3, bots: 0, watchers: 0 });
});

test("who asks for a room with a free seat has left the other one by the answer", async () => {
  const { clock, join, rooms } = await openRooms({ seats: 2 });
  const { room: other } = await join("ben", "ben", { create: {} });
  const { room: own } = await join("ana", "ana", { create: {} });
  const answer = await join("ana", "ana", { room: other });
  assert.deepEqual([answer.room, answer.isReturn], [other, false]);
  clock.runUntil(500);
  assert.deepEqual(rooms.get(own)?.seats, []);
  assert.deepEqual(rooms.stats(), { rooms: 2, players: 2, bots: 0, watchers: 0 });
});

test("who watches a full room and asks to play goes on watching; with a free seat they play", async () => {
  const { hub, clock, join, rooms } = await openRooms({ seats: 2, maxWatchers: 1 });
  const { room } = await join("ben", "ben", { create: {} });
  await join("eva", "eva", { room });
  await join("ana", "ana", { room, watch: true });
  await assert.rejects(join("ana", "ana", { room }), { code: "full" });
  assert.deepEqual(rooms.stats(), { rooms: 1, players: 2, bots: 0, watchers: 1 });
  await assert.rejects(join("ben", "ben", { room, watch: true }), { code: "full" });
  assert.deepEqual(rooms.stats(), { rooms: 1, players: 2, bots: 0, watchers: 1 });
  await hub.call("eva", "room.leave", {});
  const { seat } = await join("ana", "ana", { room });
  assert.equal(seat, 1);
  clock.runUntil(500);
  assert.deepEqual(
    rooms.get(room)?.seats.map(({ name }) => name),
    ["ben", "ana"],
  );
  await join("ana", "ana", { room, watch: true });
  clock.runUntil(1_000);
  assert.deepEqual(rooms.stats(), { rooms: 1, players: 1, bots: 0, watchers: 1 });
});

test("at the limit of its address a place may be changed for another, and counts as one", async () => {
  const limits = { exemptAddresses: [], maxPlacesPerAddress: 2 };
  const { hub, join, rooms } = await openRooms({ seats: 2 }, limits);
  const { room } = await join("ben", "ben", { create: {} });
  await join("ana", "ana", { create: {} });
  await assert.rejects(join("eva", "eva"), { code: "limit_reached" });
  await join("ana", "ana", { room });
  assert.deepEqual(rooms.stats().players, 2);
  await assert.rejects(join("eva", "eva"), { code: "limit_reached" });
  await hub.call("ana", "room.leave", {});
  await join("eva", "eva");
  await assert.rejects(join("ana", "ana"), { code: "limit_reached" });
});

test("who is refused as banned keeps the place they have", async () => {
  const { clock, join, rooms } = await openRooms({ seats: 2 });
  const { room } = await join("ben", "ben", { create: { isPrivate: true } });
  await join("ana", "ana", { room });
  clock.runUntil(200);
  const seat = rooms.get(room)?.seats.find(({ name }) => name === "ana");
  assert.ok(seat !== undefined);
  rooms.get(room)?.kick(seat, { banMs: 60_000 });
  clock.runUntil(400);
  const { room: own } = await join("ana", "ana");
  await assert.rejects(join("ana", "ana", { room }), { code: "banned" });
  clock.runUntil(600);
  assert.deepEqual(
    rooms.get(own)?.seats.map(({ name }) => name),
    ["ana"],
  );
});
