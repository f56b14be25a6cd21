// `join` over a link that goes silent in one direction, or loses the answers; and two who have one ticket.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Session } from "@zocalo/client";
import { join, LinkRelay, type LinkDirection, type PlayEnd } from "@zocalo/room";
import * as websocket from "@zocalo/websocket";
import { type RoomServer, serveRooms } from "./serve-rooms.ts";
import { square, squareRoom } from "./square.ts";
import { Told } from "./told.ts";

const TIMEOUT = { timeout: 60_000 };
const ANA = { mode: "square", name: "Ana" };
const ALONE = { rooms: 1, players: 1, bots: 0, watchers: 0 };

/** Sessions whose every connection has a link of its own, the newest of which can be made worse. */
class BadLink {
  link: LinkRelay | undefined;
  dials = 0;
  readonly #server: RoomServer;
  readonly #links: LinkRelay[] = [];

  constructor(t: TestContext, server: RoomServer) {
    this.#server = server;
    t.after(() => Promise.all(this.#links.map((link) => link.close())));
  }

  /** @param connected is told each time, before anybody else */
  async session(connected: () => void = () => {}): Promise<Session> {
    const session = this.#server.session({
      backoff: { baseMs: 5, maxMs: 20 },
      dial: async (_url, options) => {
        this.dials += 1;
        const link = new LinkRelay(this.dials);
        this.#links.push(link);
        this.link = link;
        return websocket.dial(`ws://${await link.tcp(this.#server.address)}`, options);
      },
    });
    await new Promise<void>((resolve) => {
      session.onState(({ name }) => {
        if (name !== "connected") return;
        connected();
        resolve();
      });
    });
    return session;
  }

  silence(isSilent: boolean, direction: LinkDirection): void {
    this.link?.set({ isSilent }, direction);
  }
}

/** Resolves the next time that a method is called. */
class Calls {
  #listeners: [string, () => void][] = [];

  readonly called = (method: string): void => {
    const due = this.#listeners.filter(([name]) => name === method);
    this.#listeners = this.#listeners.filter(([name]) => name !== method);
    for (const [, resolve] of due) resolve();
  };

  next(method: string): Promise<void> {
    return new Promise((resolve) => this.#listeners.push([method, resolve]));
  }
}

for (const direction of ["up", "down"] as const) {
  test(
    `a join while nothing passes ${direction} is answered when it does, with one place`,
    TIMEOUT,
    async (t) => {
      const calls = new Calls();
      const server = await serveRooms(t, { called: calls.called });
      const bad = new BadLink(t, server);
      const session = await bad.session();
      bad.silence(true, direction);
      const asked = calls.next("room.join");
      const joining = join(session, square, ANA);
      const other = await join(server.session(), square, { mode: "square", create: {} });
      if (direction === "down") await asked;
      await other.leave();
      assert.equal(server.rooms.stats().players, direction === "up" ? 0 : 1);
      bad.silence(false, direction);
      const play = await joining;
      assert.deepEqual([play.room.isReturn, play.room.seat, play.state], [false, 0, "playing"]);
      assert.equal(server.rooms.stats().players, 1);
      await play.leave();
      assert.equal(server.rooms.stats().players, 0);
    },
  );
}

test("a join whose answer is lost ten times takes one place, in one room", TIMEOUT, async (t) => {
  const calls = new Calls();
  const server = await serveRooms(t, { called: calls.called });
  const bad = new BadLink(t, server);
  let lost = 0;
  const session = await bad.session(() => {
    if (lost === 10) return;
    bad.silence(true, "down");
    const { link } = bad;
    void calls.next("room.join").then(() => {
      lost += 1;
      return link?.close();
    });
  });
  const play = await join(session, square, { ...ANA, create: { isPrivate: true } });
  assert.deepEqual([lost, bad.dials, play.room.isReturn, play.room.seat], [10, 11, true, 0]);
  assert.deepEqual([server.rooms.stats(), server.errors], [ALONE, []]);
  await play.leave();
  assert.equal(server.rooms.stats().players, 0);
});

test(
  "of sessions with one ticket one has the place in the end, and each other is told so once",
  TIMEOUT,
  async (t) => {
    const server = await serveRooms(t);
    const bad = new BadLink(t, server);
    const told = new Told();
    const ends: (readonly [string, PlayEnd["reason"]])[] = [];
    const enter = async (name: string, ticket?: Awaited<ReturnType<typeof join>>["ticket"]) =>
      join(await bad.session(), square, {
        ...ANA,
        ticket,
        onEnd: ({ reason }) => {
          ends.push([name, reason]);
          told.look();
        },
      });
    const first = await enter("first");
    const names = ["second", "third", "fourth"];
    const tries = await Promise.allSettled(names.map((name) => enter(name, first.ticket)));
    const plays = [first];
    for (const each of tries) {
      // Who is replaced before the answer was read has had no game: then `join` rejects.
      if (each.status === "fulfilled") plays.push(each.value);
      else ends.push(["joining", Object(each.reason).code === "ended" ? "replaced" : "refused"]);
    }
    await told.until(() => ends.length >= 3);
    assert.deepEqual(new Set(ends.map(([, reason]) => reason)), new Set(["replaced"]));
    const [winner, ...others] = plays.filter(({ state }) => state !== "ended");
    assert.ok(winner !== undefined && winner !== first);
    assert.deepEqual(
      [others, winner.state, winner.room.seat, winner.room.isReturn],
      [[], "playing", 0, true],
    );
    assert.equal(winner.room.room, first.room.room);
    // Who was replaced leaves nobody else's place.
    await first.leave();
    await assert.rejects(first.send("point"), { code: "ended" });
    await winner.send("point");
    assert.deepEqual([server.rooms.stats(), ends.length], [ALONE, 3]);
  },
);

for (const direction of ["up", "down"] as const) {
  test(`to give up joining while nothing passes ${direction} leaves no place behind`, TIMEOUT, async (t) => {
    const calls = new Calls();
    const server = await serveRooms(t, { called: calls.called });
    const bad = new BadLink(t, server);
    const session = await bad.session();
    bad.silence(true, direction);
    const [asked, left] = [calls.next("room.join"), calls.next("room.leave")];
    const controller = new AbortController();
    const rejected = assert.rejects(join(session, square, { ...ANA, signal: controller.signal }), /enough/);
    if (direction === "down") await asked;
    controller.abort(new Error("enough"));
    await rejected;
    bad.silence(false, direction);
    await left;
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([server.rooms.stats().players, server.errors], [0, []]);
    const again = await join(session, square, ANA);
    assert.deepEqual([again.room.isReturn, server.rooms.stats().players], [false, 1]);
  });

  test(
    `a session that is closed while its join passes not ${direction} ends the join, and its place is freed`,
    TIMEOUT,
    async (t) => {
      const calls = new Calls();
      const mode = { ...squareRoom, holdMs: 300, emptyMs: 50 };
      const server = await serveRooms(t, { called: calls.called, modes: { square: mode } });
      const bad = new BadLink(t, server);
      const session = await bad.session();
      bad.silence(true, direction);
      const asked = calls.next("room.join");
      const rejected = assert.rejects(join(session, square, ANA), { code: "ended" });
      if (direction === "down") await asked;
      const closed = session.close();
      await rejected;
      await bad.link?.close();
      await closed;
      await server.until(() => server.rooms.size === 0);
      assert.deepEqual([server.rooms.stats().players, server.errors], [0, []]);
    },
  );
}
