// A room that grows past what the engine keeps of one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "@zocalo/hub";
import { Saves } from "../src/host/saves.ts";
import { roomNamespaces } from "../src/index.ts";
import type { Logs } from "./fake-hub.ts";
import { asked, openRooms, WALL } from "./timed-rooms.ts";

/** As the README has it. */
const MOST_BYTES = 1_048_192;
const HEADER_BYTES = 12;
/** A game in which nothing happens, so that each save has as many bytes as the one before. */
const still = { step() {}, bot() {} };

test("a room of 1,048,192 bytes is kept; a larger one is told, and it goes on, and what was kept stays", async () => {
  const logs: Logs = new Map();
  const before = await openRooms(still, { checkpointMs: 1_000, wall: () => WALL }, { logs });
  const { hub, clock, rooms, errors } = before;
  const { room } = (await hub.call("ana", "room.join", asked("ana"))) as { room: string };
  const match = rooms.get(room);
  assert.ok(match);
  const log = (): readonly unknown[] => logs.get(`room-saves:${room}`) ?? [];
  /** Lets it be kept once more, and gives the bytes of that. */
  const kept = async (): Promise<number> => {
    const from = log().length;
    clock.runUntil(clock.uptime() + 1_050);
    await new Promise((resolve) => setImmediate(resolve)); // The hub is in memory: all of it has happened.
    return log()
      .slice(from)
      .reduce<number>((sum, data) => sum + (data as Uint8Array).length - HEADER_BYTES, 0);
  };
  const fill = (length: number): void => void (match.state = "x".repeat(length));
  for (let second = 0; second < 4; second++) await kept(); // Ticks have three digits from now on.
  let length = MOST_BYTES - 10_000;
  fill(length);
  const rest = MOST_BYTES - (await kept());
  fill((length += rest));
  assert.equal(await kept(), MOST_BYTES);
  assert.deepEqual(errors, []);
  const { tick } = match;
  const whole = match.state;

  fill(length + 4); // The next size that there is.
  assert.equal(await kept(), 0);
  assert.equal(errors.length, 1);
  assert.match(String(errors[0]), /a room of 1048196 bytes is not kept; allowed: 1048192/);
  assert.ok(match.tick > tick + 20, "it goes on");
  const now = clock.uptime();
  await rooms.close();
  assert.equal(errors.length, 2, "nor can it be handed over");

  const after = await openRooms(still, {}, { logs, wallAt: WALL + now });
  const next = after.rooms.get(room);
  assert.equal(next?.state, whole);
  assert.ok(next.tick <= tick && next.tick > tick - 60, `${next.tick} of ${tick}`);
  const answer = (await after.hub.call("ana2", "room.join", asked("ana"))) as { restored: string };
  assert.equal(answer.restored, "checkpoint");
  assert.deepEqual(after.errors, []);
});

test("a room that was too large for a time is kept again once it is smaller", async () => {
  const logs: Logs = new Map();
  const { hub, clock, rooms, errors } = await openRooms(still, { checkpointMs: 1_000 }, { logs });
  const { room } = (await hub.call("ana", "room.join", asked("ana"))) as { room: string };
  const match = rooms.get(room);
  assert.ok(match);
  match.state = "x".repeat(MOST_BYTES);
  clock.runUntil(5_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(errors.length > 0);
  match.state = "small";
  clock.runUntil(7_000);
  await new Promise((resolve) => setImmediate(resolve));
  // The process is killed: nobody hands over.
  const after = await openRooms(still, {}, { logs, wallAt: WALL + 7_000 });
  assert.equal(after.rooms.get(room)?.state, "small");
});

test("a hub takes the largest room over and over, and has the newest", async () => {
  const hub = new Hub({ namespaces: roomNamespaces });
  const saves = new Saves(hub);
  for (const save of [1, 2, 3, 4]) {
    await saves.write("room-saves:room", save, new Uint8Array(MOST_BYTES).fill(save));
    const read = await saves.read("room-saves:room");
    assert.deepEqual(
      [read?.save, read?.bytes.length, new Set(read?.bytes)],
      [save, MOST_BYTES, new Set([save])],
    );
  }
  await hub.close();
});
