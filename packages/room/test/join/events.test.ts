// What a room says reaches the client's program once and in order, or is told as missed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { FakeRoom } from "./fake-room.ts";
import { joined, pass } from "./playing.ts";

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
