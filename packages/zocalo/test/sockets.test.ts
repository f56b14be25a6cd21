// `zocalo listen` and `zocalo dial` as processes, from source.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { listen } from "@zocalo/websocket";
import { Zocalo } from "./zocalo-process.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-sockets-"));
after(() => rmSync(directory, { recursive: true }));
const certificate = ["--cert", join(directory, "cert.pem"), "--key", join(directory, "key.pem")];
const made = spawnSync("openssl", [
  ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
  ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
  ...["-out", join(directory, "cert.pem"), "-keyout", join(directory, "key.pem")],
]);
assert.equal(made.status, 0, String(made.stderr));

/** Starts `zocalo listen` and waits until it does. */
async function listening(target: string, ...flags: readonly string[]) {
  const zocalo = new Zocalo(["listen", target, ...flags]);
  const [, address = ""] = await zocalo.says("stderr", /"event":"listening","address":"([^"]+)"/);
  return { zocalo, address };
}

const CASES: readonly (readonly [string, string, readonly string[], readonly string[]])[] = [
  ["tcp", "tcp://127.0.0.1:0", [], []],
  ["tcp, by lines", "tcp://127.0.0.1:0", ["--lines"], ["--lines"]],
  ["unix", `unix:${join(directory, "echo.sock")}`, [], []],
  ["tls", "tls://127.0.0.1:0", certificate, ["--ca", join(directory, "cert.pem")]],
  ["ws", "ws://127.0.0.1:0/echo", [], []],
  ["ws, compressed", "ws://127.0.0.1:0", ["--compress"], ["--compress"]],
  ["wss", "wss://127.0.0.1:0/echo", certificate, ["--ca", join(directory, "cert.pem")]],
];

for (const [name, target, listenFlags, dialFlags] of CASES) {
  test(`${name}: what is piped into dial comes back from listen --echo, and both end well`, async () => {
    const { zocalo: server, address } = await listening(target, "--echo", ...listenFlags);
    await using _ = server;
    await using client = new Zocalo(["dial", address, ...dialFlags]);
    const text = `hola\n${"x".repeat(1_000_000)}\nadiós\n`;
    client.child.stdin.end(text);
    const { code, stdout, stderr } = await client.end();
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      stderr
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { event: string }).event),
      ["connected"],
    );
    assert.ok(stdout === text, `${stdout.length} characters came back: ${stdout.slice(0, 20)}…`);
    server.child.kill("SIGTERM");
    assert.equal((await server.end()).code, 0);
  });
}

test("udp: each line is a datagram, and the end is when nothing comes any more", async () => {
  const { zocalo: server, address } = await listening("udp://127.0.0.1:0", "--echo");
  await using _ = server;
  await using client = new Zocalo(["dial", address, "--timeout", "1"]);
  client.child.stdin.end("uno\ndos\n");
  const { code, stdout } = await client.end();
  assert.deepEqual([code, stdout], [3, "uno\ndos\n"]);
});

test("without a flag the first connection is joined with standard input and output, and its end is the end", async () => {
  const { zocalo: server, address } = await listening("tcp://127.0.0.1:0");
  await using _ = server;
  await using client = new Zocalo(["dial", address]);
  client.child.stdin.write("from the client\n");
  await server.says("stdout", /from the client\n/);
  server.child.stdin.write("from the server\n");
  await client.says("stdout", /from the server\n/);
  client.child.stdin.end();
  assert.deepEqual([(await server.end()).code, (await client.end()).code], [0, 0]);
});

test("--broadcast sends to all connections, and goes on after one has left", async () => {
  const { zocalo: server, address } = await listening("ws://127.0.0.1:0", "--broadcast");
  await using _ = server;
  await using first = new Zocalo(["dial", address]);
  await using second = new Zocalo(["dial", address]);
  await Promise.all([first.says("stderr", /connected/), second.says("stderr", /connected/)]);
  await server.says("stderr", /connected[^]*connected/);
  first.child.stdin.write("hola\n");
  await Promise.all([first.says("stdout", /^hola\n$/), second.says("stdout", /^hola\n$/)]);
  first.child.stdin.end();
  assert.equal((await first.end()).code, 0);
  second.child.stdin.write("still here\n");
  await second.says("stdout", /still here\n/);
});

test("--keep takes one connection after the other, and tells all of them what stands on standard input", async () => {
  const { zocalo: server, address } = await listening("tcp://127.0.0.1:0", "--keep");
  await using _ = server;
  await using first = new Zocalo(["dial", address]);
  first.child.stdin.end("first\n");
  await server.says("stdout", /^first\n$/);
  assert.equal((await first.end()).code, 0);
  await using second = new Zocalo(["dial", address]);
  await using third = new Zocalo(["dial", address]);
  await server.says("stderr", /(?:connected[^]*){3}/);
  server.child.stdin.write("to all\n");
  await Promise.all([second.says("stdout", /^to all\n$/), third.says("stdout", /^to all\n$/)]);
});

test("--hex shows and takes digits, --binary makes binary messages", async () => {
  const { zocalo: server, address } = await listening("ws://127.0.0.1:0", "--hex");
  await using _ = server;
  await using client = new Zocalo(["dial", address, "--binary"]);
  client.child.stdin.write("¡hola!\n");
  await server.says("stdout", /^c2a1686f6c6121\n$/);
  server.child.stdin.write("00 7f\n");
  await client.says("stdout", /^\0\x7f\n$/);
  client.child.stdin.end();
  assert.deepEqual([(await server.end()).code, (await client.end()).code], [0, 0]);
});

test("whoever reads the output may go: dial ends without a word", async () => {
  const { zocalo: server, address } = await listening("tcp://127.0.0.1:0", "--echo");
  await using _ = server;
  await using client = new Zocalo(["dial", address, "--quiet"]);
  client.child.stdout.destroy();
  client.child.stdin.end("x".repeat(1_000_000));
  assert.deepEqual(await client.end(), { code: 1, stdout: "", stderr: "" });
});

test("a WebSocket is dialed with the headers, origin and subprotocols that were asked for, and closed as asked", async () => {
  await using listener = await listen("127.0.0.1:0", {
    subprotocols: ["chat"],
    checkOrigin: ({ headers }) => headers.origin === "https://example.org" && headers["x-one"] === "1",
  });
  const flags = ["-H", "X-One: 1", "-H", "X-Two: a:b", "--origin", "https://example.org"];
  const asked = ["--subprotocol", "other", "--subprotocol", "chat", "--close", "4001:adiós"];
  await using client = new Zocalo(["dial", `ws://${String(listener.addr)}/`, ...flags, ...asked]);
  const conn = await listener.accept();
  assert.deepEqual([conn.subprotocol, conn.peer.request?.headers["x-two"]], ["chat", "a:b"]);
  const closed = new Promise((resolve) => conn.serve({ message: () => undefined, close: resolve }));
  client.child.stdin.end();
  assert.deepEqual(await closed, { code: 4001, reason: "adiós", wasClean: true });
  assert.equal((await client.end()).code, 0);
});

test("a refused connection is one sentence and exit code 1, a wrong command line exit code 2, silence exit code 3", async () => {
  const { zocalo: server, address } = await listening("tcp://127.0.0.1:0", "--echo");
  await using _ = server;
  const silent = new Zocalo(["dial", address, "--timeout", "0.2"]).end();
  const wrong = ["http://x", "tcp://x:1/path", "tcp:x", "unix:", "ws://"].map((target) =>
    new Zocalo(["dial", target]).end(),
  );
  const flags = new Zocalo(["dial", address, "--timeout", "soon"]).end();
  assert.deepEqual([(await silent).code, (await silent).stdout], [3, ""]);
  for (const { code, stderr } of await Promise.all(wrong)) {
    assert.equal(code, 2);
    assert.match(stderr, /^zocalo: ".*" is no target; allowed: .*\n$/);
  }
  assert.equal((await flags).code, 2);
  server.child.kill("SIGTERM");
  await server.end();
  const refused = await new Zocalo(["dial", address]).end();
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^zocalo: dial tcp .*: connection refused\n$/);
});
