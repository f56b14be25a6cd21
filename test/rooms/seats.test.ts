// Places and queues under players who come, go and ask again: nothing is taken twice, nothing stays.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Session } from "@zocalo/client";
import { MemoryEngine } from "@zocalo/hub";
import { newKey, RawPlayer } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 60_000 };
type Square = typeof squareRoom;
const HASH = square.layout.hash;

interface News {
  readonly state: string;
  readonly room: string;
  readonly waiting: number;
}

/** Asks to be matched, and resolves with what is said when the waiting is over. */
async function matched(session: Session, mode: string, key: string, skill?: number): Promise<News> {
  const over = new Promise<News>((resolve) => {
    session.onMessage<News>("room.match", ({ data }) => {
      if (data.state !== "waiting") resolve(data);
    });
  });
  const answer = await session.call<never>("room.match", { mode, hash: HASH, key, name: "Ana", skill });
  return (answer as News).state === "waiting" ? over : answer;
}

test(
  "players of the greatest skills there are share a room, and the next one is matched",
  TIMEOUT,
  async (t) => {
    const mode: Square = { ...squareRoom, matching: { fillAfterMs: 0, least: 2 } };
    const server = await serveRooms(t, { modes: { square: mode } });
    const most = Number.MAX_VALUE;
    const first = [newKey(), newKey()].map((key) => matched(server.session(), "square", key, most));
    const [a, b] = await Promise.all(first);
    assert.equal(a?.room, b?.room);
    assert.equal((await matched(server.session(), "square", newKey(), most)).room, a?.room);
  },
);

test("a key waits in one queue: asked again for another mode, it leaves the first", TIMEOUT, async (t) => {
  const matching = { fillAfterMs: 600_000, anySkillAfterMs: 600_000 };
  const mode = { ...squareRoom, seats: 2, matching };
  const server = await serveRooms(t, { modes: { one: mode, two: mode } });
  const ana = server.session();
  const ask = (session: Session, name: string, key: string): Promise<News> =>
    session.call<never>("room.match", { mode: name, hash: HASH, key, name: "Ana" });
  const key = newKey();
  await ask(ana, "one", key);
  await ask(ana, "two", key);
  const other = server.session();
  assert.equal((await ask(other, "one", newKey())).waiting, 1, "nobody else waits there");
  await ana.call("room.unmatch", {});
  assert.equal((await ask(server.session(), "two", newKey())).waiting, 1);
});

test(
  "who has a place and is matched into the same room has one seat in it, and leaves none",
  TIMEOUT,
  async (t) => {
    const mode: Square = { ...squareRoom, matching: { fillAfterMs: 0, least: 1 } };
    const server = await serveRooms(t, { modes: { square: mode } });
    const ana = new RawPlayer(server.session(), square);
    const { room } = await ana.join();
    await ana.until(() => ana.own >= 0);
    for (let i = 0; i < 2; i++) {
      assert.equal((await matched(ana.session, "square", ana.key)).room, room);
      assert.equal((await ana.join({ room })).isReturn, true);
      assert.deepEqual(server.rooms.stats(), { rooms: 1, players: 1, bots: 0, watchers: 0 });
    }
    assert.equal((await ana.join({ room })).isReturn, true);
    await ana.until(() => ana.own >= 0);
    await ana.session.call("room.leave", {});
    assert.deepEqual(server.rooms.stats(), { rooms: 1, players: 0, bots: 0, watchers: 0 });
  },
);

test(
  "a thousand joins and leaves in a breath leave nothing that waits for the next tick",
  TIMEOUT,
  async (t) => {
    const joined: number[] = [];
    const mode: Square = {
      ...squareRoom,
      bots: 3,
      join(room, seat) {
        joined.push(seat.number);
        return squareRoom.join(room, seat);
      },
    };
    const server = await serveRooms(t, { modes: { square: mode } });
    const { id } = server.rooms.create("square");
    const ana = new RawPlayer(server.session(), square);
    const usual = { mode: "square", hash: HASH, name: "Ana", key: ana.key, room: id };
    for (let i = 0; i < 20; i++) {
      const calls: Promise<unknown>[] = [];
      for (let pair = 0; pair < 50; pair++) {
        calls.push(ana.session.call("room.join", usual), ana.session.call("room.leave", {}));
      }
      await Promise.all(calls);
    }
    const before = joined.length;
    await ana.join({ room: id });
    await ana.until(() => ana.own >= 0);
    assert.ok(joined.length - before <= 8, `${joined.length - before} sat down`);
    assert.deepEqual(server.rooms.stats(), { rooms: 1, players: 1, bots: 3, watchers: 0 });
  },
);

test(
  "what is said while the rooms are handed over is refused as moving, not taken and lost",
  TIMEOUT,
  async (t) => {
    const engine = new MemoryEngine();
    const server = await serveRooms(t, { engine });
    const ana = new RawPlayer(server.session(), square);
    await ana.join();
    await ana.until(() => ana.own >= 0);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const publish = engine.publish.bind(engine);
    engine.publish = async (...given: Parameters<typeof publish>) => {
      await held;
      return publish(...given);
    };
    const closing = server.rooms.close();
    assert.equal(server.rooms.close(), closing);
    try {
      for (const [method, input] of [
        ["room.event", "point"],
        ["room.leave", {}],
        ["room.lane", { kind: "udp" }],
        ["room.kick", { seat: 0 }],
        ["room.match", { mode: "square", hash: HASH, key: newKey(), name: "Ana" }],
        ["room.join", { mode: "square", hash: HASH, key: newKey(), name: "Ana" }],
      ] as const) {
        await assert.rejects(ana.session.call(method, input), { code: "moving" }, method);
      }
    } finally {
      release();
    }
    await closing;
    await assert.rejects(ana.session.call("room.event", "point"), { code: "unknown_method" });
  },
);
