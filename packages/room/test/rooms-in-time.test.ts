// Rooms by a clock that the test moves: when they close, whom they wait for, and what the next process has.
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputSender } from "../src/index.ts";
import type { Logs } from "./fake-hub.ts";
import { square } from "./square.ts";
import { asked, BEGIN_MS, openRooms, TICK_MS, WALL } from "./timed-rooms.ts";

const NOTHING = { tick: -1, bits: 0 };

test("a room without people is closed after emptyMs, and with null never", async () => {
  const { clock, rooms } = await openRooms({ emptyMs: 10_000 });
  rooms.create("square");
  clock.runUntil(10_049);
  assert.equal(rooms.size, 1);
  clock.runUntil(10_050);
  assert.equal(rooms.size, 0);
  const lasting = await openRooms({ emptyMs: null });
  lasting.rooms.create("square");
  lasting.clock.runUntil(400 * 86_400_000);
  assert.equal(lasting.rooms.size, 1);
});

test("as many rooms are made, and as many watch, as may, and no more", async () => {
  const { hub, rooms } = await openRooms({ maxWatchers: 2 }, { maxRooms: 2 });
  await hub.call("ana", "room.join", asked("ana", { create: {} }));
  const { room } = (await hub.call("eva", "room.join", asked("eva", { create: {} }))) as { room: string };
  assert.throws(() => rooms.create("square"), { code: "limit_reached" });
  await assert.rejects(hub.call("ben", "room.join", asked("ben", { create: {} })), { code: "limit_reached" });
  for (const name of ["w1", "w2"]) await hub.call(name, "room.join", asked(name, { room, watch: true }));
  await assert.rejects(hub.call("w3", "room.join", asked("w3", { room, watch: true })), { code: "full" });
  assert.deepEqual(rooms.stats(), { rooms: 2, players: 2, bots: 0, watchers: 2 });
});

test("a silent player is away after awayMs, and has the seat until holdMs have passed", async () => {
  const { hub, clock, rooms } = await openRooms({ awayMs: 3_000, holdMs: 60_000 });
  const { room } = (await hub.call("ana", "room.join", asked("ana"))) as { room: string };
  const seat = () => rooms.get(room)?.seats[0];
  clock.runUntil(50 + 2_990);
  assert.equal(seat()?.isAway, false);
  clock.runUntil(50 + 3_000 + 2 * TICK_MS);
  assert.equal(seat()?.isAway, true);
  clock.runUntil(50 + 59_990);
  assert.deepEqual(hub.told("ana", "room.ended"), []);
  clock.runUntil(50 + 60_000 + 2 * TICK_MS);
  assert.deepEqual(hub.told("ana", "room.ended"), [{ reason: "idle" }]);
  assert.equal(rooms.stats().players, 0);
});

test("who was matched and does not come loses the place after 15 seconds", async () => {
  const { hub, clock, rooms } = await openRooms({ matching: { fillAfterMs: 0 } });
  await hub.call("ana", "room.match", asked("ana"));
  clock.runUntil(50 + 1_000);
  assert.equal(rooms.stats().players, 1);
  clock.runUntil(50 + 1_000 + 14_900);
  assert.equal(rooms.stats().players, 1);
  clock.runUntil(50 + 1_000 + 15_000 + 2 * TICK_MS);
  assert.equal(rooms.stats().players, 0);
});

test("rooms of one rate tick at different moments", async () => {
  const moments = new Map<string, number>();
  const { hub, clock } = await openRooms({
    step: (room) => void moments.set(room.id, clock.uptime() % TICK_MS),
  });
  await hub.call("ana", "room.join", asked("ana", { create: {} }));
  await hub.call("ben", "room.join", asked("ben", { create: {} }));
  clock.runUntil(1_000);
  const [one = 0, other = 0] = [...moments.values()];
  assert.equal(moments.size, 2);
  assert.ok(Math.abs(Math.abs(one - other) - TICK_MS / 2) < 0.01, `${one} ${other}`);
});

test("after a hand-over ticks go on when all are back, and a second after the last one at the latest", async () => {
  for (const comesBack of [true, false]) {
    const logs: Logs = new Map();
    const before = await openRooms({}, {}, { logs });
    const { room } = (await before.hub.call("ana", "room.join", asked("ana"))) as { room: string };
    await before.hub.call("ben", "room.join", asked("ben"));
    before.clock.runUntil(1_000);
    const tick = before.rooms.get(room)?.tick ?? 0;
    assert.ok(tick > 20);
    await before.rooms.close();
    assert.deepEqual(before.hub.told("ana", "room.moving"), [{}]);

    // The next process is there 300 ms later, by the wall; its own clock begins anew.
    const after = await openRooms({}, {}, { logs, wallAt: WALL + 1_300 - BEGIN_MS });
    const now = (): number => after.rooms.get(room)?.tick ?? 0;
    assert.equal(now(), tick, "no tick is lost");
    await after.hub.call("ana2", "room.join", asked("ana"));
    after.clock.runUntil(50 + 600);
    assert.equal(now(), tick, "ben is not back");
    if (comesBack) {
      await after.hub.call("ben2", "room.join", asked("ben"));
      after.clock.runUntil(50 + 600 + 2 * TICK_MS);
    } else {
      after.clock.runUntil(50 + 699);
      assert.equal(now(), tick);
      after.clock.runUntil(50 + 700 + 2 * TICK_MS);
    }
    assert.ok(now() > tick && now() <= tick + 2, `${now()} after ${tick}`);
    await after.rooms.close();
  }
});

test("the next process has bots, state and the inputs that were not applied yet", async () => {
  const logs: Logs = new Map();
  const mode = { bots: 3 };
  const before = await openRooms(mode, {}, { logs });
  const { room } = (await before.hub.call("ana", "room.join", asked("ana"))) as { room: string };
  before.clock.runUntil(2_000);
  const old = before.rooms.get(room);
  assert.ok(old !== undefined);
  const { tick } = old;
  const sender = new InputSender(square.input.cells);
  const row = new Int32Array(square.input.cells.length);
  square.input.toCells({ move: [1, 0] }, row, 0);
  for (const number of [tick + 1, tick + 2, tick + 3]) sender.add(number, row);
  const packet = new Uint8Array(1_150);
  before.hub.cast("ana", "room.lane", packet.slice(0, sender.write(packet, NOTHING, tick)));
  const people = () => old.seats.map(({ number, name, isBot }) => [number, name, isBot]);
  const x = (room: typeof old): number => {
    for (const { name, entity } of room.seats) {
      if (name === "ana") return (entity as unknown as { at: { x: number } }).at.x;
    }
    return Number.NaN;
  };
  const expected = { seats: people(), state: old.state, x: x(old) };
  assert.equal(expected.seats.filter(([, , isBot]) => isBot).length, 3);
  await before.rooms.close();

  const after = await openRooms(mode, {}, { logs });
  const next = after.rooms.get(room);
  assert.ok(next !== undefined);
  assert.deepEqual(
    next.seats.map(({ number, name, isBot }) => [number, name, isBot]),
    expected.seats,
  );
  assert.deepEqual(next.state, expected.state);
  const steps: number[] = [];
  const at = (): number => x(next);
  assert.equal(at(), expected.x);
  await after.hub.call("ana2", "room.join", asked("ana"));
  while (next.tick < tick + 3) {
    after.clock.runUntil(after.clock.uptime() + 1);
    if (next.tick > tick + steps.length) steps.push(at());
  }
  for (const [index, place] of steps.entries()) {
    assert.ok(
      Math.abs(place - Math.min(100, expected.x + 0.3 * (index + 1))) < 0.011,
      `${place} ${expected.x}`,
    );
  }
  assert.equal(steps.length, 3);
  await after.rooms.close();
});
