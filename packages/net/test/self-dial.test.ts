// Who dials a port at which nobody listens may be given that port, and open it with itself (RFC 9293 §3.5).
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { promisify } from "node:util";

const program = fileURLToPath(new URL("./self-dial.ts", import.meta.url));

/** A network of its own, which needs no root where users may make some. */
const inside = ["-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
const hasNamespaces = process.platform === "linux" && spawnSync("unshare", [...inside, "true"]).status === 0;
const skip = hasNamespaces ? false : "no network namespace can be made here";

test("who dials a port of its own machine at which nobody listens does not reach itself", {
  skip,
}, async () => {
  const node = [process.execPath, ...process.execArgv.filter((arg) => !arg.startsWith("--test")), program];
  const { stdout } = await promisify(execFile)("unshare", [...inside, ...node], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  assert.deepEqual(JSON.parse(stdout), {
    tcp: "refused: dial tcp 127.0.0.1:50000: connection refused",
    "tcp, IPv6": "refused: dial tcp [::1]:50000: connection refused",
    tls: "refused: dial tls 127.0.0.1:50000: connection refused",
    proxy: "refused: dial tcp example.org:80: cannot connect to proxy 127.0.0.1:50000: connection refused",
    udp: "refused: dial udp 127.0.0.1:50000: connection refused",
    "a listener": "undefined",
    "tcp, asked for": "hola",
    "udp, asked for": "hola",
  });
});
