import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { IDLE_CASES, WAITING_CASES } from "./far-deadlines.ts";

/** Far more than any of the programs takes, far less than their deadlines of an hour. */
const HANGS_AFTER_MS = 600_000;
const program = new URL("./far-deadlines.ts", import.meta.url).pathname;

async function outputOf(name: string): Promise<string> {
  const args = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx"), program, name];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: HANGS_AFTER_MS });
  return stdout;
}

for (const name of IDLE_CASES) {
  test(`a far deadline does not keep a process alive: ${name}`, async () => {
    assert.equal(await outputOf(name), "done");
  });
}

for (const name of WAITING_CASES) {
  test(`a call that waits is ended by its deadline, even if nothing else keeps the process: ${name}`, async () => {
    assert.equal(await outputOf(name), "done");
  });
}
