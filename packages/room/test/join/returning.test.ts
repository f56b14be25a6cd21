import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomError } from "../../src/contracts/errors.ts";
import { FakeRoom, Refusal } from "./fake-room.ts";
import { joined, joining, pass } from "./playing.ts";

test("after a lost connection the place is taken again, and all goes on with what there was", async () => {
  const room = new FakeRoom({ seed: 11 });
  const { play, session, states } = await joined(room);
  const draw = (now: number): unknown => play.advance(now, (input) => (input.move = 0.5));
  await pass(room, 2_000, draw);
  const { frame } = play;
  session.lose();
  assert.equal(play.state, "returning");
  const { casts } = session;
  await pass(room, 500, draw);
  const { steps } = play.me ?? { steps: 0 };
  await pass(room, 500, draw);
  assert.deepEqual([session.casts, play.me?.steps], [casts, steps], "inputs were made meanwhile");
  session.connect();
  await pass(room, 1_000, draw);
  assert.deepEqual(states, ["returning", "playing"]);
  assert.equal(play.frame, frame);
  const [first, second] = room.requests;
  assert.equal(room.requests.length, 2);
  assert.deepEqual(second, { ...first, incarnation: "i1", room: "r1", heard: { log: "e0", number: 0 } });
  const [seat] = room.seats.values();
  assert.ok((seat?.receiver.has(room.ticker.nextTick - 8) ?? false) && room.seats.size === 1);
  await pass(room, 1_000, (now) => play.advance(now));
  assert.equal(play.me?.at.x, seat?.player?.at.x);
});

test("the match moves to another process, which remembers nothing of what was said, and an older tick", async () => {
  const room = new FakeRoom({ seed: 12 });
  const { play, session, states, errors } = await joined(room);
  const draw = (now: number): unknown => play.advance(now, (input) => (input.move = 0.5));
  await pass(room, 2_000, draw);
  const { frame } = play;
  let isMoving = true;
  room.answers = () => {
    if (isMoving) throw new Refusal("moving");
    room.answers = () => {
      room.answers = undefined;
      throw new Refusal("unavailable");
    };
    // The next process listens, and has no rooms yet.
    throw new Refusal("unknown_method");
  };
  session.tell("room.moving", {});
  assert.equal(play.state, "returning");
  await pass(room, 2_000, draw);
  assert.deepEqual([states, play.frame === frame], [["returning"], true]);
  session.lose();
  await pass(room, 200, draw);
  isMoving = false;
  room.restart(1_020);
  session.connect();
  const shown: string[] = [];
  await pass(room, 2_000, (now) => shown.push(String(draw(now))));
  assert.deepEqual([states, errors], [["returning", "playing"], []]);
  assert.equal(shown.filter((state) => state === "returned").length, 1);
  assert.notEqual(play.frame, frame);
  assert.deepEqual([play.ticket.process, play.room.incarnation], ["p1'", "i2"]);
  assert.ok(play.time > 1_020 && play.time < room.ticker.nextTick);
  const [seat] = room.seats.values();
  await pass(room, 1_000, (now) => play.advance(now));
  assert.equal(play.me?.at.x, seat?.player?.at.x);
});

test("a server that says that it remembers, and is at an older tick, is asked to begin anew", async () => {
  const room = new FakeRoom({ seed: 13 });
  const { play, session } = await joined(room);
  await pass(room, 2_000, (now) => play.advance(now));
  const { frame } = play;
  room.answers = (request) => ({ ...play.room, tick: 7, incarnation: request.incarnation ?? "another" });
  session.lose();
  session.connect();
  await pass(room, 500);
  const said = room.requests.map(({ incarnation }) => incarnation);
  assert.deepEqual(said, [undefined, "i1", undefined]);
  assert.equal(play.room.incarnation, "another");
  // What was shown stays until there is something else.
  assert.deepEqual([play.advance(room.clock.uptime()), play.frame === frame], ["holding", true]);
});

test("a page of another version is told so when it comes back, and the game ends", async () => {
  const room = new FakeRoom({ seed: 14 });
  const { play, session, ends, states } = await joined(room);
  room.answers = () => {
    throw new Refusal("other_version", { version: 2 });
  };
  session.lose();
  session.connect();
  await pass(room, 200, (now) => play.advance(now));
  const [end] = ends;
  assert.ok(ends.length === 1 && end?.reason === "other_version" && end.error instanceof RoomError);
  assert.deepEqual([states, play.state, session.handlers], [["returning", "ended"], "ended", 0]);
  await assert.rejects(play.send("hola"), (error: RoomError) => error.code === "ended");
});

test("kicked: the game ends once, says why, and nothing is sent any more", async () => {
  const room = new FakeRoom({ seed: 15 });
  const { play, session, ends, states } = await joined(room);
  await pass(room, 500, (now) => play.advance(now));
  session.tell("room.ended", { reason: "kicked", text: "z".repeat(2_000) });
  session.tell("room.ended", { reason: "closed" });
  assert.deepEqual(ends, [{ reason: "kicked", text: "z".repeat(1_000) }]);
  const { casts } = session;
  await pass(room, 500, (now) => play.advance(now));
  session.lose();
  session.connect();
  await pass(room, 200);
  assert.deepEqual([session.casts, session.handlers, states, room.requests.length], [casts, 0, ["ended"], 1]);
});

test("to leave tells the server and ends the game; so does the session when it is closed", async () => {
  const room = new FakeRoom({ seed: 16 });
  const { play, session, ends } = await joined(room);
  const left = play.leave();
  assert.deepEqual([ends, play.state], [[{ reason: "left" }], "ended"]);
  await pass(room, 200);
  await Promise.all([left, play.leave()]);
  assert.deepEqual([room.left, session.handlers], [1, 0]);

  const other = await joined(room);
  other.session.close();
  assert.deepEqual([other.ends, other.session.handlers], [[{ reason: "session_closed" }], 0]);
  await other.play.leave();
  assert.equal(room.left, 1);
});

test("events go both ways, and what a handler throws is told", async () => {
  const room = new FakeRoom({ seed: 17 });
  const onEvent = (event: unknown): never => {
    throw new Error(`no ${String(event)}`);
  };
  const { play, session, errors } = await joined(room, { onEvent });
  session.tell("room.event", { log: "e0", number: 1, data: "rain" });
  assert.match(String(errors), /no rain/);
  const sent = play.send({ say: "hola" });
  const kicked = assert.rejects(play.kick(3), { code: "unknown_method" });
  await pass(room, 100);
  await sent;
  await kicked;
  assert.deepEqual(room.events, [{ say: "hola" }]);
});

test("a join is given up by its signal, and by a session that is closed", async () => {
  const room = new FakeRoom({ seed: 18 });
  const controller = new AbortController();
  const { joined: promise, session } = joining(room, { signal: controller.signal });
  const rejected = assert.rejects(promise, /enough/);
  controller.abort(new Error("enough"));
  await pass(room, 200);
  await rejected;
  assert.deepEqual([session.handlers, room.left], [0, 1]);
  await assert.rejects(joining(room, { signal: controller.signal }).joined, /enough/);

  const closed = joining(room);
  const ended = assert.rejects(closed.joined, { code: "ended" });
  closed.session.close();
  await pass(room, 100);
  await ended;
  assert.equal(closed.session.handlers, 0);
});
