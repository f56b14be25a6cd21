import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomError } from "../../src/contracts/errors.ts";
import { FakeRoom, game, Refusal } from "./fake-room.ts";
import { joined, joining, pass } from "./playing.ts";

test("a client joins, plays, and sees itself ahead of the server and the rest behind it", async () => {
  const room = new FakeRoom({ seed: 1, link: { wayMs: 75, jitterMs: 4, loss: 0.05 } });
  const { play, errors, states } = await joined(room);
  assert.match(room.requests[0]?.key ?? "", /^[\w-]{22}$/);
  assert.deepEqual(
    { ...room.requests[0], key: "", heard: undefined },
    { mode: "arena", name: "Ana", hash: game.layout.hash, key: "", heard: undefined },
  );
  assert.equal(play.state, "playing");
  assert.deepEqual([play.me, play.advance(room.clock.uptime())], [undefined, "waiting"]);

  await pass(room, 1_000, (now) => play.advance(now));
  const walk = (now: number): void => {
    const was = play.me?.at.x ?? 0;
    play.advance(now, (input) => (input.move = 1));
    assert.ok((play.me?.at.x ?? 0) >= was - 0.011, "its own entity went back");
  };
  await pass(room, 3_000, walk);
  const [seat] = room.seats.values();
  const { x } = play.me?.at ?? { x: 0 };
  const atServer = seat?.player?.at.x ?? 0;
  assert.ok(x > atServer + 0.4 && x < atServer + 4, `${x} is shown, and ${atServer} is at the server`);
  const [orb] = play.frame.all("orb");
  assert.ok((orb?.at.x ?? 0) <= (room.ticker.nextTick % 1_000) / 10 - 0.3);
  assert.equal((orb?.at.x ?? 0).toFixed(6), ((play.time % 1_000) / 10).toFixed(6));

  // It stands, and where it is predicted is where it is.
  await pass(room, 1_000, (now) => play.advance(now));
  assert.equal(play.me?.at.x, seat?.player?.at.x);
  assert.equal(play.me?.steps, seat?.player?.steps);
  const { roundTripMs, jitterMs, lossShare, ...rest } = play.figures();
  assert.ok(roundTripMs > 140 && roundTripMs < 220, `a round trip of ${roundTripMs} ms`);
  assert.ok(jitterMs > 0 && jitterMs < 30 && lossShare > 0 && lossShare < 0.2);
  assert.ok(rest.bytesInPerSecond > 200 && rest.bytesOutPerSecond > 300);
  assert.ok(rest.inputDepth >= 0 && rest.inputDepth < 5 && rest.carrier === "session");
  assert.ok(rest.predictionErrorQuanta <= 1 && rest.snaps === 0);
  assert.deepEqual([errors, states], [[], []]);
});

test("ticks whose time was passed are told once, in order, and none of those that nobody saw", async () => {
  const room = new FakeRoom({ seed: 2, link: { loss: 0.1 } });
  const { play } = await joined(room);
  const told: number[] = [];
  const draw = (now: number): void => {
    play.advance(now);
    for (const tick of play.passed) {
      assert.ok(tick <= play.time && play.frameAt(tick)?.layout === game.layout);
      told.push(tick);
    }
  };
  await pass(room, 2_000, draw);
  assert.ok(told.length > 40);
  assert.deepEqual(
    told,
    [...new Set(told)].sort((a, b) => a - b),
  );

  // The page is away for a minute: then it is as it is by then, and a few inputs are made up for.
  const { casts } = room.seats.values().next().value?.session ?? { casts: 0 };
  await pass(room, 60_000);
  told.length = 0;
  assert.equal(play.advance(room.clock.uptime()), "returned");
  assert.ok(room.ticker.nextTick - play.time < 10, `${play.time} is shown, ${room.ticker.nextTick} is next`);
  const sent = (room.seats.values().next().value?.session.casts ?? 0) - casts;
  assert.ok(sent >= 1 && sent <= 5, `${sent} inputs after a minute`);
  assert.deepEqual(play.passed, []);
  await pass(room, 1_000, draw);
  assert.ok((told[0] ?? 0) > 1_000 + 60 * 30);

  // Nothing comes for five seconds: that is over, too.
  room.isMute = true;
  await pass(room, 5_000, draw);
  assert.equal(play.advance(room.clock.uptime()), "holding");
  room.isMute = false;
  told.length = 0;
  const states: string[] = [];
  await pass(room, 1_000, (now) => {
    states.push(play.advance(now));
    told.push(...play.passed);
  });
  assert.equal(states.filter((state) => state === "returned").length, 1);
  assert.ok((told[0] ?? 0) > room.ticker.nextTick - 35);
  assert.equal(play.figures().inputDepth >= 0, true);
});

test("who watches sends what came, has no entity, and is not asked for inputs", async () => {
  const room = new FakeRoom({ seed: 3 });
  const { play, session } = await joined(room, { watch: true });
  await pass(room, 2_000, (now) => play.advance(now, () => assert.fail("it was asked")));
  assert.equal(play.room.seat, -1);
  assert.equal(play.me, undefined);
  assert.equal([...play.frame.all("orb")].length, 1);
  assert.ok(session.casts > 40);
  const [seat] = room.seats.values();
  assert.ok((seat?.buffer.frames.tick ?? -1) > room.ticker.nextTick - 10);
  assert.equal(seat?.buffer.counts.malformed, 0);
});

test("its own entity is not shown once it is gone, and the next one is", async () => {
  const room = new FakeRoom({ seed: 4 });
  const { play } = await joined(room);
  const draw = (now: number): unknown => play.advance(now, (input) => (input.move = -1));
  await pass(room, 1_000, draw);
  const [seat] = room.seats.values();
  assert.ok(seat?.player !== undefined && play.me !== undefined);
  room.world.remove(seat.player);
  let shown = 0;
  await pass(room, 300, (now) => {
    draw(now);
    if (play.me === undefined) shown += [...play.frame.all("player")].length;
  });
  assert.deepEqual([play.me, shown], [undefined, 0]);
  // Its id is another's now.
  const other = room.world.add("player", { at: [7, 7] });
  await pass(room, 500, draw);
  assert.deepEqual([play.me, [...play.frame.all("player")].length], [undefined, 1]);
  seat.player = room.world.add("player", { at: [90, 90] });
  await pass(room, 500, draw);
  assert.ok((play.me?.at.x ?? 0) > 80);
  assert.equal([...play.frame.all("player")].length, 2);
  assert.equal(other.at.x, 7);
});

test("a join whose answer is lost is repeated with the same key, and takes one place", async () => {
  const room = new FakeRoom({ seed: 5 });
  const session = room.session();
  session.lostAnswers = 2;
  const { joined: promise } = joining(room, { create: { isPrivate: true } }, session);
  await pass(room, 12_000);
  const play = await promise;
  assert.equal(room.requests.length, 3);
  assert.equal(new Set(room.requests.map(({ key }) => key)).size, 1);
  assert.ok(room.requests.every(({ create }) => create?.isPrivate === true));
  assert.equal(room.seats.size, 1);
  assert.deepEqual(play.ticket, { key: room.requests[0]?.key, room: "r1", process: "p1" });

  // A later page comes back by it.
  const { play: later } = await joined(room, { ticket: play.ticket });
  assert.deepEqual([later.room.seat, later.room.isReturn, room.seats.size], [0, true, 1]);
  assert.equal(room.requests.at(-1)?.room, "r1");
});

test("a refused join says why, and leaves nothing behind", async () => {
  const room = new FakeRoom({ seed: 6 });
  room.answers = () => {
    throw new Refusal("other_version", { version: 2 });
  };
  const { joined: promise, session, ends, states } = joining(room);
  const rejected = assert.rejects(promise, (error: RoomError) => {
    assert.ok(error instanceof RoomError);
    assert.deepEqual(Object(error.cause).data, { version: 2 });
    return error.code === "other_version" && error.message.includes("load it again");
  });
  await pass(room, 100);
  await rejected;
  assert.deepEqual([session.handlers, ends, states], [0, [], []]);

  // A server that has no rooms says so itself.
  room.answers = () => {
    throw new Refusal("unknown_method");
  };
  const { joined: other } = joining(room);
  const unknown = assert.rejects(other, { code: "unknown_method" });
  await pass(room, 100);
  await unknown;
});

test("a game that throws at the server is final: a join refused as `failed` is not repeated", async () => {
  const room = new FakeRoom({ seed: 7 });
  room.answers = () => {
    throw new Refusal("failed");
  };
  const { joined: promise } = joining(room);
  const rejected = assert.rejects(promise, { name: "RoomError", code: "failed" });
  await pass(room, 20_000);
  await rejected;
  assert.equal(room.requests.length, 1);

  room.answers = undefined;
  const { play, session, ends } = await joined(room);
  session.tell("room.ended", { reason: "failed" });
  await pass(room, 20_000);
  assert.deepEqual(
    [ends, play.state, room.requests.length],
    [[{ reason: "failed", text: undefined }], "ended", 2],
  );
});
