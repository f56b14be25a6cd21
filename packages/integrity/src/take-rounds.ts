import type { TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

/** Turns after which what a check sent or read has been seen by the other end in this process. */
const SETTLING_TURNS = 10;

/**
 * Takes the clock from the connections that are checked every `periodMs`: they are when the test says so, and
 * the time is what the test says. So nothing hangs on how fast the machine is.
 *
 * @returns what checks them all, `periodMs` after the last check.
 */
export function takeRounds(t: TestContext, periodMs: number): () => Promise<void> {
  const rounds: (() => void)[] = [];
  const setRealInterval = globalThis.setInterval;
  const timer = { unref: () => timer };
  t.mock.method(
    globalThis,
    "setInterval",
    (callback: () => void, ms: number, ...rest: unknown[]): unknown => {
      if (ms !== periodMs) return Reflect.apply(setRealInterval, globalThis, [callback, ms, ...rest]);
      rounds.push(callback);
      return timer;
    },
  );
  let now = performance.now();
  t.mock.method(performance, "now", () => now);
  const goRounds = async (): Promise<void> => {
    now += periodMs;
    for (const goRound of rounds) goRound();
    for (let turns = 0; turns < SETTLING_TURNS; turns++) await turn();
  };
  t.after(goRounds); // Those of which nobody is left end, and the next test gets its own.
  return goRounds;
}
