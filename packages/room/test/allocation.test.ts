import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("a tick over 1,000 entities that reads and writes a field in a small function allocates nothing for any", () => {
  const program = fileURLToPath(new URL("allocation-program.ts", import.meta.url));
  const flags = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
  const output = execFileSync(process.execPath, [...process.execArgv.filter(isLoader), ...flags, program], {
    encoding: "utf8",
  });
  const bytes = JSON.parse(output) as Record<string, number>;
  assert.equal(Object.keys(bytes).length, 9);
  // What is left is of the measuring itself, a few hundred bytes for all entities together.
  for (const [field, each] of Object.entries(bytes))
    assert.ok(each <= 1, `${field}: ${each} bytes an entity`);
});

/** Keeps what makes TypeScript run. */
function isLoader(arg: string, index: number, all: readonly string[]): boolean {
  return arg.startsWith("--conditions") || arg.startsWith("--import") || all[index - 1] === "--import";
}
