// Players who ask the rooms of a real hub for a match, over sockets that are cut.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, type Session } from "@zocalo/client";
import { findMatch, type FindMatchOptions, join, type MatchNews, RoomError } from "@zocalo/room";
import * as websocket from "@zocalo/websocket";
import { CuttingRelay } from "../cutting-relay.ts";
import { newKey } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 60_000 };
const patient = { skillWindow: 100, widenPerSecond: 0, anySkillAfterMs: 600_000, fillAfterMs: 600_000 };
const modes = { duel: { ...squareRoom, seats: 2, matching: patient } };

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof RoomError && error.code === expected;
}

/** Begins a search, and waits until it was told how it stands as often as is said. */
async function searching(session: Session, options: Partial<FindMatchOptions> = {}) {
  const news: MatchNews[] = [];
  const watchers = new Set<() => void>();
  const found = findMatch(session, square, {
    mode: "duel",
    onNews(told) {
      news.push(told);
      for (const watcher of watchers) watcher();
    },
    ...options,
  });
  const until = (count: number): Promise<void> => {
    return new Promise((resolve) => {
      const look = (): void => {
        if (news.length >= count) resolve();
      };
      watchers.add(look);
      look();
    });
  };
  await until(1);
  return { news, until, found };
}

test("two players are matched, told how they stand meanwhile, and sit in one room", TIMEOUT, async (t) => {
  const server = await serveRooms(t, { modes });
  const [ana, ben] = [server.session(), server.session()];
  const search = await searching(ana, { name: "Ana", skill: 1_000 });
  const [first, second] = await Promise.all([
    search.found,
    findMatch(ben, square, { mode: "duel", name: "Ben", skill: 1_050 }),
  ]);
  const told = { ...search.news[0], waitedMs: 0 };
  assert.deepEqual(told, { state: "waiting", waiting: 1, ahead: 0, waitedMs: 0, needed: 1 });
  assert.deepEqual([first.room, first.process], [second.room, server.rooms.process]);
  assert.notEqual(first.key, second.key);
  const plays = [
    await join(ana, square, { mode: "duel", ticket: first }),
    await join(ben, square, { mode: "duel", ticket: second }),
  ];
  for (const { room } of plays) assert.deepEqual([room.room, room.isReturn], [first.room, true]);
  assert.deepEqual(server.errors, []);
});

test("a search outlives its connection, and has one place in the queue", TIMEOUT, async (t) => {
  const server = await serveRooms(t, { modes });
  const relay = await CuttingRelay.to(
    Number(server.address.split(":").at(-1)),
    () => Number.POSITIVE_INFINITY,
  );
  const ana = connect(`ws://${relay.address}`, { dial: websocket.dial });
  t.after(async () => {
    await ana.close();
    await relay.close();
  });
  const search = await searching(ana);
  const isBack = new Promise<void>((resolve) => {
    let wasCut = false;
    ana.onState(({ name }) => {
      if (name === "connected" && wasCut) resolve();
      else wasCut ||= name === "waiting";
    });
  });
  relay.cut();
  await isBack;
  const before = search.news.length;
  await search.until(before + 2);
  const { waiting } = search.news.at(-1) as MatchNews & { readonly state: "waiting" };
  assert.equal(waiting, 1);
  const other = await findMatch(server.session(), square, { mode: "duel" });
  assert.equal((await search.found).room, other.room);
});

test(
  "who was matched and did not hear it is told again, as long as the place is kept",
  TIMEOUT,
  async (t) => {
    const server = await serveRooms(t, { modes });
    const ana = server.session();
    const request = { mode: "duel", hash: square.layout.hash, key: newKey(), name: "Ana" };
    await ana.call("room.match", request);
    const { room, process } = await findMatch(server.session(), square, { mode: "duel" });
    const again = await server.session().call<never>("room.match", request);
    assert.deepEqual(again, { state: "found", room, process });
  },
);

test("who gives up leaves the queue, and may search anew", TIMEOUT, async (t) => {
  const server = await serveRooms(t, { modes });
  const ana = server.session();
  const giving = new AbortController();
  const search = await searching(ana, { signal: giving.signal });
  giving.abort(new Error("no patience"));
  await assert.rejects(search.found, /no patience/);
  const again = await searching(ana);
  assert.equal((again.news[0] as MatchNews & { readonly state: "waiting" }).waiting, 1);
  const gone = findMatch(ana, square, { mode: "duel", signal: giving.signal });
  await assert.rejects(gone, /no patience/);
  await Promise.all([assert.rejects(again.found, code("ended")), ana.close()]);
});

test(
  "a search is refused with the server's reason, and ends by what its handler throws",
  TIMEOUT,
  async (t) => {
    const server = await serveRooms(t, { modes });
    const session = server.session();
    await assert.rejects(findMatch(session, square, { mode: "chess" }), code("no_room"));
    const old = { layout: { hash: square.layout.hash ^ 1 } };
    await assert.rejects(findMatch(session, old, { mode: "duel" }), code("other_version"));
    const onNews = (): never => {
      throw new TypeError("a fault of the page");
    };
    await assert.rejects(findMatch(session, square, { mode: "duel", onNews }), TypeError);
    const { news, found } = await searching(session);
    assert.equal((news[0] as MatchNews & { readonly state: "waiting" }).waiting, 1);
    await Promise.all([assert.rejects(found, code("ended")), session.close()]);
  },
);
