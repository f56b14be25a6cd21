// A share of the WebSocket conformance cases, against the built commands as a suite would run them: `listen`
// for many cases, `dial` once for each. All of them: `npm run conformance`.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const SUITE = fileURLToPath(new URL("../../websocket/test/conformance/run.ts", import.meta.url));

async function conforms(...flags: readonly string[]): Promise<void> {
  const tsx = import.meta.resolve("tsx");
  // It ends with an exit code other than 0, and so rejects with its output, if a case fails.
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--import",
    tsx,
    SUITE,
    "--short",
    ...flags,
  ]);
  assert.match(stdout, /^[1-9]\d* passed, 0 failed/m);
}

test("listen --echo conforms, with and without --compress", () =>
  conforms("--side", "listen", "--share", "4"));

test("dial --echo conforms, with and without --compress", () => conforms("--side", "dial", "--share", "83"));
