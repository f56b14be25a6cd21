// A process of rooms is killed in the middle of its checkpoints, and the next one goes on with what was kept.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { test } from "node:test";
import { connect, type Session } from "@zocalo/client";
import { Random } from "@zocalo/integrity";
import * as websocket from "@zocalo/websocket";
import { RoomProgram } from "./programs.ts";
import { RawPlayer } from "./raw-player.ts";
import { inputRow, square } from "./square.ts";

/** `ROOM_KILLS` and `ROOM_SEED` say it otherwise. */
const KILLS = Number(process.env["ROOM_KILLS"] ?? 3);
const SEED = Number(process.env["ROOM_SEED"] ?? 7);

function opened(session: Session): Promise<void> {
  return new Promise((resolve) => session.onState(({ name }) => name === "connected" && resolve()));
}

test("killed in the middle of checkpoints: each time the next process has the room, the seats and all that was kept", {
  timeout: 30_000 + KILLS * 20_000,
}, async (t) => {
  const directory = await mkdtemp(path(tmpdir(), "rooms-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const random = new Random(SEED);
  const keys: string[] = [];
  let room: string | undefined;
  let before = 0;
  let lost = 0;
  for (let kill = 0; kill <= KILLS; kill++) {
    await using server = new RoomProgram("server", directory);
    const address = await server.says();
    const sessions = [0, 1].map(() => connect(`ws://${address}`, { dial: websocket.dial }));
    await Promise.all(sessions.map(opened));
    const players = sessions.map((session, i) => new RawPlayer(session, square, keys[i]));
    for (const [i, player] of players.entries()) {
      keys[i] = player.key;
      const answer = await player.join({ ...(room !== undefined && { room }), name: `P${i}` });
      assert.deepEqual([answer.seat, answer.isReturn], [i, kill > 0], `kill ${kill}`);
      if (kill > 0) assert.equal(answer.restored, "checkpoint");
      room = answer.room;
      player.row = inputRow(i === 0 ? 0.01 : 0, 0.01);
    }
    const [ana] = players;
    assert.ok(ana !== undefined);
    const tick = (): number => ana.reader.newest?.tick ?? -1;
    await ana.until(() => ana.own >= 0);
    // A checkpoint is begun with each tick and done within few: seconds after it this one was kept.
    lost = Math.max(lost, before - tick());
    assert.ok(tick() >= before - 45, `kill ${kill}: at tick ${tick()}, and ${before} was there`);
    const end = tick() + 50 + random.below(40);
    await ana.until(() => tick() >= end);
    before = tick();
    if (random.below(2) === 0) await new Promise((resolve) => setImmediate(resolve));
    server.child.kill("SIGKILL");
    await server.closed;
    await Promise.all(sessions.map((session) => session.close()));
  }
  t.diagnostic(`${KILLS} kills of seed ${SEED}: at most ${lost} ticks lost`);
});
