// What somebody may not see changes no byte of what comes to them. The test moves the clock and waits each
// tick until everybody has what came and the server has their answers, so that deltas can be compared.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { listenPacket } from "@zocalo/net";
import { type Clock, dialLane, type Lane, type LaneState, udpLanes, type UdpLanes } from "@zocalo/room";
import { RawPlayer } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { inputRow, square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 120_000 };
const TICK_MS = 1_000 / square.ticksPerSecond;
const TICKS = 220;
/** Nobody answers for longer than the 64 ticks that are remembered. */
const LULL = { from: 110, to: 180 } as const;
const SEED = 20_261_130;
type Square = typeof squareRoom;
type World = Parameters<NonNullable<Square["step"]>>[0]["world"];
type Shot = ReturnType<typeof shotIn>;
type Secret = ReturnType<typeof secretIn>;

/** What comes to whom: by name, and of each tick the bytes. */
type Came = Readonly<Record<string, ReadonlyMap<number, string>>>;

interface Way {
  readonly hides: boolean;
  readonly isUdp: boolean;
  readonly budgetBytes?: number;
}

/** Time passes when the test says so. */
class StepClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  uptime(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  pass(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = until;
  }
}

/** Numbers from 0 to below 1 that follow from a seed. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

function shotIn(world: World, at: [number, number]) {
  return world.add("shot", { at, left: 60 });
}

function secretIn(world: World, at: [number, number]) {
  return world.add("secret", { at });
}

/** @param share which of them, from 0 to below 1 */
function removeOne<E extends Shot | Secret>(world: World, all: E[], share: number): E | undefined {
  const [one] = all.splice(share * all.length, 1);
  if (one !== undefined) world.remove(one);
  return one;
}

function teamOf(entity: object | undefined): string {
  return entity !== undefined && "team" in entity ? String(entity.team) : "sun";
}

/**
 * A square where shots come, move, go, and are out of sight for a while; in one that hides, secrets do so,
 * too, in the slots between them. Those of the moon see all, others neither secrets nor anybody of the moon.
 */
function modeOf({ hides, budgetBytes }: Way): Square {
  const [shown, hidden] = [numbers(SEED), numbers(SEED + 1)];
  const dark = new Set<unknown>();
  const shots: Shot[] = [];
  const secrets: Secret[] = [];
  const change = (world: World): void => {
    for (let i = 0; i < 3; i++) if (hidden() < 0.5) secrets.push(secretIn(world, [i, 50]));
    while (secrets.length > 20 + 20 * hidden()) removeOne(world, secrets, hidden());
    for (const secret of secrets) secret.at.x = 100 * hidden();
  };
  return {
    ...squareRoom,
    awayMs: 600_000,
    ...(budgetBytes === undefined ? {} : { budgetBytes }),
    interest: {
      view: (_room, { entity }) => teamOf(entity),
      sees: (_room, { entity: own }, entity) => {
        if (teamOf(own) === "moon") return true;
        return entity.kind !== "secret" && teamOf(entity) !== "moon" && !dark.has(entity);
      },
    },
    open({ world }) {
      if (hides) change(world);
      if (hides) secrets.push(secretIn(world, [0, 0]));
    },
    join: (room, seat) =>
      room.world.add("player", {
        at: [50, 50],
        name: seat.name,
        team: seat.name === "Ben" ? "moon" : "sun",
      }),
    step({ world }) {
      if (hides) change(world);
      for (let i = 0; i < 2; i++)
        if (shots.length < 80) shots.push(shotIn(world, [100 * shown(), 100 * shown()]));
      if (hides) change(world);
      if (shown() < 0.6) dark.delete(removeOne(world, shots, shown()));
      for (const shot of shots) {
        if (shown() < 0.5) shot.at.x = Math.min(100, shot.at.x + shown());
      }
      const one = shots[Math.floor(shown() * shots.length)];
      if (one !== undefined && !dark.delete(one)) dark.add(one);
    },
  };
}

/** Remembers what comes, and answers it at the ticks that it is told. */
class Viewer extends RawPlayer {
  readonly came = new Map<number, string>();
  answers: (tick: number) => boolean = () => true;

  override received(bytes: Uint8Array): void {
    const hex = Buffer.from(bytes).toString("hex");
    super.received(bytes);
    this.came.set(this.reader.newest?.tick ?? -1, hex);
  }

  override play(tick: number): void {
    if (this.answers(tick)) super.play(tick);
  }
}

/** Lanes of datagrams of which one is told what the server has taken from each, and when they are open. */
function toldLanes(udp: UdpLanes) {
  const opened: { taken: () => void; readonly isOpen: Promise<void> }[] = [];
  const open = udp.open.bind(udp);
  udp.open = (host) => {
    const lane = open(host);
    if (lane === undefined) return undefined;
    const [onMessage, onState] = [lane.onMessage.bind(lane), lane.onState.bind(lane)];
    const told = { taken: () => {}, isOpen: new Promise<void>(() => {}) };
    told.isOpen = new Promise((resolve) => {
      lane.onState = (handler) =>
        onState((state) => {
          handler(state);
          if (state === "open") resolve();
        });
    });
    lane.onMessage = (handler) =>
      onMessage((bytes) => {
        handler(bytes);
        told.taken();
      });
    opened.push(told);
    return lane;
  };
  return opened;
}

function opens(lane: Lane): Promise<void> {
  return new Promise((resolve) => {
    const look = (state: LaneState): void => void (state === "open" && resolve());
    lane.onState(look);
    look(lane.state);
  });
}

/** What comes to two who play, and to one who watches. */
async function playWay(t: TestContext, way: Way): Promise<Came> {
  const clock = new StepClock();
  const udp = udpLanes(await listenPacket("udp", "127.0.0.1:0"), { maxReceivedPerSecond: 100_000 });
  t.after(() => udp.close());
  const opened = toldLanes(udp);
  const server = await serveRooms(t, {
    modes: { square: modeOf(way) },
    rooms: { udp, clock, checkpointMs: 86_400_000 },
  });
  const { id: room } = server.rooms.create("square");
  const viewers: { readonly name: string; readonly one: Viewer; readonly settled: () => Promise<unknown> }[] =
    [];
  for (const name of ["Ana", "Eva", "watcher"]) {
    const one = new Viewer(server.session(), square);
    await one.join({ room, name, watch: name === "watcher" });
    let settled = (): Promise<unknown> => one.session.call("room.stats", {});
    if (way.isUdp) {
      const lane = dialLane(await one.session.call("room.lane", { kind: "udp" }));
      t.after(() => lane.close());
      lane.onMessage((bytes) => one.received(bytes));
      const told = opened.at(-1) ?? assert.fail();
      await Promise.all([opens(lane), told.isOpen]);
      one.lane?.close();
      one.lane = lane;
      const play = one.play.bind(one);
      let taken: Promise<void> = Promise.resolve();
      one.play = (tick) => {
        if (one.answers(tick)) taken = new Promise((resolve) => (told.taken = resolve));
        play(tick);
      };
      settled = () => taken;
    }
    viewers.push({ name, one, settled });
  }
  const [ana, eva] = viewers.map(({ one }) => one);
  assert.ok(ana && eva);
  const isLull = (tick: number): boolean => tick > LULL.from && tick < LULL.to;
  ana.answers = (tick) => !isLull(tick) && tick % 7 < 5;
  eva.answers = (tick) => !isLull(tick) && tick % 11 > 3;
  let ben: RawPlayer | undefined;
  let secrets = 0;
  for (let tick = 1; tick <= TICKS; tick++) {
    if (way.hides && tick % 50 === 10) {
      ben = new RawPlayer(server.session(), square);
      await ben.join({ room, name: "Ben" });
      ben.row = inputRow(0.5, -0.5);
    }
    if (way.hides && tick % 50 === 45) await ben?.session.call("room.leave", {});
    ana.row = inputRow(Math.sin(tick), 0.1);
    eva.row = inputRow(0, Math.cos(tick));
    clock.pass(TICK_MS);
    await Promise.all(
      viewers.map(async ({ one, settled }) => {
        await one.until(() => (one.reader.newest?.tick ?? 0) >= tick);
        await settled();
      }),
    );
    secrets = Math.max(secrets, ben?.reader.newest?.kinds.filter((kind) => kind === 3).length ?? 0);
  }
  assert.deepEqual([secrets > 10, server.errors], [way.hides, []]);
  for (const { one } of viewers) assert.deepEqual([one.ended, one.events], [[], []]);
  return Object.fromEntries(viewers.map(({ name, one }) => [name, one.came]));
}

function assertSame(is: Came, should: Came): void {
  for (const [name, came] of Object.entries(should)) {
    for (const [tick, bytes] of came) assert.equal(is[name]?.get(tick), bytes, `${name}, tick ${tick}`);
    assert.deepEqual([is[name]?.size, came.size], [TICKS, TICKS], name);
  }
}

/** From how many ticks before each snapshot is a delta; -1: it is a part, see `header.ts`. */
function distances(came: ReadonlyMap<number, string> | undefined): Set<number> {
  const all = [...(came?.values() ?? [])].map((hex) => Number.parseInt(hex.slice(4, 6), 16));
  return new Set(all.map((byte) => (byte & 0x80 ? -1 : byte & 0x3f)));
}

test(
  "who comes, moves, dies and leaves unseen changes no byte of what comes, by the session or by a lane of datagrams",
  TIMEOUT,
  async (t) => {
    const ways = [true, false].flatMap((isUdp) => [false, true].map((hides) => ({ isUdp, hides })));
    const [bare, ...others] = await Promise.all(ways.map((way) => playWay(t, way)));
    assert.ok(bare !== undefined);
    for (const other of others) assertSame(other, bare);
    for (const name of ["Ana", "Eva"]) {
      const seen = distances(bare[name]);
      assert.ok(
        [0, 1, 2, 3, 63].every((ahead) => seen.has(ahead)),
        `${name}: ${[...seen].join()}`,
      );
    }
  },
);

test("nor does it where not all fits, and comes in parts", TIMEOUT, async (t) => {
  const ways = [false, true].map((hides) => ({ hides, isUdp: false, budgetBytes: 160 }));
  const [bare, hiding] = await Promise.all(ways.map((way) => playWay(t, way)));
  assert.ok(bare !== undefined && hiding !== undefined);
  assertSame(hiding, bare);
  assert.ok(distances(bare["Ana"]).has(-1));
});
