import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

function run(...args: readonly string[]) {
  // This process is a test itself; the command is to run as if it were not.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const script = fileURLToPath(new URL("../scripts/test.ts", import.meta.url));
  const command = ["--import", import.meta.resolve("tsx"), script, "--no-build", ...args];
  return spawnSync(process.execPath, command, { encoding: "utf8", env });
}

test("a run of no files fails and says so", () => {
  const { status, stderr } = run("no/such/place");
  assert.equal(stderr, "No test file matches no/such/place.\n");
  assert.equal(status, 1);
});

test("a flag that is not known is named", () => {
  const { status, stderr } = run("--bulid");
  assert.match(stderr, /^Unknown flag --bulid; known: /);
  assert.equal(status, 1);
});

test("the summary closes the run, and the exit code is the runner's", () => {
  const { status, stdout } = run("test/find-tests.test.ts");
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines.at(-1) ?? "", /duration_ms/);
  assert.ok(lines.includes("ℹ pass 2"), stdout);
  assert.equal(status, 0);
});

/** Its assertion fails, and Node 20 looks in here for it, for minutes. */
const failing = `import assert from "node:assert/strict";
const sides: readonly number[] = [${"((n: number) => [n])(3), ".repeat(300)}];
assert.ok(sides.length === 3);
${"// And so on.\n".repeat(1_000)}`;

test("an assertion without a message fails, and its line is told", (context) => {
  const directory = mkdtempSync(join(tmpdir(), "failing-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const program = join(directory, "failing.mts");
  writeFileSync(program, failing);
  const args = process.execArgv.filter((arg) => !arg.startsWith("--test"));
  const { status, stderr } = spawnSync(process.execPath, [...args, program], {
    encoding: "utf8",
    timeout: 60_000,
    killSignal: "SIGKILL", // A loop without end hears no other.
  });
  assert.equal(status, 1);
  assert.match(stderr, /AssertionError.*falsy/);
  assert.match(stderr, /failing\.mts:3:8/);
});
