// The command line as a process, from source.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { test } from "node:test";
import { SETTING_NAMES, type SettingName, SETTINGS, flagOf, variableOf } from "../src/settings.ts";
import type { Setting } from "../src/setting.ts";
import { VERSION } from "../src/version.ts";
import { Zocalo } from "./zocalo-process.ts";

function run(...args: readonly string[]) {
  return new Zocalo(args).end();
}

const TCP = /TCP +localhost:(\d+)[^]*stops it/;
const HTTP = /WebSocket +ws:\/\/localhost:(\d+)[^]*stops it/;
const ONLY_HTTP = ["serve", "--http-port", "0", "--tcp-port", "off", "--udp-port", "off"];
const ONLY_TCP = ["serve", "--http-port", "off", "--tcp-port", "0", "--udp-port", "off"];

test("help and version are printed, exit code 0", async () => {
  const [version, help, serveHelp] = await Promise.all([
    run("--version"),
    run("--help"),
    run("serve", "--help"),
  ]);
  assert.deepEqual(version, { code: 0, stdout: `${VERSION}\n`, stderr: "" });
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  assert.match(help.stdout, /serve/);
  assert.deepEqual([serveHelp.code, serveHelp.stderr], [0, ""]);
  assert.deepEqual(
    serveHelp.stdout.split("\n").filter((line) => line.length > 80),
    [],
  );
  const hasText = (name: SettingName) => (SETTINGS[name] as Setting).placeholder !== undefined;
  for (const name of SETTING_NAMES.filter(hasText)) {
    if ((SETTINGS[name] as Setting).isSecret === true) {
      assert.ok(!serveHelp.stdout.includes(`${flagOf(name)} `), name);
      assert.ok(serveHelp.stdout.includes(variableOf(name)), name);
      continue;
    }
    assert.ok(serveHelp.stdout.includes(`${flagOf(name)} <`), name);
    // A sentence is enough here: docs/configuration.md has the rest.
    const [sentence] = SETTINGS[name].what.split(/(?<=\.) /);
    const shown = `> ${sentence} [${variableOf(name)}, default `;
    assert.ok(serveHelp.stdout.replace(/\s+/g, " ").includes(shown), name);
  }
});

test("a command line that makes no sense is exit code 2, and says why", async () => {
  const [none, command, flag, argument] = await Promise.all([
    run(),
    run("sevre"),
    run("serve", "--http-prt", "1"),
    run("serve", "8080"),
  ]);
  assert.deepEqual([none.code, command.code, flag.code, argument.code], [2, 2, 2, 2]);
  assert.match(none.stderr, /^Usage: zocalo/);
  assert.match(command.stderr, /unknown command 'sevre'[^]*serve/);
  assert.match(flag.stderr, /unknown option '--http-prt'[^]*--http-port/);
  assert.match(argument.stderr, /too many arguments/);
});

test("wrong settings are all named, exit code 2, and nothing is started", async () => {
  const zocalo = new Zocalo(["serve", "--tcp-port", "70000", "--http-port", "0"], {
    ZOCALO_UDP_PORT: "x",
    ZOCALO_TPC_PORT: "1",
  });
  const { code, stdout, stderr } = await zocalo.end();
  assert.deepEqual([code, stdout], [2, ""]);
  const lines = stderr.trimEnd().split("\n").sort();
  assert.equal(lines.length, 3, stderr);
  assert.match(stderr, /^zocalo: tcpPort from the flag --tcp-port is 70000; allowed: /m);
  assert.match(stderr, /^zocalo: udpPort from the environment variable ZOCALO_UDP_PORT is "x"; allowed: /m);
  assert.match(
    stderr,
    /^zocalo: The environment variable ZOCALO_TPC_PORT .* Did you mean ZOCALO_TCP_PORT\?$/m,
  );
});

test("switches of the libraries do not keep the server from starting", async () => {
  const switches = [
    "READ_BUFFER",
    "WRITE_PAST_QUEUE",
    "DIRECT_SEND",
    "OWN_UPGRADES",
    "INCOMING_MESSAGE",
    "SYNC_ZLIB",
  ];
  const without = Object.fromEntries(switches.map((name) => [`ZOCALO_NO_${name}`, "1"]));
  await using zocalo = new Zocalo(ONLY_TCP, without);
  const socket = connect(await zocalo.port("stdout", TCP), "localhost").setEncoding("utf8");
  socket.write('{"type":"ping"}\n');
  assert.match(String((await once(socket, "data"))[0]), /pong/);
  socket.destroy();
});

test("what is wrong is quoted on a terminal without what it would obey", async () => {
  const option = await run("serve", "--http-port\x1b[2J=1");
  const setting = await run("serve", "--host", "a\x1b]0;pwned\x07\u202e\nzocalo: all is well");
  for (const { code, stderr } of [option, setting]) {
    assert.equal(code, 2);
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(stderr.replaceAll("\n", ""), /[\x00-\x1f\x7f-\x9f\u202e]/);
    assert.doesNotMatch(stderr, /^zocalo: all/m);
  }
});

test("a port that is taken is one sentence and exit code 1, for each door", async (t) => {
  const tcp = createServer().listen(0, "127.0.0.1");
  const udp = createSocket("udp4").bind(0, "127.0.0.1");
  t.after(() => {
    tcp.close();
    udp.close();
  });
  await Promise.all([once(tcp, "listening"), once(udp, "listening")]);
  const tcpPort = String((tcp.address() as AddressInfo).port);
  const udpPort = String(udp.address().port);
  const free = { "--http-port": "0", "--tcp-port": "0", "--udp-port": "0" };
  for (const [label, flag, port] of [
    ["HTTP", "--http-port", tcpPort],
    ["TCP", "--tcp-port", tcpPort],
    ["UDP", "--udp-port", udpPort],
  ] as const) {
    const { code, stdout, stderr } = await run("serve", ...Object.entries({ ...free, [flag]: port }).flat());
    assert.deepEqual([code, stdout], [1, ""]);
    assert.equal(
      stderr,
      `zocalo: Cannot open the ${label} door: port ${port} at localhost is taken already; choose another with ${flag} PORT (0: any free one), or leave this door closed with ${flag} off.\n`,
    );
  }
});

test("an address that is not this machine's is one sentence and exit code 1", async () => {
  const { code, stderr } = await run("serve", "--host", "203.0.113.1", "--http-port", "0");
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^zocalo: Cannot open the HTTP door: 203\.0\.113\.1 is not an address of this machine; .*\n$/,
  );
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} tells clients to go, and the exit code is 0`, async () => {
    await using zocalo = new Zocalo(ONLY_TCP);
    const socket = connect(await zocalo.port("stdout", TCP), "localhost").setEncoding("utf8");
    let heard = "";
    socket.on("data", (text: string) => (heard += text));
    socket.write('{"type":"ping"}\n');
    await once(socket, "data");
    zocalo.child.kill(signal);
    await once(socket, "close");
    const { code, stderr } = await zocalo.end();
    assert.equal(code, 0);
    const [pong, disconnect] = heard
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(pong?.["type"], "pong");
    assert.deepEqual(
      [disconnect?.["type"], disconnect?.["code"], disconnect?.["reconnect"]],
      ["disconnect", 1001, true],
    );
    const logged = stderr
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
    assert.deepEqual(logged, ["listening", "listening", "stopping", "stopped"]);
  });
}

/** A WebSocket that does not answer when it is told to close. */
async function cling(port: number) {
  const socket = connect(port, "localhost");
  socket.on("error", () => undefined);
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  const headers = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}`;
  socket.write(`GET /ws HTTP/1.1\r\nHost: localhost:${port}\r\n${headers}\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 101 /);
  return socket;
}

test("who does not leave in time is cut off, and the exit code is 0 all the same", async () => {
  await using zocalo = new Zocalo([...ONLY_HTTP, "--drain-ms", "100"]);
  const socket = await cling(await zocalo.port("stdout", HTTP));
  zocalo.child.kill("SIGTERM");
  assert.equal((await zocalo.end()).code, 0);
  socket.destroy();
});

test("with no time to leave, one who keeps the connection open does not keep the process", async () => {
  for (const drainMs of ["0", "1"]) {
    await using zocalo = new Zocalo([...ONLY_TCP, "--drain-ms", drainMs]);
    const port = await zocalo.port("stdout", TCP);
    const socket = connect({ port, host: "localhost", allowHalfOpen: true });
    socket.on("error", () => undefined);
    socket.write('{"type":"ping"}\n');
    await once(socket, "data");
    zocalo.child.kill("SIGTERM");
    assert.equal((await zocalo.end()).code, 0);
    socket.destroy();
  }
});

test("the banner has no colors where nobody looks, a CI system included", async () => {
  await using zocalo = new Zocalo(ONLY_TCP, { CI: "true", FORCE_COLOR: "1" });
  assert.ok((await zocalo.port("stdout", TCP)) > 0);
  zocalo.child.kill("SIGTERM");
  const { stdout } = await zocalo.end();
  assert.ok(!stdout.includes("\x1b"), stdout);
});

test("a second signal during the stop ends at once", async () => {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    await using zocalo = new Zocalo([...ONLY_HTTP, "--drain-ms", "600000"]);
    const socket = await cling(await zocalo.port("stdout", HTTP));
    zocalo.child.kill("SIGTERM");
    await zocalo.says("stderr", /stopping/);
    const timer = setInterval(() => zocalo.child.kill(signal), 50);
    assert.equal((await zocalo.end()).code, code);
    clearInterval(timer);
    socket.destroy();
  }
});

test("whoever reads the banner may go: the server stays", async () => {
  await using zocalo = new Zocalo(ONLY_HTTP);
  zocalo.child.stdout.destroy();
  const socket = await cling(await zocalo.port("stderr", /"address":"127\.0\.0\.1:(\d+)"/));
  socket.destroy();
});
