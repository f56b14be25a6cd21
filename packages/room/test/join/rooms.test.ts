import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "@zocalo/client";
import { Hub, systemClock } from "@zocalo/hub";
import { dial, lines, listen, type Conn } from "@zocalo/net";
import { defineRoom, roomNamespaces, Rooms } from "../../src/index.ts";
import { join } from "../../src/join/join.ts";
import type { PlayState } from "../../src/join/options.ts";
import { game } from "./fake-room.ts";

/** Draws frames until something is so. */
async function until(draw: () => boolean): Promise<void> {
  while (!draw()) await new Promise((resolve) => systemClock.after(5, () => resolve(undefined)));
}

test("a client plays in the rooms of a real hub: walks, is put elsewhere at once, is cut off, comes back, leaves", async () => {
  const hub = new Hub({ namespaces: roomNamespaces });
  let respawn = false;
  const rooms = new Rooms(hub, {
    arena: defineRoom({
      game,
      seats: 4,
      join: (room) => room.world.add("player", { at: [50, 50] }),
      step(room) {
        const [seat] = room.seats;
        if (!respawn || seat === undefined) return;
        respawn = false;
        room.world.remove(seat.entity);
        seat.entity = room.world.add("player", { at: [10, 10] });
      },
    }),
  });
  await rooms.open();
  const listener = await listen("tcp", "127.0.0.1:0");
  void hub.serve(lines(listener));
  const conns: Conn[] = [];
  const session = connect(String(listener.addr), {
    dial: async (address, options) => {
      const conn = await dial("tcp", address, options);
      conns.push(conn);
      return lines(conn);
    },
  });
  const states: PlayState[] = [];
  const errors: unknown[] = [];
  const play = await join(session, game, {
    mode: "arena",
    name: "Ana",
    onState: (state) => states.push(state),
    onError: (error) => errors.push(error),
  });
  const walk = (): void => void play.advance(performance.now(), (input) => (input.move = 1));
  await until(() => {
    walk();
    return (play.me?.at.x ?? 0) > 51;
  });
  respawn = true;
  await until(() => {
    walk();
    return play.me !== undefined && play.me.at.y === 10 && play.me.at.x > 11;
  });
  conns.at(-1)?.abort();
  await until(() => {
    walk();
    return states.length === 2 && play.state === "playing" && (play.me?.at.x ?? 0) > 14;
  });
  assert.deepEqual([states, errors], [["returning", "playing"], []]);
  assert.equal(rooms.stats().players, 1);
  assert.ok(play.figures().roundTripMs < 1_000 && play.figures().bytesInPerSecond > 0);
  await play.leave();
  assert.equal(rooms.stats().players, 0);
  await session.close();
  await rooms.close();
  await hub.close();
});
