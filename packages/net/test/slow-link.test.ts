// Datagrams that have to wait in the process, because the link is slow, arrive as they were handed over.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { promisify } from "node:util";

const program = fileURLToPath(new URL("./slow-link-datagrams.ts", import.meta.url));

/**
 * A network namespace of its own, which needs no root where users may make some, with a loopback of 4 Mbit/s
 * (tc-tbf(8)).
 */
const slowed = [
  "-rn",
  "sh",
  "-c",
  'ip link set lo up && tc qdisc add dev lo root tbf rate 4mbit burst 3kb limit 4mb && exec "$@"',
  "sh",
];

const canSlow = process.platform === "linux" && spawnSync("unshare", [...slowed, "true"]).status === 0;
const skip = canSlow ? false : "no namespace can be made here, or no link slowed";

interface Result {
  readonly accepted: number;
  readonly hadToWait: boolean;
  readonly came: number;
}

for (const [name, env] of [
  ["past Node's documentation", {}],
  ["as documented", { ZOCALO_NO_DIRECT_SEND: "1" }],
] as const) {
  test(`a datagram that waits is not what its sender writes afterwards, sent ${name}`, { skip }, async () => {
    const node = [process.execPath, ...process.execArgv.filter((arg) => !arg.startsWith("--test")), program];
    const { stdout } = await promisify(execFile)("unshare", [...slowed, ...node], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
    });
    const results = JSON.parse(stdout) as Record<string, Result>;
    const ways = Object.entries(results);
    assert.equal(ways.length, 9);
    for (const [way, { accepted, hadToWait, came }] of ways) {
      assert.equal(accepted, 150, way);
      assert.equal(came, accepted, way);
      // Or nothing was shown.
      if (way !== "send, awaited") assert.equal(hadToWait, true, way);
    }
  });
}
