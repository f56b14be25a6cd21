// Cheating over real sockets. Each way is tried, and gains nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { newKey, RawPlayer } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { inputRow, square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 60_000 };
type Square = typeof squareRoom;

/** A step of the game is 0.3 wide, and a cell 0.01. */
const CELLS_PER_TICK = 30;
/** `maxLate` of inputs: what was held back may be made up for. */
const MADE_UP = 10;

/** Sends as many packets for each snapshot as it likes, and remembers what came. */
class Cheat extends RawPlayer {
  packets = 1;
  /** By tick. */
  readonly came = new Map<number, string>();
  /** Instead of a packet. */
  forged: ((tick: number) => Uint8Array) | undefined;

  override received(bytes: Uint8Array): void {
    const hex = Buffer.from(bytes).toString("hex");
    super.received(bytes);
    this.came.set(this.reader.newest?.tick ?? -1, hex);
  }

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
    // Who sends nothing that can be read is not told further: here everybody is.
    const mode: Square = { ...squareRoom, step, awayMs: 60_000 };
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
  "what is hidden changes no byte of what comes, be it to a seat or to who watches",
  TIMEOUT,
  async (t) => {
    const mode: Square = {
      ...squareRoom,
      awayMs: 60_000,
      interest: { sees: (_room, _seat, entity) => entity.kind !== "secret" },
      open(room) {
        const count = (room.options as { secrets: number }).secrets;
        for (let i = 0; i < count; i++) room.world.add("secret", { at: [i, 50] });
      },
      step(room) {
        for (const secret of room.world.all("secret")) secret.at.y = (room.tick * 7) % 100;
        const [first] = room.world.all("secret");
        if (first !== undefined && room.tick % 5 === 0) {
          room.world.remove(first);
          room.world.add("secret", { at: [room.tick % 100, 3] });
        }
      },
    };
    const server = await serveRooms(t, { modes: { square: mode } });
    const seen = await Promise.all(
      [0, 60].map(async (secrets) => {
        const { id } = server.rooms.create("square", { options: { secrets } });
        const player = new Cheat(server.session(), square);
        const watcher = new Cheat(server.session(), square);
        for (const one of [player, watcher]) one.row = undefined;
        await player.join({ room: id });
        await watcher.join({ room: id, watch: true });
        await watcher.until(() => watcher.came.size >= 30);
        await player.until(() => player.came.size >= 30);
        return [player.came, watcher.came] as const;
      }),
    );
    for (const who of [0, 1]) {
      const [bare, hiding] = [seen[0]?.[who], seen[1]?.[who]];
      let compared = 0;
      for (const [tick, bytes] of bare ?? []) {
        const other = hiding?.get(tick);
        if (other === undefined || tick < 5) continue;
        assert.equal(other, bytes, `tick ${tick}`);
        compared += 1;
      }
      assert.ok(compared >= 10, `${compared} ticks`);
    }
  },
);

test(
  "another's seat is had by no guess, and another's bytes move nobody but who sends them",
  TIMEOUT,
  async (t) => {
    const server = await serveRooms(t);
    const ben = new Cheat(server.session(), square);
    const { room, seat } = await ben.join();
    ben.row = inputRow(1, 0);
    await ben.until(() => (ben.cells?.[0] ?? 0) > 5_100);
    const ana = new Cheat(server.session(), square);
    for (let i = 0; i < 100; i++) {
      const guess = i % 2 === 0 ? newKey() : `${ben.key.slice(0, -1)}${"AQgw"[(i >> 1) % 4]}x`;
      const session = ana.session;
      const usual = { mode: "square", hash: square.layout.hash, key: guess, name: "Ana", room };
      const answer = await session.call<{ isReturn: boolean; seat: number }>("room.join", usual);
      assert.equal(answer.isReturn, false);
      assert.notEqual(answer.seat, seat);
    }
    const stolen: Uint8Array[] = [];
    const { lane } = ben;
    assert.ok(lane !== undefined);
    const send = lane.send.bind(lane);
    lane.send = (bytes) => {
      stolen.push(bytes.slice());
      return send(bytes);
    };
    await ben.until(() => stolen.length > 5);
    ben.row = inputRow(0, 0);
    await ben.until(() => stolen.length > 12);
    await ana.join({ room });
    const x = ben.cells?.[0];
    ana.forged = (tick) => stolen[tick % 6] ?? new Uint8Array();
    const tick = tickOf(ben);
    await ben.until(() => tickOf(ben) > tick + 20);
    assert.equal(ben.cells?.[0], x);
    assert.deepEqual(ben.ended, []);
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
