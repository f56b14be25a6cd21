import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { check, type FuzzInput, fuzz, REGRESSIONS } from "./fuzz.ts";

/** About a second's worth on a machine that has nothing else to do. */
const INPUTS = 300;

test("mutated frames end in events or one protocol error, however they are cut", () => {
  // A seed of its own each day: the run can be repeated, and yet covers new ground.
  const seed = Math.floor(Date.now() / 86_400_000);
  assert.equal(
    fuzz((tried) => tried === INPUTS, seed),
    INPUTS,
  );
});

test("inputs that failed once", () => {
  const files = existsSync(REGRESSIONS)
    ? readdirSync(REGRESSIONS).filter((name) => name.endsWith(".json"))
    : [];
  for (const file of files) {
    const kept = JSON.parse(readFileSync(`${REGRESSIONS}${file}`, "utf8")) as Omit<FuzzInput, "bytes"> & {
      bytes: string;
    };
    check({ ...kept, bytes: Buffer.from(kept.bytes, "hex") });
  }
});
