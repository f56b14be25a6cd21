import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { RoomError } from "../../src/contracts/errors.ts";
import { InputReport } from "../../src/input/report.ts";
import { LANE_NAME } from "../../src/lanes/session-lane.ts";
import { Snapshots } from "../../src/snapshot/snapshots.ts";
import { FakeRoom, game } from "./fake-room.ts";
import { joined, joining, pass } from "./playing.ts";

const LONG = "z".repeat(10_000_000);
const events = { log: "e", number: 0 };
const good = { room: "r1", mode: "arena", process: "p", incarnation: "i", seat: 0, tick: 5, events };
const badAnswers: unknown[] = [
  null,
  undefined,
  7,
  LONG,
  [],
  { ...good, room: 7 },
  { ...good, process: null },
  { ...good, incarnation: {} },
  { ...good, events: undefined },
  { ...good, events: { log: 7, number: 0 } },
  { ...good, events: { log: "e", number: 0.5 } },
  { ...good, address: [] },
  { ...good, seat: "0" },
  { ...good, seat: 0.5 },
  { ...good, tick: Number.NaN },
  { ...good, tick: "5" },
  { ...good, tick: 1e300 },
];

test("an answer that is none rejects the join, and ends a game that comes back", async () => {
  for (const [index, answer] of badAnswers.entries()) {
    const room = new FakeRoom({ seed: 40 + index });
    room.answers = () => answer;
    const { joined: promise, session } = joining(room);
    const rejected = assert.rejects(promise, { code: "bad_answer" });
    await pass(room, 100);
    await rejected;
    assert.equal(session.handlers, 0);

    room.answers = undefined;
    const client = await joined(room);
    room.answers = () => answer;
    client.session.lose();
    client.session.connect();
    await pass(room, 100);
    const [end] = client.ends;
    assert.ok(end?.reason === "refused" && end.error instanceof RoomError && end.error.message.length < 200);
    assert.deepEqual([client.errors, client.session.handlers], [[], 0]);
  }
});

test("an answer with another room than the one that was asked for is none; whoever opens one has no say", async () => {
  const room = new FakeRoom({ seed: 61 });
  const ticket = { key: "k".repeat(22), room: "r2", process: "p" };
  for (const asked of [{ room: "r2" }, { ticket }, { room: "r2", ticket: { ...ticket, room: "r1" } }]) {
    const { joined: promise, session } = joining(room, asked);
    const rejected = assert.rejects(promise, { code: "bad_answer" });
    await pass(room, 100);
    await rejected;
    assert.equal(session.handlers, 0);
  }
  for (const asked of [{}, { room: "r1" }, { create: {} }, { create: {}, ticket }]) {
    const { play, session, ends } = await joined(room, asked);
    assert.equal(play.room.room, "r1");
    room.answers = (request) => ({ ...good, room: "r2", incarnation: request.incarnation });
    session.lose();
    session.connect();
    await pass(room, 100);
    assert.equal(ends[0]?.reason, "refused");
    assert.match(String(ends[0]?.error), /the server's room is .*r2/);
    room.answers = undefined;
  }
});

test("answers that lie about ticks and seats change nothing of the game", async () => {
  const room = new FakeRoom({ seed: 60 });
  const { play, session, errors } = await joined(room);
  await pass(room, 500, (now) => play.advance(now));
  room.answers = (request) => ({ ...good, seat: 2 ** 40, tick: 2 ** 50, incarnation: request.incarnation });
  session.lose();
  session.connect();
  await pass(room, 1_000, (now) => play.advance(now));
  assert.ok(play.me !== undefined && play.time < room.ticker.nextTick);
  assert.deepEqual(errors, []);
});

test("messages that are none are told, and end nothing", async () => {
  const room = new FakeRoom({ seed: 61 });
  const { play, session, errors, ends, events } = await joined(room);
  const rubbish = [null, undefined, 7, "ended", [], {}, { reason: 7 }, { reason: { toString: 1 } }];
  for (const data of rubbish) session.tell("room.ended", data);
  for (const data of rubbish) session.tell("room.event", data);
  assert.equal(errors.length, 2 * rubbish.length);
  assert.ok(errors.every((error) => error instanceof RoomError && error.code === "bad_answer"));
  for (const data of [LONG, null, "lane"]) session.tell(LANE_NAME, data);
  session.tell("room.event", { log: "e0", number: 1, data: LONG });
  await pass(room, 500, (now) => play.advance(now));
  assert.deepEqual([ends, events, play.state, errors.length], [[], [LONG], "playing", 2 * rubbish.length]);
  session.tell("room.ended", { reason: "closed", text: LONG });
  assert.deepEqual(ends, [{ reason: "closed", text: LONG.slice(0, 1_000) }]);
});

test("any bytes as snapshots, and any report: nothing is thrown, and one error says so", async () => {
  const random = new Random(62);
  const room = new FakeRoom({ seed: 62 });
  const { play, session, errors } = await joined(room);
  const draw = (now: number): unknown => play.advance(now, (input) => (input.move = 1));
  await pass(room, 500, draw);
  // It acknowledges what never was.
  room.isDeaf = true;
  for (const length of [0, 1, 2, 3, 9, 1_150, 1_151, 10_000_000])
    session.tell(LANE_NAME, new Uint8Array(length));
  const push = session.push.bind(session);
  session.push = (bytes) => {
    // Every second one is damaged somewhere.
    const damaged = bytes.slice();
    const at = random.int(0, bytes.length - 1);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << random.int(0, 7));
    push(random.chance(0.5) ? damaged : bytes);
  };
  await pass(room, 10_000, draw);
  assert.ok(errors.length === 1 && errors[0] instanceof RoomError);

  // A server that is one, and lies about everything.
  const world = game.world();
  for (let count = 0; count < 3; count++) world.add(count === 1 ? "orb" : "player");
  const out = new Uint8Array(1_150);
  for (let time = 0; time < 300; time++) {
    const tick = random.pick([0, 1, 2 ** 16, 2 ** 31, 2 ** 32 - 2, 1_000 + time]);
    const snapshots = new Snapshots(world);
    snapshots.commit(tick);
    const report = Object.assign(new InputReport(), {
      sentAt: tick + random.next() * 9,
      taken: random.pick([0, tick, tick - 200]),
      applied: random.int(0, 2 ** 31),
      depth: random.int(-200, 200),
      came: random.pick([0, tick, tick + 500]),
      cameAt: tick - random.int(0, 9),
      own: random.pick([-1, 0, 1, 2, 3, 65_535]),
    });
    const length = snapshots.everything.receiver().encode(out, report);
    session.tell(LANE_NAME, out.slice(0, length));
    await pass(room, 20, draw);
    for (const player of play.frame.all("player")) assert.ok(Number.isFinite(player.at.x));
  }
  for (const figure of Object.values(play.figures())) assert.ok(!Number.isNaN(figure));
  assert.equal(errors.length, 1);
});

test("what the game's own functions throw is told, and a time or an input that is none is refused", async () => {
  const room = new FakeRoom({ seed: 63 });
  const { play, errors } = await joined(room);
  await pass(room, 500, (now) => play.advance(now));
  for (const time of [Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => play.advance(time), { code: "invalid_value" });
  }
  let thrown = 0;
  const draw = (now: number): void => {
    try {
      play.advance(now, (input) => (input.move = Number.NaN));
    } catch (error) {
      assert.ok(error instanceof RoomError && error.code === "invalid_value");
      thrown += 1;
    }
  };
  await pass(room, 500, draw);
  assert.ok(thrown > 10);
  await pass(room, 1_000, (now) => play.advance(now, (input) => (input.move = 0.5)));
  assert.ok((play.me?.steps ?? 0) > 20);
  assert.deepEqual(errors, []);
});
