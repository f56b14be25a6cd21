// What a game can do to its server: each of its functions throws, and it says and keeps what JSON cannot.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Replay } from "@zocalo/room";
import { RawPlayer } from "./raw-player.ts";
import { type RoomServer, serveRooms } from "./serve-rooms.ts";
import { square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 60_000 };

type Square = typeof squareRoom;

const FAULTS = /a fault of the game|JSON cannot say|must be JSON|BigInt|at most 1048512|'isAlive'/;

function fault(): never {
  throw new Error("a fault of the game");
}

/** A server with a bad mode and a good one, where Ben plays. */
async function beside(t: TestContext, bad: Partial<Square>, checkpointMs = 5_000): Promise<Beside> {
  const modes = { square: squareRoom, bad: { ...squareRoom, ...bad } };
  const server = await serveRooms(t, { modes, rooms: { checkpointMs } });
  const ben = new RawPlayer(server.session(), square);
  await ben.join();
  const ana = new RawPlayer(server.session(), square);
  return { server, ana, ben };
}

interface Beside {
  readonly server: RoomServer;
  readonly ana: RawPlayer;
  readonly ben: RawPlayer;
}

/** The other room goes on, and only it is left. */
async function goesOn({ server, ben }: Beside): Promise<void> {
  const { tick } = ben.reader.newest ?? { tick: 0 };
  await ben.until(() => (ben.reader.newest?.tick ?? 0) > tick + 3);
  assert.equal(server.rooms.size, 1);
  assert.ok(server.errors.length > 0);
  for (const error of server.errors) assert.match(String(error), FAULTS);
}

const atJoin: readonly (readonly [string, Partial<Square>])[] = [
  ["join", { join: fault }],
  ["step", { step: fault }],
  ["bot", { bots: 2, bot: fault }],
  ["botName", { bots: 2, botName: fault }],
  ["interest.sees", { interest: { sees: fault } }],
  ["interest.view", { interest: { view: fault, sees: () => true } }],
  ["interest.begin", { interest: { begin: fault, sees: () => true } }],
  ["room.send of what JSON cannot say", { step: (room) => room.send(1n as never) }],
  ["room.send of nothing", { step: (room) => room.send(undefined as never) }],
  ["room.send of a MiB and more", { step: (room) => room.send("x".repeat(1_100_000)) }],
  ["an entity of nobody", { step: (room) => (room.seats[0] ? (room.seats[0].entity = null as never) : 0) }],
];

for (const [name, bad] of atJoin) {
  test(`a game whose ${name} throws ends its room and no other`, TIMEOUT, async (t) => {
    const all = await beside(t, bad);
    await all.ana.join({ mode: "bad" });
    await all.ana.until(() => all.ana.ended.length > 0);
    assert.deepEqual(all.ana.ended, [{ reason: "failed" }]);
    await goesOn(all);
  });
}

test("a game whose leave throws ends its room, whoever sits down and leaves", TIMEOUT, async (t) => {
  const all = await beside(t, { leave: fault });
  const { server, ana } = all;
  const other = new RawPlayer(server.session(), square);
  await ana.join({ mode: "bad" });
  await other.join({ mode: "bad" });
  await ana.until(() => ana.own >= 0);
  await ana.session.call("room.leave", {});
  await other.until(() => other.ended.length > 0);
  await goesOn(all);
});

test(
  "a game whose open throws is told to onError, and to who would join; an address has it twice and no more",
  TIMEOUT,
  async (t) => {
    const modes = { square: squareRoom, bad: { ...squareRoom, open: fault } };
    const limits = { exemptAddresses: [], maxRoomsPerAddress: 2, maxPlacesPerAddress: 2 };
    const server = await serveRooms(t, { modes, rooms: limits });
    const ana = new RawPlayer(server.session(), square);
    for (const code of ["failed", "failed", "limit_reached", "limit_reached"]) {
      await assert.rejects(ana.join({ mode: "bad" }), { code });
    }
    assert.throws(() => server.rooms.create("bad"), /a fault of the game/);
    assert.equal(server.errors.length, 2);
    assert.deepEqual(server.rooms.stats(), { rooms: 0, players: 0, bots: 0, watchers: 0 });
    server.rooms.create("square");
    await ana.join();
    assert.equal(server.rooms.stats().players, 1, "places were counted for nobody");
  },
);

test(
  "who is matched into a room whose open throws is refused, and the others are matched",
  TIMEOUT,
  async (t) => {
    const all = await beside(t, { open: fault, seats: 1 });
    const { server, ana } = all;
    const news: unknown[] = [];
    const refused = new Promise<void>((resolve) => {
      ana.session.onMessage("room.match", ({ data }) => {
        news.push(data);
        if ((data as { state: string }).state !== "waiting") resolve();
      });
    });
    const request = { mode: "bad", hash: square.layout.hash, key: ana.key, name: "Ana" };
    await ana.session.call("room.match", request);
    await refused;
    assert.deepEqual(news.at(-1), { state: "refused", code: "failed" });
    await goesOn(all);
    assert.equal(server.errors.length, 1);
  },
);

for (const [name, state] of [
  ["a BigInt", 1n],
  ["itself", undefined],
] as const) {
  test(`a room whose state holds ${name} is not kept, which is told; it goes on`, TIMEOUT, async (t) => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const open: Square["open"] = (room) => {
      room.state = (state ?? cycle) as never;
    };
    const { server, ana, ben } = await beside(t, { open }, 50);
    await ana.join({ mode: "bad" });
    await ana.until(() => server.errors.length > 2);
    const { tick } = ana.reader.newest ?? { tick: 0 };
    await ana.until(() => (ana.reader.newest?.tick ?? 0) > tick + 3);
    assert.equal(server.rooms.size, 2);
    let movings = 0;
    for (const { session } of [ana, ben]) session.onMessage("room.moving", () => movings++);
    await server.close();
    assert.equal(movings, 2, "all are told, and the other room is handed over");
    for (const error of server.errors) assert.match(String(error), /BigInt|circular/);
  });
}

test("what is said to who is not there is what it was when it was said", TIMEOUT, async (t) => {
  const score = { points: 0 };
  const step: Square["step"] = (room) => {
    if (room.tick !== score.points + 1) return;
    score.points += 1;
    if (score.points <= 3) room.send(score);
  };
  const mode: Square = { ...squareRoom, step, seats: 1 };
  const server = await serveRooms(t, { modes: { square: mode } });
  const ana = new RawPlayer(server.session(), square);
  // A place that was matched has no session yet, and the room ticks.
  const found = new Promise<string>((resolve) => {
    ana.session.onMessage<{ state: string; room: string }>("room.match", ({ data }) => {
      if (data.state === "found") resolve(data.room);
    });
  });
  await ana.session.call("room.match", {
    mode: "square",
    hash: square.layout.hash,
    key: ana.key,
    name: "Ana",
  });
  const room = await found;
  await new Promise<void>((resolve) => {
    const look = (): void => void (score.points > 3 ? resolve() : setImmediate(look));
    look();
  });
  await ana.join({ room });
  await ana.until(() => ana.events.length === 3);
  assert.deepEqual(ana.events, [{ points: 1 }, { points: 2 }, { points: 3 }]);
});

test("a room may close itself when it opens, or where no tick runs", TIMEOUT, async (t) => {
  const { server, ana } = await beside(t, { open: (room) => room.close() });
  await assert.rejects(ana.join({ mode: "bad" }), { code: "full" });
  assert.equal(server.rooms.size, 1);
  const idle = server.rooms.create("square");
  assert.equal(server.rooms.size, 2);
  idle.close();
  assert.equal(server.rooms.size, 1);
  assert.deepEqual(server.errors, []);
});

test(
  "a game kicks all, removes players' entities, gives others, and records each tick",
  TIMEOUT,
  async (t) => {
    const step: Square["step"] = (room) => {
      room.record();
      for (const seat of room.seats) {
        if (room.tick % 3 === 0) room.world.remove(seat.entity);
        if (room.tick % 3 === 1) seat.entity = room.world.add("player", { at: [room.tick % 100, 1] });
        if (room.tick > 60) room.kick(seat, { text: "x".repeat(1_000) });
      }
    };
    const { server, ana } = await beside(t, { step, bots: 3 });
    await ana.join({ mode: "bad" });
    await ana.until(() => ana.ended.length > 0);
    assert.deepEqual(ana.ended, [{ reason: "kicked", text: "x".repeat(200) }]);
    assert.deepEqual(server.errors, []);
  },
);

test("bots that the game names by chance are named the same in the recording", TIMEOUT, async (t) => {
  const mode: Square = {
    ...squareRoom,
    bots: 3,
    botName: (room) => `bot ${Math.floor(1e6 * room.random())}`,
  };
  const server = await serveRooms(t, { modes: { square: mode } });
  const ana = new RawPlayer(server.session(), square);
  const { room } = await ana.join();
  await ana.until(() => ana.own >= 0);
  const other = new RawPlayer(server.session(), square);
  await other.join({ room });
  await other.until(() => other.own >= 0);
  await other.session.call("room.leave", {});
  const { tick } = ana.reader.newest ?? { tick: 0 };
  await ana.until(() => (ana.reader.newest?.tick ?? 0) > tick + 5);
  const bytes = await ana.session.call<Uint8Array>("room.recording", {});
  const replay = new Replay(mode, bytes);
  while (replay.next());
  const names = replay.match.seats.map(({ name }) => name);
  const live = server.rooms.get(room)?.seats.map(({ name }) => name);
  assert.deepEqual(names, live);
  assert.equal(new Set(names).size, 3);
});

test("as many rooms are recorded at a time as may be, and no more", TIMEOUT, async (t) => {
  const server = await serveRooms(t, { rooms: { maxRecordings: 1 } });
  const [ana, ben] = [new RawPlayer(server.session(), square), new RawPlayer(server.session(), square)];
  for (const player of [ana, ben]) {
    await player.join({ create: {} });
    await player.until(() => player.own >= 0);
  }
  assert.ok((await ana.session.call<unknown>("room.recording", {})) instanceof Uint8Array);
  assert.equal(await ben.session.call<unknown>("room.recording", {}), null);
});
