// The client object on a real hub, over real sockets, also over a server that is restarted.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { test, type TestContext } from "node:test";
import { durable } from "@zocalo/hub";
import { defineRoom, join, type JoinOptions, type Play, Replay, team } from "@zocalo/room";
import { serveRooms, type RoomServer } from "./serve-rooms.ts";
import { square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 60_000 };

type SquarePlay = Play<typeof square.definition.kinds, typeof square.definition.input, "player">;

/** A page without a screen: it advances sixty times a second, and is asked after each time. */
class Page {
  readonly play: SquarePlay;
  readonly move = { x: 0, y: 0 };
  readonly #watchers = new Set<() => void>();

  constructor(t: TestContext, play: SquarePlay) {
    this.play = play;
    const timer = setInterval(() => {
      play.advance(performance.now(), (input) => {
        input.move.x = this.move.x;
        input.move.y = this.move.y;
      });
      for (const watcher of this.#watchers) watcher();
    }, 16);
    t.after(() => clearInterval(timer));
  }

  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
    });
  }
}

async function open(t: TestContext, server: RoomServer, options: Partial<JoinOptions> = {}): Promise<Page> {
  const play = await join(server.session(), square, { mode: "square", name: "Ana", ...options });
  t.after(() => play.leave());
  return new Page(t, play);
}

test("two pages play: each moves at once, and both see the same in the end", TIMEOUT, async (t) => {
  const server = await serveRooms(t);
  const ana = await open(t, server);
  const ben = await open(t, server, { name: "Ben" });
  ana.move.x = 1;
  await ana.until(() => (ana.play.me?.at.x ?? 0) > 60);
  ana.move.x = 0;
  const room = server.rooms.get(ana.play.ticket.room);
  const truth = (): number => {
    for (const seat of room?.seats ?? [])
      if (seat.name === "Ana") return (seat.entity as unknown as { at: { x: number } }).at.x;
    return Number.NaN;
  };
  const seen = (page: Page): number => {
    for (const player of page.play.frame.all("player")) if (player.name === "Ana") return player.at.x;
    return Number.NaN;
  };
  await ana.until(() => Math.abs(seen(ana) - truth()) < 0.02 && Math.abs(seen(ben) - truth()) < 0.02);
  assert.ok(truth() >= 60);
  assert.equal(ana.play.figures().carrier, "session");
  const stats = await ben.play.stats();
  assert.deepEqual([stats.players, stats.watchers, stats.skipped], [2, 0, 0]);
  assert.ok(stats.tick > 0);
  const recorded = await ana.play.recording();
  assert.ok(recorded !== undefined && new Replay(squareRoom, recorded).next());
});

test(
  "a room whose ticks are held up by 50 ms of work says how late those after them were",
  TIMEOUT,
  async (t) => {
    const workMs = 50;
    let held = 0;
    const mode = defineRoom({
      ...squareRoom,
      step(room) {
        squareRoom.step?.(room);
        if (room.tick % 5 !== 0) return;
        held += 1;
        const until = performance.now() + workMs;
        while (performance.now() < until);
      },
    });
    const server = await serveRooms(t, { modes: { square: mode } });
    const ana = await open(t, server);
    await ana.until(() => held >= 4);
    const { latenessP99Ms, skipped } = await ana.play.stats();
    const least = workMs - 1_000 / square.ticksPerSecond;
    assert.ok(latenessP99Ms >= least - 1, `${latenessP99Ms} ms, expected: ${least}`);
    assert.equal(typeof skipped, "number");
  },
);

test(
  "the server is restarted in mid-match, and the page goes on in its seat without joining anew",
  TIMEOUT,
  async (t) => {
    const directory = await mkdtemp(path(tmpdir(), "rooms-"));
    t.after(() => rm(directory, { recursive: true, force: true }));
    const server = await serveRooms(t, { engine: await durable(directory) });
    const states: string[] = [];
    const ana = await open(t, server, { onState: (state) => states.push(state) });
    ana.move.x = 0.5;
    await ana.until(() => (ana.play.me?.at.x ?? 0) > 55);
    const before = ana.play.room;
    const tick = (): number => Math.max(...ana.play.passed, -1);
    let last = -1;
    const follow = (): boolean => {
      last = Math.max(last, tick());
      return false;
    };
    void ana.until(follow);
    const endedAt = performance.now();
    const { address } = server;
    await server.close();
    const next = await serveRooms(t, { engine: await durable(directory), address });
    t.after(() => rm(directory, { recursive: true, force: true }));
    const openedAt = performance.now();
    const lastBefore = last;
    const isBack = (): boolean => ana.play.room.process !== before.process && ana.play.state === "playing";
    await ana.until(() => isBack() && ana.play.me !== undefined);
    const x = ana.play.me?.at.x ?? 0;
    await ana.until(() => last > lastBefore && (ana.play.me?.at.x ?? 0) > x + 2);
    t.diagnostic(
      `down for ${Math.round(openedAt - endedAt)} ms, playing ${Math.round(performance.now() - openedAt)} ms after`,
    );
    assert.deepEqual([ana.play.room.room, ana.play.room.seat], [before.room, before.seat]);
    assert.ok(x >= 55, `no place is lost: ${x}`);
    assert.deepEqual(states, ["returning", "playing"]);
    assert.equal(next.rooms.stats().players, 1);
    await ana.play.leave();
    await next.close();
    assert.deepEqual([...server.errors, ...next.errors], []);
  },
);

test("a player sees the own team; who changes it sees the other, with the same seat", TIMEOUT, async (t) => {
  const server = await serveRooms(t, {
    modes: { square: defineRoom({ ...squareRoom, interest: team("team") }) },
  });
  const states: string[] = [];
  const ana = await open(t, server, { onState: (state) => states.push(state) });
  const ben = await open(t, server, { name: "Ben" });
  const eva = await open(t, server, { name: "Eva" });
  const seen = (page: Page): string => {
    return Array.from(page.play.frame.all("player"), ({ name }) => name)
      .toSorted()
      .join(" ");
  };
  await ana.until(() => seen(ana) === "Ana Eva");
  await ben.until(() => seen(ben) === "Ben");
  await ana.play.send("other team");
  await ana.until(() => seen(ana) === "Ana Ben");
  await eva.until(() => seen(eva) === "Eva");
  await ana.until(() => ana.play.me?.name === "Ana");
  ana.move.x = 1;
  await ben.until(() => Array.from(ben.play.frame.all("player"), ({ at }) => at.x).some((x) => x > 55));
  assert.deepEqual(states, ["returning", "playing"]);
  assert.equal(ana.play.room.seat, 0);
});
