import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** When functions are compiled is not the same each time, and by what was seen until then they differ. */
const MOST_RUNS = 5;

test("a tick over 1,000 entities that reads and writes a field in a small function allocates nothing", () => {
  const least: Record<string, number> = {};
  for (let run = 0; run < MOST_RUNS; run++) {
    for (const [field, bytes] of Object.entries(measure())) {
      least[field] = Math.min(bytes, least[field] ?? Infinity);
    }
    if (Object.values(least).every((bytes) => bytes <= 1)) break;
  }
  assert.equal(Object.keys(least).length, 9);
  // What is left is of the measuring itself, a few hundred bytes for all entities together.
  for (const [field, each] of Object.entries(least))
    assert.ok(each <= 1, `${field}: ${each} bytes an entity`);
});

/** Bytes for an entity, by field. */
function measure(): Record<string, number> {
  const program = fileURLToPath(new URL("allocation-program.ts", import.meta.url));
  const flags = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
  const args = [...process.execArgv.filter(isLoader), ...flags, program];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Record<string, number>;
}

/** Keeps what makes TypeScript run. */
function isLoader(arg: string, index: number, all: readonly string[]): boolean {
  return arg.startsWith("--conditions") || arg.startsWith("--import") || all[index - 1] === "--import";
}
