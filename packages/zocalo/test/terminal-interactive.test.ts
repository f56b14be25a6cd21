// `zocalo listen` and `zocalo dial` at a terminal, where a person types: a pseudo terminal, which script(1)
// of util-linux makes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readAll, tcpServer, Terminal, ZOCALO } from "./terminal-process.ts";

const version = spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "";
const skip = version.includes("util-linux")
  ? false
  : "there is no script(1) of util-linux to make a terminal";

const CTRL_C = "\x03";
const CTRL_D = "\x04";

/** The command with all three streams on one pseudo terminal; what it shows comes on standard output. */
function atTerminal(command: string): Terminal {
  return new Terminal("", `SHELL=/bin/sh exec script -qefc "exec ${ZOCALO} ${command}" /dev/null`);
}

async function dialedFrom(terminal: Terminal): Promise<Socket> {
  const port = /listening on tcp:\/\/127\.0\.0\.1:(\d+)/.exec(
    await terminal.prints(/listening on \S+\r\n/),
  )?.[1];
  const socket = connect({ port: Number(port), host: "127.0.0.1", allowHalfOpen: true });
  await terminal.prints(/connected with 127\.0\.0\.1:\d+/);
  return socket;
}

test("a person is told in words, line by line, and Ctrl-D ends the input alone", { skip }, async () => {
  await using terminal = atTerminal("listen tcp://127.0.0.1:0");
  const socket = await dialedFrom(terminal);
  socket.write("hola\n");
  await terminal.prints(/hola\r\n/);
  terminal.type("qué tal\n");
  assert.equal(String((await once(socket, "data"))[0]), "qué tal\n");
  const rest = readAll(socket);
  terminal.type(CTRL_D);
  assert.equal(String(await rest), "");
  socket.end("adiós\n");
  const { code, stdout } = await terminal.end();
  assert.match(stdout.toString(), /adiós\r\n127\.0\.0\.1:\d+ has ended\r\n$/);
  assert.doesNotMatch(stdout.toString(), /"event"/);
  assert.equal(code, 0);
});

test("a person is told that a large store takes a while", { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-large-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const store = join(directory, "zocalo.db");
  for (const [mebibytes, lines] of [
    [99, 1],
    [100, 2],
  ] as const) {
    writeFileSync(store, "no store");
    truncateSync(store, mebibytes * 1_048_576);
    const { code, stdout } = await atTerminal(`data check --data ${directory}`).end();
    const said = stdout.toString().trimEnd().split("\r\n");
    assert.deepEqual([code, said.length], [1, lines], stdout.toString());
    if (lines === 2) assert.equal(said[0], `${store} has 100 MiB: this takes a while`);
  }
});

test("a person who mistypes is told so and types again; Ctrl-C ends with 130", { skip }, async () => {
  await using terminal = atTerminal("listen tcp://127.0.0.1:0 --hex");
  const socket = await dialedFrom(terminal);
  terminal.type("68 6g\n");
  await terminal.prints(/zocalo: .*"68 6g", is not hexadecimal/);
  terminal.type("68 6f 0a\n");
  assert.equal(String((await once(socket, "data"))[0]), "ho\n");
  socket.write(Buffer.from([0, 255]));
  await terminal.prints(/00 ff\r\n/);
  const ended = readAll(socket);
  terminal.type(CTRL_C);
  await ended;
  socket.end();
  assert.equal((await terminal.end()).code, 130);
});

test("a person who has said nothing need not press a key when the peer ends", { skip }, async () => {
  using peer = await tcpServer((socket) => socket.end("closed for today\n"));
  await using terminal = atTerminal(`dial tcp://127.0.0.1:${peer.port}`);
  const { code, stdout } = await terminal.end();
  assert.match(stdout.toString(), /connected with .*\r\nclosed for today\r\n.*has ended\r\n$/);
  assert.equal(code, 0);
});

test("a broadcast goes on after a line of the input that is wrong", { skip }, async () => {
  await using terminal = atTerminal("listen tcp://127.0.0.1:0 --broadcast --hex --lines");
  const socket = await dialedFrom(terminal);
  terminal.type("?\n");
  await terminal.prints(/is not hexadecimal/);
  terminal.type("61\n");
  assert.equal(String((await once(socket, "data"))[0]), "a\n");
  terminal.type(CTRL_C);
  await once(socket.resume(), "end");
  socket.end();
  assert.equal((await terminal.end()).code, 130);
});
