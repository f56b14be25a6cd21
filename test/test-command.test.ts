import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
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
