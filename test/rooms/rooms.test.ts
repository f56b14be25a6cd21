// Rooms on a real hub, over real sockets, with players who speak the wire by hand.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CallError, connect } from "@zocalo/client";
import { durable, Hub } from "@zocalo/hub";
import { roomNamespaces, Rooms } from "@zocalo/room";
import * as websocket from "@zocalo/websocket";
import { newKey, RawPlayer } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { inputRow, square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 60_000 };

function refused(code: string): (error: unknown) => boolean {
  return (error) => error instanceof CallError && error.code === code;
}

test("two players join one room, see each other, and move by what they send", TIMEOUT, async (t) => {
  const server = await serveRooms(t);
  const [ana, ben] = [new RawPlayer(server.session(), square), new RawPlayer(server.session(), square)];
  const first = await ana.join();
  const second = await ben.join({ name: "Ben" });
  assert.equal(first.room, second.room);
  assert.deepEqual([first.seat, second.seat], [0, 1]);
  ana.row = inputRow(1, 0);
  await ana.until(() => (ana.cells?.[0] ?? 0) > 6_000 && ben.own >= 0);
  assert.notEqual(ana.own, ben.own);
  const y = ben.cells?.[1];
  assert.equal(y, 5_000, "who sends nothing but zeros stays");
  assert.equal(server.rooms.stats().players, 2);
  assert.deepEqual(server.errors, []);
});

test("a join may be repeated: the same key has the same seat, over sessions", TIMEOUT, async (t) => {
  const server = await serveRooms(t);
  const ana = new RawPlayer(server.session(), square);
  const joins = await Promise.all([ana.join(), ana.join(), ana.join()]);
  assert.deepEqual(new Set(joins.map(({ room, seat }) => `${room} ${seat}`)).size, 1);
  ana.row = inputRow(1, 0);
  await ana.until(() => (ana.cells?.[0] ?? 0) > 5_500);
  const again = new RawPlayer(server.session(), square, ana.key);
  const answer = await again.join();
  assert.deepEqual([answer.seat, answer.isReturn], [0, true]);
  assert.notEqual(answer.incarnation, joins[2]?.incarnation, "it has nothing of what the other knew");
  await again.until(() => (again.cells?.[0] ?? 0) > 5_500);
  await ana.until(() => ana.ended.length > 0);
  assert.deepEqual(ana.ended, [{ reason: "replaced" }]);
  assert.equal(server.rooms.stats().players, 1);
});

test(
  "who is cut off is away, a bot steers, and the seat is theirs when they come back",
  TIMEOUT,
  async (t) => {
    const mode: typeof squareRoom = { ...squareRoom, awayMs: 2_000 };
    const server = await serveRooms(t, { modes: { square: mode } });
    const ana = new RawPlayer(server.session(), square);
    const ben = new RawPlayer(server.session(), square);
    await ana.join();
    await ben.join();
    await ana.until(() => ana.own >= 0);
    await ben.until(() => ben.own >= 0);
    await ana.session.close();
    const rowOfAna = (): Int32Array | undefined => {
      const stride = square.layout.stride;
      return ben.reader.newest?.cells.subarray(ana.own * stride, (ana.own + 1) * stride);
    };
    await ben.until(() => rowOfAna()?.[1] !== 5_000);
    const again = new RawPlayer(server.session(), square, ana.key);
    const answer = await again.join();
    assert.deepEqual([answer.seat, answer.isReturn], [0, true]);
    again.row = inputRow(0, 0);
    await again.until(() => again.own === ana.own);
    assert.equal(server.rooms.stats().players, 2);
  },
);

test("a page of another version is told to reload, and no place is taken", TIMEOUT, async (t) => {
  const server = await serveRooms(t);
  const ana = new RawPlayer(server.session(), square);
  await assert.rejects(ana.join({ hash: square.layout.hash + 1 }), refused("other_version"));
  await assert.rejects(ana.join({ mode: "nowhere" }), refused("no_room"));
  await assert.rejects(ana.join({ mode: "__proto__" }), refused("no_room"));
  await assert.rejects(ana.join({ room: "nothing" }), refused("no_room"));
  for (const bad of [
    { key: "short" },
    { key: 7 },
    { name: null },
    { room: 5 },
    { watch: "yes" },
    { hash: "1" },
  ]) {
    await assert.rejects(ana.join(bad), refused("bad_request"));
  }
  assert.deepEqual(server.rooms.stats(), { rooms: 0, players: 0, bots: 0, watchers: 0 });
});

test(
  "a room has as many seats as it says; the next player opens another, and a named room is full",
  TIMEOUT,
  async (t) => {
    const server = await serveRooms(t);
    const players = Array.from({ length: 5 }, () => new RawPlayer(server.session(), square));
    const answers = [];
    for (const player of players) answers.push(await player.join());
    const [first] = answers;
    assert.deepEqual(
      answers.map(({ room }) => room === first?.room),
      [true, true, true, true, false],
    );
    const late = new RawPlayer(server.session(), square);
    await assert.rejects(late.join({ room: first?.room }), refused("full"));
    const watcher = new RawPlayer(server.session(), square);
    const { seat } = await watcher.join({ room: first?.room, watch: true });
    assert.equal(seat, -1);
    await watcher.until(() => watcher.reader.newest !== undefined);
    watcher.row = inputRow(1, 1);
    const { tick } = watcher.reader.newest ?? { tick: 0 };
    await watcher.until(() => (watcher.reader.newest?.tick ?? 0) > tick + 15);
    assert.equal(watcher.own, -1);
    const { newest } = watcher.reader;
    for (let id = 0; id < 4; id++)
      assert.equal(newest?.cells[id * square.layout.stride], 5_000, "a watcher moves nobody");
    await players[0]?.session.call("room.leave", {});
    assert.equal((await late.join({ room: first?.room })).seat, 0);
  },
);

test(
  "a private room is in no list, is joined by its id, and its owner may put somebody out",
  TIMEOUT,
  async (t) => {
    const server = await serveRooms(t);
    type List = { readonly rooms: readonly { readonly room: string; readonly players: number }[] };
    const lists: List[] = [];
    let look = (): void => {};
    const observer = server.session();
    const flow = (async () => {
      for await (const { data } of observer.channel<List>("rooms:square").subscribe()) {
        lists.push(data);
        look();
      }
    })();
    const listed = (holds: (list: List) => boolean): Promise<void> => {
      return new Promise((resolve) => {
        look = () => lists.some(holds) && resolve();
        look();
      });
    };
    const ana = new RawPlayer(server.session(), square);
    const own = await ana.join({ create: { isPrivate: true, options: { map: 1 } } });
    assert.ok(own.room.length >= 22);
    assert.deepEqual(server.rooms.get(own.room)?.options, { map: 1 });
    const ben = new RawPlayer(server.session(), square);
    const open = await ben.join();
    assert.notEqual(open.room, own.room);
    await listed(({ rooms }) => rooms.some(({ room, players }) => room === open.room && players === 1));
    assert.equal((await ben.join({ room: own.room })).room, own.room);
    await assert.rejects(ben.session.call("room.kick", { seat: 0 }), refused("not_allowed"));
    await ana.session.call("room.kick", { seat: 1, banMs: 60_000 });
    await ben.until(() => ben.ended.length > 0);
    assert.deepEqual(ben.ended, [{ reason: "banned" }]);
    await assert.rejects(ben.join({ room: own.room }), refused("banned"));
    await observer.close();
    await flow;
    for (const { rooms } of lists) for (const { room } of rooms) assert.notEqual(room, own.room);
  },
);

test("events come in order, and what the game says comes to all", TIMEOUT, async (t) => {
  const server = await serveRooms(t);
  const [ana, ben] = [new RawPlayer(server.session(), square), new RawPlayer(server.session(), square)];
  await ana.join();
  await ben.join();
  for (let i = 0; i < 5; i++) await ana.session.call("room.event", "point");
  await ana.until(
    () => ana.cells?.[square.layout.kinds[0]?.cells.findIndex(({ max }) => max === 1_000) ?? -1] === 5,
  );
  await ana.session.call("room.event", "hello");
  await ben.until(() => ben.events.length > 0);
  assert.deepEqual(ben.events, [{ from: 0 }]);
  await ben.session.call("room.event", "kick me");
  await ben.until(() => ben.ended.length > 0);
  assert.deepEqual(ben.ended, [{ reason: "banned", text: "as you wish" }]);
  await ana.session.call("room.event", "close");
  await ana.until(() => ana.ended.length > 0);
  assert.deepEqual(ana.ended, [{ reason: "closed" }]);
  assert.equal(server.rooms.size, 0);
});

test("a game that throws ends its room and no other, and is reported", TIMEOUT, async (t) => {
  const server = await serveRooms(t);
  const [ana, ben] = [new RawPlayer(server.session(), square), new RawPlayer(server.session(), square)];
  await ana.join({ create: {} });
  await ben.join({ create: {} });
  await ana.session.call("room.event", "throw");
  await ana.until(() => ana.ended.length > 0);
  assert.match(String(server.errors[0]), /a fault of the game/);
  const { tick } = ben.reader.newest ?? { tick: 0 };
  await ben.until(() => (ben.reader.newest?.tick ?? 0) > tick + 5);
  assert.equal(server.rooms.size, 1);
});

test("a match goes on in the next process: the same seat and place", TIMEOUT, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "rooms-"));
  const server = await serveRooms(t, { engine: await durable(directory) });
  const key = newKey();
  const ana = new RawPlayer(server.session(), square, key);
  const before = await ana.join();
  ana.row = inputRow(1, 0);
  await ana.until(() => (ana.cells?.[0] ?? 0) > 5_600);
  let moving = false;
  ana.session.onMessage("room.moving", () => (moving = true));
  await server.close();
  assert.ok(moving);
  const { tick } = ana.reader.newest ?? { tick: 0 };
  const x = ana.cells?.[0] ?? 0;
  await ana.session.close();

  const next = await serveRooms(t, { engine: await durable(directory) });
  t.after(() => rm(directory, { recursive: true, force: true }));
  assert.equal(next.rooms.size, 1);
  const back = new RawPlayer(next.session(), square, key);
  back.row = inputRow(0, 0);
  const after = await back.join({ incarnation: before.incarnation });
  assert.deepEqual([after.room, after.seat, after.isReturn], [before.room, before.seat, true]);
  assert.deepEqual([before.restored, after.restored], [undefined, "whole"]);
  const repeated = await back.join({ incarnation: after.incarnation });
  assert.equal(repeated.restored, "whole", "said until the client is heard");
  assert.notEqual(after.incarnation, before.incarnation);
  assert.ok(after.tick >= tick, "no tick is lost");
  await back.until(() => back.own >= 0);
  assert.ok((back.cells?.[0] ?? 0) >= x, "no place is lost");
  assert.ok((back.reader.newest?.tick ?? 0) > tick);
  assert.equal((await back.join()).restored, undefined, "said, and heard");
  await next.close();
});

test("players are matched by mode and skill, and are told how they stand meanwhile", TIMEOUT, async (t) => {
  const matching = { skillWindow: 100, widenPerSecond: 0, anySkillAfterMs: 600_000, fillAfterMs: 600_000 };
  const modes = { duel: { ...squareRoom, seats: 2, matching } };
  const server = await serveRooms(t, { modes });
  const players = Array.from({ length: 4 }, () => new RawPlayer(server.session(), square));
  const skills = [1_000, 2_000, 1_050, 1_950];
  const found = players.map(({ session }) => {
    return new Promise<string>((resolve) => {
      session.onMessage<{ state: string; room: string }>("room.match", ({ data }) => {
        if (data.state === "found") resolve(data.room);
      });
    });
  });
  const states: { state: string; waiting: number; needed: number }[] = [];
  for (const [index, player] of players.entries()) {
    const request = {
      mode: "duel",
      hash: square.layout.hash,
      key: player.key,
      name: `p${index}`,
      skill: skills[index],
    };
    states.push(await player.session.call<never>("room.match", request));
  }
  assert.deepEqual(states.map(({ state, waiting }) => `${state} ${waiting}`).slice(0, 2), [
    "waiting 1",
    "waiting 2",
  ]);
  const rooms = await Promise.all(found);
  assert.equal(rooms[0], rooms[2]);
  assert.equal(rooms[1], rooms[3]);
  assert.notEqual(rooms[0], rooms[1]);
  for (const [index, player] of players.entries()) {
    const answer = await player.join({ mode: "duel", room: rooms[index] });
    assert.deepEqual([answer.room, answer.isReturn], [rooms[index], true]);
  }
  await Promise.all(players.map((player) => player.until(() => player.own >= 0)));
});

test(
  "one address opens as many rooms, and has as many places, as it may, and no more",
  TIMEOUT,
  async (t) => {
    const limits = {
      exemptAddresses: [],
      maxRoomsPerAddress: 3,
      maxPlacesPerAddress: 4,
      maxRoomsPerOwner: 2,
    };
    const server = await serveRooms(t, { rooms: limits });
    const players = Array.from({ length: 6 }, () => new RawPlayer(server.session(), square));
    const [a, b, c, d, e] = players;
    assert.ok(a && b && c && d && e);
    for (const player of [a, b, c]) await player.join({ create: {} });
    await assert.rejects(d.join({ create: {} }), refused("limit_reached"));
    await d.join();
    await assert.rejects(e.join(), refused("limit_reached"));
    await c.session.call("room.leave", {});
    await e.join();
    assert.deepEqual(server.rooms.stats(), { rooms: 3, players: 4, bots: 0, watchers: 0 });
  },
);

test(
  "until rooms are taken over from the process before, a join is told to come again",
  TIMEOUT,
  async (t) => {
    const hub = new Hub({ namespaces: { ...roomNamespaces } });
    const rooms = new Rooms(hub, { square: squareRoom });
    const listener = await websocket.listen("127.0.0.1:0");
    const serving = hub.serve(listener);
    const session = connect(`ws://${String(listener.addr)}`, { dial: websocket.dial });
    t.after(async () => {
      await session.close();
      await rooms.close();
      await hub.close();
      await serving;
    });
    const ana = new RawPlayer(session, square);
    await assert.rejects(ana.join(), refused("moving"));
    await rooms.open();
    assert.equal((await ana.join()).seat, 0);
  },
);

test("an onError that throws is told on standard error, and the rooms go on", TIMEOUT, async (t) => {
  const printed: unknown[] = [];
  t.mock.method(console, "error", (text: unknown) => printed.push(text));
  const onError = (): void => {
    throw new Error("the listener fails");
  };
  const server = await serveRooms(t, { rooms: { onError } });
  const [ana, ben] = [new RawPlayer(server.session(), square), new RawPlayer(server.session(), square)];
  await ana.join({ create: {} });
  await ben.join({ create: {} });
  await ana.session.call("room.event", "throw");
  await ana.until(() => ana.ended.length > 0);
  const { tick } = ben.reader.newest ?? { tick: 0 };
  await ben.until(() => (ben.reader.newest?.tick ?? 0) > tick + 5);
  assert.match(printed.join(), /the listener fails.*a fault of the game/s);
});
