// What becomes of rooms from one process to the next: many at once, lanes that open meanwhile, people who
// never come back, and clocks that disagree.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { after, test, type TestContext } from "node:test";
import { durable, type Engine } from "@zocalo/hub";
import { listenPacket } from "@zocalo/net";
import { join, udpLanes, type UdpLanes } from "@zocalo/room";
import { newKey, RawPlayer } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { inputRow, square, squareRoom } from "./square.ts";
import { Told, toldUdp } from "./told.ts";

const TIMEOUT = { timeout: 60_000 };
const DAY_MS = 86_400_000;
const NOBODY = { rooms: 0, players: 0, bots: 0, watchers: 0 };
type Square = typeof squareRoom;

/** Removed once all servers are closed. */
const directories: string[] = [];
after(() => Promise.all(directories.map((each) => rm(each, { recursive: true, force: true }))));

/** Gives the engine of one process after the other. */
async function store(): Promise<() => Promise<Engine>> {
  const directory = await mkdtemp(path(tmpdir(), "rooms-"));
  directories.push(directory);
  return () => durable(directory);
}

async function lanes(t: TestContext): Promise<UdpLanes> {
  const udp = udpLanes(await listenPacket("udp", "127.0.0.1:0"));
  t.after(() => udp.close());
  return udp;
}

test(
  "rooms that are handed over while a lane of datagrams opens leave no lane, and the next process opens another",
  TIMEOUT,
  async (t) => {
    const engine = await store();
    for (const moment of ["asked", "told", "opening"] as const) {
      const udp = await lanes(t);
      let close = (): void => {};
      const asked = new Promise<void>((resolve) => (close = resolve));
      const called = (method: string): void => {
        if (method === "room.lane" && moment === "asked") close();
      };
      const server = await serveRooms(t, { engine: await engine(), rooms: { udp }, called });
      const errors: unknown[] = [];
      const told = new Told();
      const play = await join(server.session({ backoff: { baseMs: 50, maxMs: 500 } }), square, {
        mode: "square",
        onError: (error) => errors.push(error),
        onState: told.look,
        lane: (over, context) => {
          const ask: typeof context.ask = async (request) => {
            const ticket = await context.ask(request);
            if (moment === "told") close();
            else if (moment === "opening") queueMicrotask(close);
            return ticket;
          };
          return toldUdp(told)(over, { ...context, ask });
        },
      });
      const { process, room, seat } = play.room;
      await asked;
      await server.close();
      assert.deepEqual([udp.stats.lanes, server.errors], [0, []], moment);
      const nextUdp = await lanes(t);
      const next = await serveRooms(t, {
        engine: await engine(),
        rooms: { udp: nextUdp },
        address: server.address,
      });
      const drawing = setInterval(() => play.advance(performance.now()), 16);
      await told.until(() => play.state === "playing" && play.room.process !== process);
      await told.until(() => play.figures().carrier === "udp");
      clearInterval(drawing);
      assert.deepEqual([play.room.room, play.room.seat, play.restored], [room, seat, "whole"], moment);
      await play.leave();
      await next.until(() => next.rooms.stats().players === 0);
      assert.deepEqual([nextUdp.stats.lanes, next.errors, errors], [0, [], []], moment);
      await next.close();
    }
  },
);

test(
  "300 rooms go on at once: everybody finds the own seat, and once they have left nothing stays",
  TIMEOUT,
  async (t) => {
    const engine = await store();
    const count = 300;
    const mode: Square = { ...squareRoom, bots: 3 };
    const server = await serveRooms(t, { engine: await engine(), modes: { square: mode } });
    const usual = { mode: "square", hash: square.layout.hash, name: "Ana" };
    type Answer = { readonly room: string; readonly seat: number; readonly isReturn: boolean };
    const people = Array.from({ length: count }, () => ({ key: newKey(), session: server.session() }));
    const before = await Promise.all(
      people.map(({ key, session }) =>
        session.call<Answer>("room.join", { ...usual, key, create: { isPrivate: true } }),
      ),
    );
    await server.close();
    await Promise.all(people.map(({ session }) => session.close()));

    const brief: Square = { ...mode, emptyMs: 50 };
    const next = await serveRooms(t, { engine: await engine(), modes: { square: brief } });
    const later = people.map(({ key }) => ({ key, session: next.session() }));
    assert.deepEqual(next.rooms.stats(), { rooms: count, players: count, bots: 3 * count, watchers: 0 });
    const found = await Promise.all(
      later.map(({ key, session }) => session.call<Answer>("room.join", { ...usual, key })),
    );
    assert.deepEqual(
      found.map(({ room, seat, isReturn }) => [room, seat, isReturn]),
      before.map(({ room, seat }) => [room, seat, true]),
    );
    await Promise.all(later.map(({ session }) => session.call("room.leave", {})));
    await next.until(() => next.rooms.size === 0);
    assert.deepEqual([next.rooms.stats(), next.errors], [NOBODY, []]);
  },
);

test(
  "who never comes back frees the seat after holdMs, and the room is closed and kept no more",
  TIMEOUT,
  async (t) => {
    const engine = await store();
    const server = await serveRooms(t, { engine: await engine() });
    const people = [0, 1, 2].map(() => new RawPlayer(server.session(), square));
    const { room } = (await people[0]?.join()) ?? assert.fail();
    await people[1]?.join({ room });
    await people[2]?.join({ room, watch: true });
    await server.close();

    const mode: Square = { ...squareRoom, holdMs: 1_000, emptyMs: 50 };
    const modes = { square: mode };
    const next = await serveRooms(t, { engine: await engine(), modes });
    assert.deepEqual(next.rooms.stats(), { rooms: 1, players: 2, bots: 0, watchers: 1 });
    await next.until(() => next.rooms.stats().players === 0);
    await next.until(() => next.rooms.size === 0);
    assert.deepEqual([next.rooms.stats(), next.errors], [NOBODY, []]);
    const late = new RawPlayer(next.session(), square, people[0]?.key);
    await assert.rejects(late.join({ room }), { code: "no_room" });
    assert.equal((await late.join()).isReturn, false);
    await late.session.call("room.leave", {});
    await next.until(() => next.rooms.size === 0);
    await next.close();
    const last = await serveRooms(t, { engine: await engine(), modes });
    assert.deepEqual([last.rooms.stats(), last.errors], [NOBODY, []]);
  },
);

for (const [what, byMs] of [
  ["back a day", -DAY_MS],
  ["back to 1970", -Date.now()],
  ["forward a year", 365 * DAY_MS],
] as const) {
  test(
    `a wall clock that was set ${what} between processes costs nobody a seat, nor ends a ban`,
    TIMEOUT,
    async (t) => {
      const engine = await store();
      const server = await serveRooms(t, { engine: await engine() });
      const [ana, ben, eva] = [0, 1, 2].map(() => new RawPlayer(server.session(), square));
      assert.ok(ana && ben && eva);
      const { room } = await ana.join();
      for (const other of [ben, eva]) await other.join({ room });
      await eva.until(() => eva.own >= 0);
      await eva.session.call("room.event", "kick me");
      await eva.until(() => eva.ended.length > 0);
      await server.close();

      const wall = (): number => Date.now() + byMs;
      const next = await serveRooms(t, { engine: await engine(), rooms: { wall } });
      const back = new RawPlayer(next.session(), square, ana.key);
      back.row = inputRow(1, 0);
      const answer = await back.join({ room });
      assert.deepEqual([answer.seat, answer.isReturn, answer.restored], [0, true, "whole"]);
      await back.until(() => back.own >= 0 && (back.cells?.[0] ?? 0) > 5_100);
      assert.equal(next.rooms.get(room)?.seats.length, 2, "Ben's seat is kept for him");
      await assert.rejects(new RawPlayer(next.session(), square, eva.key).join({ room }), { code: "banned" });
      assert.deepEqual(next.errors, []);
    },
  );
}

test("a room that is named twice, or is there already, goes on once and as it is", TIMEOUT, async (t) => {
  const engine = await store();
  const server = await serveRooms(t, { engine: await engine() });
  const ana = new RawPlayer(server.session(), square);
  const { room } = await ana.join();
  await server.rooms.close();
  const index = new TextEncoder().encode(JSON.stringify([room, room]));
  const header = new Uint8Array(12);
  new DataView(header.buffer).setUint32(0, 1_000, true);
  new DataView(header.buffer).setUint32(8, 1, true);
  await server.hub.publish("room-saves:index", new Uint8Array([...header, ...index]));
  await server.close();

  const next = await serveRooms(t, { engine: await engine() });
  const match = next.rooms.get(room);
  assert.deepEqual(next.rooms.stats(), { rooms: 1, players: 1, bots: 0, watchers: 0 });
  const back = new RawPlayer(next.session(), square, ana.key);
  back.row = inputRow(1, 0);
  await back.join();
  await back.until(() => (back.cells?.[0] ?? 0) > 5_100);
  assert.equal(await next.rooms.open(), 1);
  assert.equal(next.rooms.get(room), match);
  const { tick } = back.reader.newest ?? { tick: 0 };
  await back.until(() => (back.reader.newest?.tick ?? 0) > tick + 5);
  assert.deepEqual([back.ended, next.errors], [[], []]);
});
