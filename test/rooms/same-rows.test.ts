// What a recording and a checkpoint have is, row by row, what the room had at that tick.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { durable } from "@zocalo/hub";
import { Replay } from "@zocalo/room";
import { RawPlayer } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { inputRow, square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 60_000 };

/** The square, and what its rooms had at each tick. */
function watched(): { readonly mode: typeof squareRoom; readonly rows: Map<number, unknown> } {
  const rows = new Map<number, unknown>();
  const mode: typeof squareRoom = {
    ...squareRoom,
    step(room) {
      squareRoom.step?.(room);
      rows.set(room.tick, rowsOf(room.world));
    },
  };
  return { mode, rows };
}

/** What is looked at of a world. */
interface Rows {
  readonly kinds: Uint8Array;
  readonly generations: Uint32Array;
  readonly cells: Int32Array;
  readonly end: number;
  readonly layout: { readonly stride: number };
}

/** A copy of everything that is in a world. */
function rowsOf({ kinds, generations, cells, end, layout }: Rows): unknown {
  return [kinds.slice(0, end), generations.slice(0, end), cells.slice(0, end * layout.stride)];
}

test("a recording that was shared plays the same way, with every row of every tick", TIMEOUT, async (t) => {
  const { mode, rows } = watched();
  const server = await serveRooms(t, { modes: { square: mode } });
  const ana = new RawPlayer(server.session(), square);
  const { room } = await ana.join();
  ana.row = inputRow(0.5, 0.25, 1);
  await ana.until(() => (ana.cells?.[0] ?? 0) > 5_800);
  const bytes = await ana.session.call<Uint8Array>("room.recording", {});
  const replay = new Replay(squareRoom, bytes);
  let compared = 0;
  while (replay.next()) {
    const { tick, world } = replay.match;
    assert.deepEqual(rowsOf(world), rows.get(tick), `tick ${tick}`);
    compared += 1;
  }
  assert.equal(replay.match.id, room);
  assert.ok(compared > 40, `${compared} ticks`);
  const at = replay.match.seat(0)?.entity.at;
  assert.ok(at !== undefined && at.x > 57, `${at?.x}`);
});

test("after a crash a match goes on from its checkpoint, and players are told", TIMEOUT, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "rooms-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const engine = await durable(directory);
  const { mode, rows } = watched();
  const server = await serveRooms(t, {
    engine,
    modes: { square: mode },
    rooms: { checkpointMs: 100, wall: () => 0 },
  });
  const ana = new RawPlayer(server.session(), square);
  const before = await ana.join();
  ana.row = inputRow(1, 0);
  await ana.until(() => (ana.cells?.[0] ?? 0) > 5_800);
  // Nobody hands over.
  await server.hub.close();
  const last = Math.max(...rows.keys());

  // The wall stands still, so that it waits for Ana for a whole second before its first tick.
  const next = await serveRooms(t, { engine: await durable(directory), rooms: { wall: () => 0 } });
  const kept = next.rooms.get(before.room);
  assert.ok(kept !== undefined);
  const { tick, world } = kept;
  assert.deepEqual(rowsOf(world), rows.get(tick), `tick ${tick}`);
  assert.ok(tick > 5 && tick <= last, `${tick} of ${last}`);
  const x = world.cells[0] ?? 0;
  assert.ok(x > 5_000);
  const back = new RawPlayer(next.session(), square, ana.key);
  back.row = inputRow(0, 0);
  const after = await back.join();
  assert.deepEqual([after.room, after.seat, after.restored], [before.room, before.seat, "checkpoint"]);
  await back.until(() => back.own >= 0);
  // The last input is repeated for three ticks at most.
  assert.ok(Math.abs((back.cells?.[0] ?? 0) - x) <= 4 * 30, `${back.cells?.[0]} of ${x}`);
});
