// What was said to somebody and waits goes with the match to the next process, and is told once.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RoomDefinition } from "../src/index.ts";
import { KEPT_CHUNKS, MAX_SAVE_BYTES } from "../src/host/saves.ts";
import type { FakeHub, Logs } from "./fake-hub.ts";
import { openRooms } from "./timed-rooms.ts";

/** From now on this session takes nothing. */
function block(hub: FakeHub, session: string): void {
  const send = hub.send.bind(hub);
  hub.send = (to, topic, data) =>
    to.session === session ? { sent: 0, waiting: 0, refused: 1 } : send(to, topic, data);
}

/** At tick 5 and 6 the game says something to everybody, and says later that it goes on. */
const speaks: Partial<RoomDefinition> = {
  step(room) {
    if (room.tick === 5 || room.tick === 6) room.send({ tick: room.tick });
    if (room.tick === 30) room.send("later");
  },
};

/** Ana takes nothing, and Ben does, when the game speaks; then the process ends, in good order or not. */
async function afterTick(mode: Partial<RoomDefinition>, logs: Logs, ends: "closed" | "killed") {
  const before = await openRooms(mode, { checkpointMs: 20 }, { logs });
  await before.join("ana", "ana");
  await before.join("ben", "ben");
  block(before.hub, "ana");
  for (const ms of [300, 400, 500]) {
    before.clock.runUntil(ms);
    await new Promise((resolve) => setImmediate(resolve)); // What is being kept is kept.
  }
  assert.deepEqual(before.hub.events("ben"), [{ tick: 5 }, { tick: 6 }]);
  if (ends === "closed") await before.rooms.close();
  const after = await openRooms(mode, {}, { logs });
  for (const name of ["ana", "ben"]) assert.equal((await after.join(name, name)).isReturn, true);
  after.clock.runUntil(2_000);
  return { ...after, told: (name: string) => after.hub.events(name) };
}

test("what waits at a hand-over is told by the next process, in order and before what is said there", async () => {
  const { told } = await afterTick(speaks, new Map(), "closed");
  assert.deepEqual(told("ana"), [{ tick: 5 }, { tick: 6 }, "later"]);
  assert.deepEqual(told("ben"), ["later"], "who had it gets it no second time");
});

test("a crash loses what waits: nobody is told twice what had been taken since the checkpoint", async () => {
  const { told } = await afterTick(speaks, new Map(), "killed");
  assert.deepEqual([told("ana"), told("ben")], [["later"], ["later"]]);
});

test("of all who are here so much is handed over, each an equal part, and no more", async () => {
  // Two have 32,768 characters each: 32,766, and the quotes.
  for (const [length, comes] of [
    [32_766, 1],
    [32_767, 0],
  ] as const) {
    const mode: Partial<RoomDefinition> = {
      step: (room) => room.tick === 5 && room.send("x".repeat(length)),
    };
    const logs: Logs = new Map();
    const before = await openRooms(mode, {}, { logs });
    await before.join("ana", "ana");
    await before.join("ben", "ben");
    block(before.hub, "ana");
    before.clock.runUntil(500);
    await before.rooms.close();
    const after = await openRooms(mode, {}, { logs });
    await after.join("ana", "ana");
    after.clock.runUntil(2_500);
    assert.equal(after.hub.told("ana", "room.event").length, comes, `${length}`);
  }
});

test("a room that would be too large with what waits is handed over without it", async () => {
  const mode: Partial<RoomDefinition> = {
    step(room) {
      if (room.tick !== 5) return;
      room.state = "s".repeat(MAX_SAVE_BYTES - 10_000);
      room.send("x".repeat(20_000));
    },
  };
  const logs: Logs = new Map();
  const before = await openRooms(mode, {}, { logs });
  const { room } = await before.join("ana", "ana");
  block(before.hub, "ana");
  before.clock.runUntil(500);
  await before.rooms.close();
  assert.deepEqual(before.errors, []);
  assert.ok((logs.get(`room-saves:${room}`)?.length ?? 0) <= KEPT_CHUNKS);
  const after = await openRooms(mode, {}, { logs });
  assert.equal((await after.join("ana", "ana")).isReturn, true);
  after.clock.runUntil(2_500);
  assert.deepEqual(after.hub.told("ana", "room.event"), []);
});
