// What a room says reaches the client's program once and in order, or is told as missed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { FakeRoom } from "./fake-room.ts";
import { joined, joining, pass } from "./playing.ts";

/** What one client hears: each event, which bears its number in all, and how many were missed before it. */
async function listening(room: FakeRoom) {
  const heard: number[] = [];
  let missed = 0;
  const client = await joined(room, {
    onEvent(data) {
      const [number] = data as [number];
      heard.push(number);
      assert.equal(
        heard.length + missed,
        number,
        "an event came twice, too early, or was lost without a word",
      );
    },
    onMissed: (count) => (missed += count),
  });
  return { ...client, heard, missed: () => missed };
}

test("what a broken connection had taken is told again, and what waits; nothing comes twice", async () => {
  const room = new FakeRoom({ seed: 91 });
  const { heard, session, missed } = await listening(room);
  room.say([1]);
  await pass(room, 100);
  room.knowsOfLosses = false;
  room.say([2]); // On its way when the connection breaks.
  session.lose();
  room.say([3]); // The server writes to a connection that is none.
  room.knowsOfLosses = true;
  room.say([4]);
  session.connect();
  await pass(room, 500);
  assert.deepEqual([heard, missed()], [[1, 2, 3, 4], 0]);
});

test("what is too much to be kept is told as missed, even if nothing more is said", async () => {
  const room = new FakeRoom({ seed: 92 });
  const { heard, session, missed } = await listening(room);
  session.lose();
  for (let number = 1; number <= 70; number++) room.say([number]);
  session.connect();
  await pass(room, 500);
  assert.deepEqual([heard.length, heard[0], missed()], [64, 7, 6]);
  session.lose();
  room.knowsOfLosses = false;
  room.say([71, "x".repeat(20_000)]); // Longer than what is kept of what was taken.
  session.connect();
  await pass(room, 500);
  assert.deepEqual([heard.length, missed()], [64, 7]);
});

test("a page that is loaded again is told what waits, and not what another page has heard", async () => {
  const room = new FakeRoom({ seed: 93 });
  const { play, session } = await listening(room);
  room.say([1]);
  await pass(room, 100);
  session.lose();
  room.say([2]);
  const events: unknown[] = [];
  await joined(room, { ticket: play.ticket, onEvent: (event) => events.push(event) });
  await pass(room, 100);
  assert.deepEqual(events, [[2]]);
});

test("whatever breaks, moves and is said: each event comes once, in order, or is counted as missed", async () => {
  let [breaks, misses] = [0, 0];
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(seed);
    const room = new FakeRoom({ seed });
    const { heard, session, missed } = await listening(room);
    let said = 0;
    for (let step = 0; step < 40; step++) {
      switch (random.below(6)) {
        case 0:
          breaks += 1;
          session.lose();
          break;
        case 1:
          if (session.state.name !== "connected") session.connect();
          break;
        case 2:
          room.handOverEvents(random.below(2) * random.below(300));
          break;
        case 3:
          room.knowsOfLosses = !room.knowsOfLosses;
          session.lostAnswers = random.below(2);
          break;
        default:
          for (let left = random.below(random.below(10) === 0 ? 90 : 5); left > 0; left--)
            room.say([++said, "x".repeat(random.below(1_000))]);
      }
      await pass(room, random.below(120));
    }
    session.lostAnswers = 0;
    if (session.state.name !== "connected") session.connect();
    await pass(room, 12_000);
    assert.equal(heard.length + missed(), said, `seed ${seed}`);
    misses += missed();
  }
  assert.ok(breaks > 100 && misses > 100, `${breaks} breaks, ${misses} missed`);
});

test("what is said after a first join whose answer is lost is told", async () => {
  for (const isCut of [false, true]) {
    const room = new FakeRoom({ seed: 94 });
    const session = room.session();
    session.lostAnswers = isCut ? 0 : 1;
    const client = joining(room, {}, session);
    await pass(room, 60);
    room.knowsOfLosses = false;
    room.say(["your role"]);
    if (isCut) {
      session.lose();
      session.connect();
    }
    await pass(room, 12_000);
    await client.joined;
    assert.deepEqual(client.events, [["your role"]]);
  }
});

test("who leaves in a handler of an event is told nothing more, and opens no lane", async () => {
  for (const name of ["onEvent", "onMissed"] as const) {
    const room = new FakeRoom({ seed: 95 });
    let [told, lanes] = [0, 0];
    const { play, session, ends } = await joined(room, {
      [name]() {
        told += 1;
        void play.leave();
      },
      ...(name === "onMissed" && { onEvent: () => (told += 1) }),
      lane(over) {
        lanes += 1;
        return over;
      },
    });
    session.lose();
    for (let number = 1; number <= 65; number++) room.say([number]);
    session.connect();
    await pass(room, 45);
    session.tell("room.event", { log: "e0", number: name === "onEvent" ? 1 : 3, data: 0 });
    await pass(room, 500);
    assert.deepEqual([told, lanes, ends.length, session.handlers], [1, 1, 1, 0]);
  }
});

test("what another room says on the same session is not taken, before the answer to a join and after it", async () => {
  const room = new FakeRoom({ seed: 97 });
  const { heard, session, missed } = await listening(room);
  const other = (): void => session.tell("room.event", { log: "of another room", number: 1, data: [99] });
  other();
  session.lose();
  session.connect();
  other();
  await pass(room, 500);
  room.say([1]);
  await pass(room, 100);
  assert.deepEqual([heard, missed()], [[1], 0]);
});

test("of what comes while a join is not answered 1,024 are kept", async () => {
  const room = new FakeRoom({ seed: 96 });
  const { session, events } = await joined(room);
  session.lose();
  session.connect();
  for (let number = 1; number <= 1_030; number++)
    session.tell("room.event", { log: "e0", number, data: number });
  room.answers = () => ({ ...answer, events: { log: "e0", number: 6 } });
  const answer = { room: "r1", mode: "arena", seat: 0, tick: -1, process: "p1", incarnation: "i2" };
  await pass(room, 500);
  assert.deepEqual([events.length, events[0]], [1_024, 7]);
  session.lose();
  session.connect();
  for (let number = 1_031; number <= 2_055; number++)
    session.tell("room.event", { log: "e0", number, data: number });
  room.answers = () => ({ ...answer, incarnation: "i3", events: { log: "e0", number: 1_030 } });
  await pass(room, 500);
  assert.equal(events.length, 1_024, "the first of them was dropped, so that the next did not follow");
});
