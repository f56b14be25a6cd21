// A game that throws: who asked is told once and for good, the program learns why, and nothing goes round.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asked, openRooms } from "./timed-rooms.ts";

function fault(): never {
  throw new Error("a fault of the game");
}

const noExemption = { exemptAddresses: [] };

test("who would open a room whose game throws is told `failed`, and nothing of why", async () => {
  const { join, errors, rooms } = await openRooms({ open: fault });
  await assert.rejects(join("ana", "ana"), (error: Error & { readonly code?: string }) => {
    assert.deepEqual([error.code, error.message], ["failed", "a room could not be opened"]);
    return true;
  });
  assert.deepEqual(errors.map(String), ["Error: a fault of the game"], "the program is told once");
  assert.equal(rooms.size, 0);
});

test("who is matched into such a room is told so once, and waits no more", async () => {
  const { hub, clock, errors } = await openRooms({ open: fault, matching: { fillAfterMs: 0 } });
  await hub.call("ana", "room.match", asked("ana"));
  clock.runUntil(10_000);
  assert.deepEqual(hub.told("ana", "room.match"), [{ state: "refused", code: "failed" }]);
  assert.equal(errors.length, 1);
});

for (const [name, mode] of Object.entries({ join: { join: fault }, step: { step: fault } })) {
  test(`players of a room whose ${name} throws are told \`failed\`, and the program why, once`, async () => {
    const { hub, clock, errors, join, rooms } = await openRooms(mode);
    await join("ana", "ana");
    await join("ben", "ben");
    clock.runUntil(1_000);
    for (const one of ["ana", "ben"]) assert.deepEqual(hub.told(one, "room.ended"), [{ reason: "failed" }]);
    assert.deepEqual(errors.map(String), ["Error: a fault of the game"]);
    assert.equal(rooms.size, 0);
  });
}

for (const [name, mode] of Object.entries({ open: { open: fault }, step: { step: fault } })) {
  test(`one address has as many rooms fail by ${name} in ten seconds as it may open, and no more`, async () => {
    const limits = { ...noExemption, maxRoomsPerAddress: 3 };
    const { clock, errors, join, rooms } = await openRooms(mode, limits, { modes: { good: {} } });
    const tryOnce = async (): Promise<string> => {
      const code = await join("ana", "ana").then(
        () => "joined",
        ({ code }: { readonly code: string }) => code,
      );
      clock.runUntil(clock.uptime() + 200);
      return code;
    };
    const first = name === "open" ? "failed" : "joined";
    assert.deepEqual(
      [await tryOnce(), await tryOnce(), await tryOnce(), await tryOnce()],
      [first, first, first, "limit_reached"],
    );
    assert.equal(errors.length, 3);
    clock.runUntil(clock.uptime() + 9_000);
    assert.equal(await tryOnce(), "limit_reached");
    clock.runUntil(clock.uptime() + 1_000);
    assert.equal(await tryOnce(), first, "ten seconds after the first");
    rooms.create("good");
    await join("eva", "eva", { mode: "good" });
    assert.equal(rooms.size, 1, "rooms of others go on");
  });
}

test("rooms that failed keep no process alive: close waits for none, and leaves no timer", async () => {
  const { clock, join, rooms } = await openRooms({ open: fault }, noExemption);
  await assert.rejects(join("ana", "ana"), { code: "failed" });
  clock.runUntil(5_000);
  assert.equal(clock.timers, 1);
  await rooms.close();
  assert.equal(clock.timers, 0);
});

test("a room of the program's own whose game throws is thrown to it, and told no second time", async () => {
  const { errors, rooms } = await openRooms({ open: fault });
  assert.throws(() => rooms.create("square"), { message: "a fault of the game" });
  assert.deepEqual([errors.length, rooms.size], [0, 0]);
});
