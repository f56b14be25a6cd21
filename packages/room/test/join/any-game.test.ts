import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { FakeRoom, Refusal } from "./fake-room.ts";
import { type Client, joined, pass } from "./playing.ts";

/** What happens to a client meanwhile. */
function mishap(room: FakeRoom, { session }: Client, random: Random): () => void {
  const nothing = (): void => {};
  switch (random.int(0, 5)) {
    case 0:
      session.lose();
      return () => session.connect();
    case 1:
      session.lose();
      session.lostAnswers = random.int(0, 2);
      return () => session.connect();
    case 2:
      session.tell("room.moving", {});
      session.lose();
      return () => {
        room.restart(room.ticker.nextTick - random.int(0, 20));
        session.connect();
      };
    case 3:
      room.isDeaf = true;
      return () => (room.isDeaf = false);
    case 4:
      room.answers = () => {
        throw new Refusal(random.chance(0.5) ? "moving" : "unavailable");
      };
      session.lose();
      session.connect();
      return () => (room.answers = undefined);
    default:
      return nothing;
  }
}

test("whatever happens to the connection: time is shown forwards, nothing is thrown, and in the end all agree", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Random(seed);
    const room = new FakeRoom({
      seed,
      link: {
        wayMs: random.int(5, 150),
        jitterMs: random.int(0, 10),
        loss: random.pick([0, 0.05, 0.2]),
        burstMs: random.pick([0, 200]),
        burstsPerSecond: 0.3,
      },
    });
    const client = await joined(room);
    const { play, errors, ends, states } = client;
    let { frame } = play;
    let time = Number.NEGATIVE_INFINITY;
    const draw = (now: number, move: number): void => {
      play.advance(now, (input) => (input.move = move));
      if (play.frame !== frame) time = Number.NEGATIVE_INFINITY;
      ({ frame } = play);
      assert.ok(play.time >= time, `seed ${seed}: shown was ${time}, and then ${play.time}`);
      ({ time } = play);
      assert.ok(play.passed.every((tick) => tick <= time));
    };
    for (let round = 0; round < 4; round++) {
      const move = random.pick([-0.1, 0, 0.1]);
      await pass(room, 2_000, (now) => draw(now, move));
      const mend = mishap(room, client, random);
      await pass(room, random.int(0, 3_000), (now) => draw(now, move));
      mend();
    }
    // Answers may have been lost twice: each is waited for, and asked for again.
    await pass(room, 16_000, (now) => draw(now, 0));
    const [seat] = room.seats.values();
    assert.equal(room.seats.size, 1, `seed ${seed}`);
    assert.deepEqual([errors, ends, play.state], [[], [], "playing"], `seed ${seed}`);
    assert.equal(states.length % 2, 0);
    assert.equal(play.me?.at.x, seat?.player?.at.x, `seed ${seed}`);
    assert.equal(play.me?.steps, seat?.player?.steps, `seed ${seed}`);
  }
});
