// A session of the SDK at a real hub, in virtual time: tokens of every length, a back end that fails and is
// slow, clocks that are set, machines that sleep.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, type Dial } from "@zocalo/client";
import { Hub } from "@zocalo/hub";
import { Random } from "@zocalo/integrity";
import { lines, pipe } from "@zocalo/net";

interface Due {
  readonly at: number;
  readonly run: () => void;
}

/** Time that a test lets pass, for the hub and the client alike; each has a wall of its own. */
class Time {
  now = 1_000;
  readonly #due = new Set<Due>();

  /** A clock as both have it, whose wall stands where `wallAheadMs` says. */
  clock() {
    const after = (ms: number, run: () => void) => {
      const due = { at: this.now + Math.ceil(Math.max(0, ms)), run }; // whole, as time is here
      this.#due.add(due);
      const cancel = (): void => void this.#due.delete(due);
      // The hub's timers are objects, and the client's functions.
      return Object.assign(cancel, { cancel });
    };
    const clock = {
      wallAheadMs: 1_763_881_200_000,
      wall: () => this.now + clock.wallAheadMs,
      uptime: () => this.now,
      after,
    };
    return clock;
  }

  /** So much passes, and what is due in it happens in its order, each time with all that follows of it. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await settled();
      const [next] = [...this.#due].filter(({ at }) => at <= end).toSorted((one, other) => one.at - other.at);
      if (next === undefined) break;
      this.#due.delete(next);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
  }
}

/** Pipes need turns of the event loop, and no time. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** How often a history is dealt anew. */
const SEEDS = 8;

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`whatever happens to tokens, none lasts longer than it says, and a good one in time keeps the session (seed ${seed})`, async () => {
    const random = new Random(seed);
    const time = new Time();
    const [hubClock, clientClock] = [time.clock(), time.clock()];
    const lifeMs = 3_000 + random.below(60_000);
    let chanceToFail = 0;
    let made = 0;
    /** By uptime, when the newest token that the hub took is over. */
    let endsAt = 0;
    const hub = new Hub({
      namespaces: { plaza: { subscribe: "anyone" } },
      clock: hubClock,
      authenticate: ({ token = "" }) => {
        const leftMs = Number(token) - time.now;
        if (!(leftMs > 0)) return null;
        endsAt = time.now + leftMs;
        return { user: "ana", isGuest: false, expiresAt: hubClock.wall() + leftMs };
      },
    });
    const dial: Dial = async () => {
      const [ours, theirs] = pipe();
      hub.accept(lines(theirs));
      return lines(ours);
    };
    const token = async (): Promise<string> => {
      const kind = random.below(100);
      const endsIn = time.now + lifeMs;
      if (kind < chanceToFail / 2) throw new Error("the back end is down");
      if (kind < chanceToFail) return new Promise<string>(() => {}); // it never answers
      made++;
      return String(endsIn);
    };
    const session = connect("pipe:", {
      dial,
      token,
      clock: clientClock,
      random: () => random.below(1_000) / 1_000,
    });
    const states: string[] = [];
    session.onState(({ name }) => states.push(name));
    await time.pass(100);
    assert.equal(session.state.name, "connected");

    // A back end that works: the session lasts, be the hub's clock set and the client's machine asleep.
    for (let step = 0; step < 40; step++) {
      if (random.below(4) === 0) hubClock.wallAheadMs += random.below(200_000) - 100_000;
      if (random.below(8) === 0) clientClock.wallAheadMs += random.below(7_200_000);
      await time.pass(random.below(lifeMs));
      assert.equal(session.state.name, "connected");
      assert.ok(time.now < endsAt);
    }
    assert.deepEqual(states, ["connected"], "one connection all the time");
    const before = made;
    assert.ok(before > 10, `${before} tokens`);

    // One that fails, more and more often: there is a session only while its token lasts.
    for (const chance of [30, 60, 90, 100]) {
      chanceToFail = chance;
      for (let step = 0; step < 15; step++) {
        await time.pass(random.below(lifeMs));
        if (hub.stats().sessions > 0 && session.state.name === "connected") assert.ok(time.now < endsAt);
      }
    }
    await time.pass(2 * lifeMs);
    assert.notEqual(session.state.name, "connected");
    assert.ok(
      states.every((name) => name !== "closed"),
      "it is told to come back, and does",
    );
    chanceToFail = 0;
    await time.pass(60_000);
    assert.equal(session.state.name, "connected");
    await session.close();
    await hub.close();
  });
}
