// Cheating over real sockets. Each way is tried, and gains nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryEngine } from "@zocalo/hub";
import { newKey, RawPlayer } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { inputRow, square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 60_000 };
type Square = typeof squareRoom;

/** A step of the game is 0.3 wide, and a cell 0.01. */
const CELLS_PER_TICK = 30;
/** `maxLate` of inputs: what was held back may be made up for. */
const MADE_UP = 10;

/** Sends as many packets for each snapshot as it likes. */
class Cheat extends RawPlayer {
  packets = 1;
  /** Instead of a packet. */
  forged: ((tick: number) => Uint8Array) | undefined;

  override play(tick: number): void {
    for (let packet = 0; packet < this.packets; packet++) {
      if (this.forged === undefined) super.play(tick);
      else this.lane?.send(this.forged(tick));
    }
  }
}

function tickOf(player: RawPlayer): number {
  return player.reader.newest?.tick ?? 0;
}

const ways: readonly (readonly [string, (cheat: Cheat) => void])[] = [
  ["one input a tick", () => {}],
  [
    "ten inputs a tick, each of another number",
    (cheat) => {
      cheat.packets = 10;
      cheat.number = () => cheat.sender.newest + 1;
    },
  ],
  [
    "the same number, ten times a tick",
    (cheat) => {
      cheat.packets = 10;
      cheat.number = (tick) => tick + 1;
    },
  ],
  ["inputs of the far future", (cheat) => (cheat.number = (tick) => tick + 100_000)],
  ["inputs of the last one that is taken", (cheat) => (cheat.number = (tick) => tick + 31)],
  ["inputs of long ago", (cheat) => (cheat.number = (tick) => Math.max(1, tick - 9))],
  ["a clock that is an hour behind", (cheat) => (cheat.displayed = (tick) => tick - 108_000)],
  ["a clock that is ahead", (cheat) => (cheat.displayed = (tick) => tick + 100)],
  [
    "cells out of range, and bytes of all lengths",
    (cheat) => (cheat.forged = (tick) => new Uint8Array(tick % 64).fill(0xff)),
  ],
];

test(
  "nobody walks further or throws more often than the ticks allow, nor sees other times",
  TIMEOUT,
  async (t) => {
    const wrong: unknown[] = [];
    const step: Square["step"] = (room) => {
      for (const { displayed } of room.seats) {
        const ago = room.tick - displayed;
        if (!(ago >= 0 && ago <= 7.5)) wrong.push(["displayed", ago]);
      }
      const shots = [...room.world.all("shot")].length;
      if (shots > (30 + MADE_UP) / 10 + 1) wrong.push(["shots", shots]);
      squareRoom.step?.(room);
    };
    const mode: Square = { ...squareRoom, step };
    const server = await serveRooms(t, { modes: { square: mode } });
    const tries = ways.map(async ([name, prepare]) => {
      const cheat = new Cheat(server.session(), square);
      await cheat.join({ create: {} });
      await cheat.until(() => cheat.own >= 0);
      prepare(cheat);
      cheat.row = inputRow(1, 0, 1);
      const [tick, x] = [tickOf(cheat), cheat.cells?.[0] ?? 0];
      await cheat.until(() => tickOf(cheat) > tick + 45);
      const walked = (cheat.cells?.[0] ?? 0) - x;
      const most = CELLS_PER_TICK * (tickOf(cheat) - tick + MADE_UP);
      assert.ok(walked <= most, `${name}: ${walked} cells, allowed: ${most}`);
      if (name === "one input a tick") assert.ok(walked > CELLS_PER_TICK * 10, `${walked}`);
    });
    await Promise.all(tries);
    assert.deepEqual([wrong, server.errors], [[], []]);
  },
);

test(
  "another's seat is had by nobody who names it, has its bytes, or what is kept of its key",
  TIMEOUT,
  async (t) => {
    const engine = new MemoryEngine();
    const publish = engine.publish.bind(engine);
    let kept = (_text: string): void => {};
    engine.publish = (...given: Parameters<typeof publish>) => {
      if (given[0].startsWith("room-saves:"))
        kept(Buffer.from(given[1].data as Uint8Array).toString("latin1"));
      return publish(...given);
    };
    const server = await serveRooms(t, { engine, rooms: { checkpointMs: 20 } });
    const ben = new Cheat(server.session(), square);
    const { room, seat, incarnation } = await ben.join({ name: "Ben" });
    const ana = new Cheat(server.session(), square);
    const own = await ana.join({ room, seat, incarnation, name: "Ben" });
    assert.deepEqual(
      [own.seat === seat, own.isReturn, own.incarnation === incarnation],
      [false, false, false],
    );
    ben.row = inputRow(1, 0);
    ana.row = undefined;
    await ben.until(() => ben.own >= 0 && ana.own >= 0 && (ben.cells?.[0] ?? 0) > 5_100);

    // Ben's bytes are Ana's deeds where they come by Ana's session.
    const { lane } = ben;
    assert.ok(lane !== undefined);
    lane.send = (bytes) => ana.lane?.send(bytes) ?? false;
    const sent = tickOf(ben);
    await ben.until(() => tickOf(ben) > sent + 5); // The last input is repeated for three ticks.
    const [x, mine] = [ben.cells?.[0], ana.cells?.[0] ?? 0];
    await ana.until(() => (ana.cells?.[0] ?? 0) > mine + 300);
    await ben.until(() => tickOf(ben) >= tickOf(ana));
    assert.equal(ben.cells?.[0], x);

    const points = (): unknown[] =>
      (server.rooms.get(room)?.seats ?? []).map(({ entity }) => Object(entity).points as unknown);
    await ana.session.call("room.event", "point");
    await ana.session.call("room.event", { seat, data: "point" });
    const said = tickOf(ana);
    await ana.until(() => tickOf(ana) > said + 2);
    assert.deepEqual(points(), seat < own.seat ? [0, 1] : [1, 0]);

    const hash = await new Promise<string>((resolve) => {
      kept = (text) => {
        const found = /"keyHash":"([^"]+)","user":"[^"]*","name":"Ben"[^}]*"seat":(\d+)/g;
        for (const [, each, of] of text.matchAll(found)) if (Number(of) === seat && each) resolve(each);
      };
    });
    const thief = new Cheat(server.session(), square, hash);
    const stolen = await thief.join({ room });
    assert.deepEqual([stolen.isReturn, stolen.seat === seat], [false, false]);

    await ana.session.call("room.leave", { seat, room, key: ben.key });
    assert.deepEqual([ben.ended, server.rooms.stats().players, server.errors], [[], 2, []]);
    assert.equal((await ben.join({ room })).seat, seat);
  },
);

test(
  "who acknowledges what was never sent is shown nothing wrong, and disturbs nobody",
  TIMEOUT,
  async (t) => {
    const had = new Map<number, string[]>();
    const mode: Square = {
      ...squareRoom,
      step(room) {
        squareRoom.step?.(room);
        had.set(room.tick, rowsOf(room.world));
      },
    };
    const server = await serveRooms(t, { modes: { square: mode } });
    const [liar, ben] = [new Cheat(server.session(), square), new Cheat(server.session(), square)];
    const { room } = await liar.join();
    await ben.join({ room });
    await ben.until(() => ben.own >= 0 && liar.own >= 0);
    const out = new Uint8Array(1_150);
    let at = 0;
    const lies = [1, 2, 31, 1_000, 2 ** 31, -1, -7, -63, -64, -1_000];
    let compared = 0;
    const wrong: unknown[] = []; // What a handler throws is told to its lane.
    const received = liar.received.bind(liar);
    liar.received = (bytes) => {
      received(bytes);
      const { newest } = liar.reader;
      if (newest === undefined || !newest.isWhole) return;
      const [shown, truth] = [rowsOf(newest).join(), had.get(newest.tick)?.join()];
      if (shown !== truth) wrong.push([newest.tick, shown, truth]);
      compared += 1;
    };
    liar.forged = (tick) => {
      const claim = tick + (lies[at++ % lies.length] ?? 0);
      liar.sender.add(Math.max(tick + 2, liar.sender.newest + 1), inputRow(0, 0));
      const length = liar.sender.write(out, { tick: Math.max(0, claim), bits: -1 }, tick);
      return out.slice(0, length);
    };
    ben.row = inputRow(0, 1);
    const tick = tickOf(ben);
    await ben.until(() => tickOf(ben) > tick + 60);
    assert.ok(compared > 20, `${compared} frames were shown`);
    assert.deepEqual(wrong, []);
    const y = ben.cells?.[1] ?? 0;
    const entity = server.rooms.get(room)?.seats[1]?.entity as { at: { y: number } } | undefined;
    assert.ok(Math.abs((entity?.at.y ?? 0) * 100 - y) < 10 * CELLS_PER_TICK);
    assert.deepEqual(server.errors, []);
  },
);

/** The rows that are there, whichever slots or ids they have. */
function rowsOf(rows: {
  readonly kinds: Uint8Array;
  readonly cells: Int32Array;
  readonly end: number;
  readonly layout: { readonly stride: number };
}): string[] {
  const { kinds, cells, end, layout } = rows;
  const there: string[] = [];
  for (let at = 0; at < end; at++) {
    if (kinds[at] === 0) continue;
    there.push(`${kinds[at]}: ${cells.slice(at * layout.stride, (at + 1) * layout.stride).join()}`);
  }
  return there.toSorted();
}

test("who watches moves nobody and says nothing, and bots are put out by nobody", TIMEOUT, async (t) => {
  const mode: Square = { ...squareRoom, bots: 3 };
  const server = await serveRooms(t, { modes: { square: mode } });
  const ana = new RawPlayer(server.session(), square);
  const { room } = await ana.join({ create: { isPrivate: true } });
  await ana.until(() => ana.own >= 0);
  const watcher = new RawPlayer(server.session(), square);
  await watcher.join({ room, watch: true });
  await assert.rejects(watcher.session.call("room.event", "throw"), { code: "not_allowed" });
  await assert.rejects(watcher.session.call("room.kick", { seat: 3 }), { code: "not_allowed" });
  for (const seat of [0, 3, -1, 4, 1e9]) {
    await assert.rejects(ana.session.call("room.kick", { seat }), { code: "bad_request" }, `${seat}`);
  }
});

test(
  "floods of events, names of all kinds, great options and rooms in a loop are bounded",
  TIMEOUT,
  async (t) => {
    const server = await serveRooms(t, { rooms: { maxRoomsPerOwner: 3 } });
    const ana = new RawPlayer(server.session(), square);
    const { room, seat } = await ana.join({ name: `\u202eAna\u0000\n\u200f\ud800${"x".repeat(40_000)}` });
    await ana.until(() => ana.own >= 0);
    const name = server.rooms.get(room)?.seats[seat]?.name ?? "";
    assert.match(name, /^Ana +x+$/);
    assert.equal(name.length, 32);
    const calls = Array.from({ length: 200 }, () => ana.session.call("room.event", "point"));
    const results = await Promise.allSettled(calls);
    const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason.code] : []));
    assert.ok(refused.length > 0);
    assert.deepEqual(new Set(refused), new Set(["limit_reached"]));
    const key = (): { key: string } => ({ key: newKey() });
    await assert.rejects(ana.join({ ...key(), create: { options: "x".repeat(5_000) } }), {
      code: "bad_request",
    });
    for (let i = 0; i < 3; i++) await ana.join({ ...key(), create: {} });
    for (let i = 0; i < 20; i++) {
      await assert.rejects(ana.join({ ...key(), create: {} }), { code: "limit_reached" });
    }
    assert.ok(server.rooms.size <= 4);
  },
);
