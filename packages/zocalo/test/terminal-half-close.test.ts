// An end comes after everything that was accepted: `--echo` and `dial`, on each transport, towards a peer
// that is behind.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { selfSigned } from "./terminal-certificates.ts";
import { noise, readAll, sha256, tcpServer, Terminal } from "./terminal-process.ts";

/** One at which an echo was once cut short, and one that no system's buffers hold. */
const SIZES = [4_140_000, 16 * 1_048_576];
/** What a peer that is behind takes in one turn of its event loop. */
const SLOW_BYTES = 65_536;

const directory = mkdtempSync(join(tmpdir(), "zocalo-half-close-"));
const identity = selfSigned(directory, ["127.0.0.1"]);
after(() => rmSync(directory, { recursive: true }));

/** Bytes as lines, which every transport and framing can carry. */
function lines(byteCount: number): Buffer {
  return Buffer.from(
    `${noise(48).toString("base64")}\n`.repeat(byteCount / 65 + 1).slice(0, byteCount - 1) + "\n",
  );
}

/** Reads a little in each turn, so that the other side always has more to send, until the end. */
async function readSlowly(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let hasEnded = false;
  socket.once("end", () => (hasEnded = true));
  while (!hasEnded) {
    const chunk = socket.read(Math.min(SLOW_BYTES, socket.readableLength) || undefined) as Buffer | null;
    if (chunk !== null) chunks.push(chunk);
    await turn();
  }
  return Buffer.concat(chunks);
}

const streams = [
  ["tcp", "tcp://127.0.0.1:0", (port: number) => connect({ port, host: "127.0.0.1", allowHalfOpen: true })],
  [
    "tcp --lines",
    "tcp://127.0.0.1:0 --lines",
    (port: number) => connect({ port, host: "127.0.0.1", allowHalfOpen: true }),
  ],
  [
    "unix",
    `unix:${join(directory, "echo")}`,
    () => connect({ path: join(directory, "echo"), allowHalfOpen: true }),
  ],
  [
    "tls",
    `tls://127.0.0.1:0 --cert ${identity.certFile} --key ${identity.keyFile}`,
    (port: number) => connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false }),
  ],
] as const;

for (const [name, target, dial] of streams) {
  test(`${name}: an echo sends everything back to a slow reader that has half-closed, then ends`, async () => {
    await using terminal = new Terminal(`listen ${target} --echo --verbose`);
    const { port } = await terminal.listening();
    for (const size of SIZES) {
      const bytes = lines(size);
      const socket = dial(port);
      socket.end(bytes);
      const echo = await readSlowly(socket);
      assert.equal(echo.length, size);
      assert.equal(sha256(echo), sha256(bytes));
    }
    await terminal.says(/"ended"[^]*"ended"/);
    assert.doesNotMatch(terminal.stderr, /"failed"/);
  });
}

for (const scheme of ["ws", "wss"] as const) {
  test(`${scheme}: an echo sends everything back to a slow reader that has said that it goes, then closes`, async () => {
    const flags = scheme === "wss" ? `--cert ${identity.certFile} --key ${identity.keyFile}` : "";
    await using terminal = new Terminal(`listen ${scheme}://127.0.0.1:0 ${flags} --echo --verbose`);
    const { port } = await terminal.listening();
    const at = { port, host: "127.0.0.1" };
    const socket = scheme === "wss" ? connectTls({ ...at, rejectUnauthorized: false }) : connect(at);
    const head = ["GET / HTTP/1.1", `Host: 127.0.0.1:${port}`, "Upgrade: websocket", "Connection: Upgrade"];
    const fields = ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
    socket.write(`${[...head, ...fields].join("\r\n")}\r\n\r\n`);
    const messages = Array.from({ length: 256 }, (_, index) => Buffer.from(`${index} `.padEnd(65_536, ".")));
    for (const message of messages) socket.write(frame(0x81, message, "masked"));
    // Most of the echo is still to come when the server reads this.
    socket.write(frame(0x88, Buffer.from([0x03, 0xe8]), "masked"));
    const answer = await readSlowly(socket);
    const echo = answer.subarray(answer.indexOf("\r\n\r\n") + 4);
    const expected = [
      ...messages.map((message) => frame(0x81, message)),
      frame(0x88, Buffer.from([0x03, 0xe8])),
    ];
    assert.equal(sha256(echo), sha256(Buffer.concat(expected)));
    await terminal.says(/"ended"/);
  });
}

/** A WebSocket frame; a masked one has a mask of zeros. */
function frame(firstByte: number, payload: Buffer, masked?: "masked"): Buffer {
  const mask = masked === undefined ? 0 : 0x80;
  const isLong = payload.length > 125;
  const head = Buffer.alloc((isLong ? 10 : 2) + (masked === undefined ? 0 : 4));
  head[0] = firstByte;
  head[1] = mask | (isLong ? 127 : payload.length);
  if (isLong) head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

test("dial --echo sends everything back to a server that has half-closed", async () => {
  const bytes = noise(16 * 1_048_576);
  let echo: Promise<Buffer> | undefined;
  using peer = await tcpServer((socket) => {
    socket.end(bytes);
    echo = readSlowly(socket);
  });
  await using terminal = new Terminal(`dial tcp://127.0.0.1:${peer.port} --echo`);
  assert.deepEqual([(await terminal.end()).code, terminal.stderr], [0, ""]);
  assert.equal(sha256((await echo) ?? Buffer.alloc(0)), sha256(bytes));
});

test("a peer that resets in the middle of an echo is one sentence, and the next peer is served", async () => {
  for (const mode of ["", "--lines"]) {
    await using terminal = new Terminal(`listen tcp://127.0.0.1:0 --echo ${mode} --verbose`);
    const { port } = await terminal.listening();
    const socket = connect({ port, host: "127.0.0.1" }).pause();
    socket.on("error", () => undefined);
    const bytes = lines(16 * 1_048_576);
    // Not read: what the peer echoes fills its buffers, and this side's writing stops.
    while (socket.write(bytes.subarray(0, SLOW_BYTES - 1)));
    await once(socket, "connect");
    await terminal.says(/"connected"/);
    socket.resetAndDestroy();
    await terminal.says(/"failed","peer":"[^"]*","reason":"[^"]*reset by peer[^"]*"/);
    assert.doesNotMatch(terminal.stderr, /\n\s+at /);
    const good = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    good.end("hola\n");
    assert.equal(String(await readAll(good)), "hola\n");
  }
});

test("dial that sends a large input to a peer that resets says one sentence and does not end with 0", async () => {
  for (const hasAnswered of [false, true]) {
    using peer = await tcpServer((socket) => {
      socket.pause();
      if (hasAnswered) socket.write("enough\n");
      socket.once("readable", () => socket.resetAndDestroy());
    });
    await using terminal = new Terminal(`dial tcp://127.0.0.1:${peer.port}`);
    terminal.child.stdin.end(noise(32 * 1_048_576));
    const { code, stderr } = await terminal.end();
    assert.notEqual(code, 0);
    assert.match(stderr, /^zocalo: [^\n]+\n$/);
  }
});

test("dial whose peer ends and closes with bytes unread does not end with 0: they were not taken", async () => {
  using peer = await tcpServer((socket) => {
    socket.pause();
    socket.write("enough\n");
    socket.once("readable", () => socket.end().destroySoon());
  });
  await using terminal = new Terminal(`dial tcp://127.0.0.1:${peer.port}`);
  terminal.child.stdin.end(noise(32 * 1_048_576));
  const { code, stdout, stderr } = await terminal.end();
  assert.equal(String(stdout), "enough\n");
  assert.notEqual(code, 0);
  assert.match(stderr, /^zocalo: [^\n]+\n$/);
});

test("dial with a slow reader of standard output prints everything of a peer that has ended", async () => {
  const bytes = noise(16 * 1_048_576);
  using peer = await tcpServer((socket) => void socket.resume().end(bytes));
  await using terminal = new Terminal(`dial tcp://127.0.0.1:${peer.port}`);
  terminal.child.stdin.end();
  const chunks: Buffer[] = [];
  let hasEnded = false;
  terminal.child.stdout.once("end", () => (hasEnded = true));
  while (!hasEnded) {
    const chunk = terminal.child.stdout.read() as Buffer | null;
    if (chunk !== null) chunks.push(chunk);
    await turn();
  }
  await terminal.closed;
  assert.equal(sha256(Buffer.concat(chunks)), sha256(bytes));
  assert.deepEqual([terminal.child.exitCode, terminal.stderr], [0, ""]);
});

test("listen whose peer half-closes sends all of a large input, and then ends with 0", async () => {
  const answer = noise(16 * 1_048_576);
  await using terminal = new Terminal("listen tcp://127.0.0.1:0");
  const { port } = await terminal.read().listening();
  terminal.child.stdin.end(answer);
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end();
  assert.equal(sha256(await readSlowly(socket)), sha256(answer));
  assert.deepEqual((await terminal.end()).code, 0);
});
