import assert from "node:assert/strict";
import { test } from "node:test";
import { type Attempt, interleaved, race } from "./race.ts";

const signal = new AbortController().signal;

/** Attempts that are settled by hand. */
class Attempts {
  readonly started: string[] = [];
  readonly cancelled: string[] = [];
  readonly #settle = new Map<string, { resolve(value: string): void; reject(error: Error): void }>();
  onStart: ((name: string) => void) | undefined;

  start = (name: string): Attempt<string> => {
    this.started.push(name);
    const result = new Promise<string>((resolve, reject) => {
      this.#settle.set(name, { resolve, reject });
    });
    queueMicrotask(() => this.onStart?.(name));
    return { result, cancel: () => void this.cancelled.push(name) };
  };

  succeed(name: string): void {
    this.#settle.get(name)?.resolve(name);
  }

  fail(name: string): void {
    this.#settle.get(name)?.reject(new Error(name));
  }
}

test("addresses alternate between the IP versions, beginning with the first one's", () => {
  assert.deepEqual(interleaved(["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"]), [
    "::1",
    "1.1.1.1",
    "::2",
    "2.2.2.2",
    "::3",
  ]);
  assert.deepEqual(interleaved(["1.1.1.1", "2.2.2.2", "::1"]), ["1.1.1.1", "::1", "2.2.2.2"]);
  assert.deepEqual(interleaved([]), []);
});

test("the next attempt begins at once when one fails, and the first success cancels the rest", async () => {
  const attempts = new Attempts();
  attempts.onStart = (name) => {
    if (name === "a") attempts.fail(name);
    if (name === "b") attempts.succeed(name);
  };
  const options = { delayMs: 1e6, remainingMs: Number.POSITIVE_INFINITY, signal };
  assert.equal(await race(["a", "b", "c"], attempts.start, options), "b");
  assert.deepEqual(attempts.started, ["a", "b"]);
});

test("after the delay the next attempt runs beside the first, and either may win", async () => {
  for (const winner of ["a", "b"]) {
    const attempts = new Attempts();
    attempts.onStart = (name) => {
      if (name === "b") attempts.succeed(winner);
    };
    const options = { delayMs: 5, remainingMs: Number.POSITIVE_INFINITY, signal };
    assert.equal(await race(["a", "b"], attempts.start, options), winner);
    assert.deepEqual(attempts.cancelled, [winner === "a" ? "b" : "a"]);
  }
});

test("a short time left is split, so that every address is tried", async () => {
  const attempts = new Attempts();
  const all = new Promise<void>((resolve) => {
    attempts.onStart = () => {
      if (attempts.started.length === 4) resolve();
    };
  });
  const controller = new AbortController();
  const raced = race(["a", "b", "c", "d"], attempts.start, {
    delayMs: 1e6,
    remainingMs: 40,
    signal: controller.signal,
  });
  const failed = assert.rejects(raced, /time is up/);
  await all;
  controller.abort(new Error("time is up"));
  await failed;
  assert.deepEqual(attempts.cancelled, ["a", "b", "c", "d"]);
});

test("all failures are told in the order of the candidates; a sole one as it is", async () => {
  const attempts = new Attempts();
  attempts.onStart = (name) => attempts.fail(name);
  const options = { delayMs: 0, remainingMs: Number.POSITIVE_INFINITY, signal };
  await assert.rejects(race(["a", "b"], attempts.start, options), (error) => {
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(
      error.errors.map((each: Error) => each.message),
      ["a", "b"],
    );
    return true;
  });
  await assert.rejects(race(["only"], attempts.start, options), { message: "only" });
  await assert.rejects(
    race(["x"], attempts.start, { ...options, signal: AbortSignal.abort(new Error("no")) }),
    /no/,
  );
});
