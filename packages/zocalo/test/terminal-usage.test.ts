// `zocalo listen` and `zocalo dial`: datagrams, command lines that make no sense, signals, and readers that
// leave.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { run, tcpServer, Terminal, ZOCALO } from "./terminal-process.ts";

async function udpSocket(): Promise<{ socket: Socket; port: number } & Disposable> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { socket, port: socket.address().port, [Symbol.dispose]: () => void socket.close() };
}

test("udp: a portion is a datagram, and answers are printed until silence", async () => {
  using peer = await udpSocket();
  const sent: string[] = [];
  peer.socket.on("message", (bytes, { port }) => {
    sent.push(String(bytes));
    peer.socket.send(`answer to ${bytes.toString()}`, port, "127.0.0.1");
  });
  const whole = await run(`dial udp://127.0.0.1:${peer.port} --timeout 2s`, "uno\ndos\n");
  assert.deepEqual([whole.code, whole.stdout.toString(), whole.stderr], [0, "answer to uno\ndos\n", ""]);
  const lines = await run(`dial udp://127.0.0.1:${peer.port} --timeout 2s --lines`, "uno\ndos\n");
  assert.deepEqual(lines.stdout.toString().split("\n").sort(), ["", "answer to dos", "answer to uno"]);
  assert.deepEqual(sent.sort(), ["dos", "uno", "uno\ndos\n"]);
});

test("udp: silence without any answer is exit code 3, and a port where nobody is exit code 1", async () => {
  let port = 0;
  {
    using peer = await udpSocket();
    ({ port } = peer);
    assert.equal((await run(`dial udp://127.0.0.1:${port} --timeout 200ms`, "hola\n")).code, 3);
  }
  const { code, stderr } = await run(`dial udp://127.0.0.1:${port}`, "hola\n");
  assert.deepEqual([code, stderr.split("\n").length], [1, 2]);
  assert.match(stderr, /^zocalo: .*connection refused\n$/);
});

test("udp: a port where nobody is ends the command, also when the report comes to a later send", async () => {
  let port = 0;
  {
    using peer = await udpSocket();
    ({ port } = peer);
  }
  const { code, stdout, stderr } = await run(`dial udp://127.0.0.1:${port} --lines`, "one\ntwo\nthree\n");
  assert.deepEqual([code, String(stdout)], [1, ""]);
  assert.match(stderr, /^zocalo: (?:read|write) udp .+: connection refused\n$/);
});

test("udp: a line that no datagram can hold is told, and ends the command", async () => {
  using peer = await udpSocket();
  const { code, stderr } = await run(`dial udp://127.0.0.1:${peer.port} --lines`, `${"x".repeat(70_000)}\n`);
  assert.equal(code, 1);
  assert.match(stderr, /^zocalo: write udp .+: message too long\n$/);
});

test("udp: listen talks to the first peer, and with --echo to all", async () => {
  await using terminal = new Terminal("listen udp://127.0.0.1:0");
  const { port, url } = await terminal.listening();
  assert.equal(url, `udp://127.0.0.1:${port}`);
  const nc = spawn("nc", ["-u", "127.0.0.1", String(port)]);
  nc.stdin.write("from nc\n");
  await terminal.prints(/from nc\n/);
  terminal.type("from the terminal, which may well say more than it was told\n");
  assert.match(String(await once(nc.stdout, "data")), /^from the terminal/);
  nc.kill();

  await using echo = new Terminal("listen udp://127.0.0.1:0 --echo");
  const echoPort = (await echo.listening()).port;
  for (const text of ["uno", "dos"]) {
    using peer = await udpSocket();
    peer.socket.send(text, echoPort, "127.0.0.1");
    assert.equal(String((await once(peer.socket, "message"))[0]), text);
  }
});

test("what cannot be meant is exit code 2, one sentence, and nothing is opened", async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["listen", /missing required argument 'URL'/],
    ["dial 127.0.0.1:80", /"127\.0\.0\.1:80" is not an address; it should look like one of tcp:\/\/:7000/],
    ["dial http://localhost", /is not an address/],
    ["dial tcp://localhost:1/path", /has a path, which tcp:\/\/ knows nothing of/],
    ["dial tcp://localhost:99999", /99999/],
    ["listen tcp://nowhere", /^zocalo: cannot listen on tcp:\/\/nowhere: missing port\n$/],
    ["dial tls://nowhere", /^zocalo: cannot connect to tls:\/\/nowhere: missing port\n$/],
    ["relay udp://nowhere tcp://:1", /^zocalo: cannot listen on udp:\/\/nowhere: missing port\n$/],
    ["help nosuch", /^zocalo: unknown command 'nosuch'\n$/],
    ["help sevre", /^zocalo: unknown command 'sevre'; did you mean serve\?\n$/],
    ["serve --htpt-port 1", /^zocalo: unknown option '--htpt-port'; did you mean --http-port\?\n$/],
    ["dial tcp://localhost:1 --binary", /--binary is for ws:\/\/ and wss:\/\/, not for tcp:/],
    ["listen tcp://:0 --replace-stale", /--replace-stale is for unix:, not for tcp:\/\/:0/],
    ["dial unix:x --replace-stale", /unknown option '--replace-stale'/],
    ["listen unix:x --proxy-protocol", /--proxy-protocol is for tcp:\/\/, tls:\/\//],
    ["dial tcp://localhost:1 --broadcast", /unknown option '--broadcast'/],
    ["listen tcp://:0 --echo --broadcast", /exclude each other/],
    ["listen tls://:0", /needs --cert FILE and --key FILE/],
    ["listen tls://:0 --cert x", /--cert and --key belong together/],
    ["dial ws://localhost:1 --close 1005", /codes are 1000 to 1003/],
    ["dial ws://localhost:1 --close bye", /It should be a close code/],
    ["dial ws://localhost:1 -H nonsense", /It should be a header such as 'Name: value'/],
    ["dial ws://localhost:1 -H 'Upgrade: x'", /header Upgrade is set by the handshake/],
    ["dial ws://localhost:1 --timeout soon", /It should be a time such as 5/],
    ["dial ws://localhost:1 --timeout 0", /It should be a time such as 5/],
    ["dial ws://localhost:1 --max-message 3GiB", /It should be a size from 1 to/],
    ["listen ws://:0 --subprotocol 'a b'", /subprotocol 0 is not a token: U\+0020 at index 1/],
    ["listen ws://:0 --allowed-host a:80", /allowedHosts has "a:80", which is not a host name/],
    ["listen tcp://:0 --allowed-host a", /--allowed-host is for ws:\/\/ and wss:\/\/, not for tcp:/],
    ["listen ws://:0 --origin example.org", /--origin "example.org" is not an origin.*https:\/\/example.org/],
    ["listen ws://:0 --origin https://example.org/", /"https:\/\/example.org\/" is not an origin/],
    ["listen ws://:0 --allowed-host a --origin http://a", /--allowed-host is for those of this host/],
    ["dial ws://localhost:1 --allowed-host a", /unknown option '--allowed-host'/],
  ];
  for (const [command, words] of cases) {
    const { code, stdout, stderr } = await run(command);
    assert.deepEqual([code, stdout.length], [2, 0], `${command}: ${stderr}`);
    assert.match(stderr, words);
    assert.match(stderr, /^zocalo: [^\n]+\n$/);
  }
});

test("what the network says is exit code 1 and one sentence", async () => {
  using taken = await tcpServer((socket) => void socket.destroy());
  for (const [command, words] of [
    ["dial tcp://127.0.0.1:1", /^zocalo: cannot connect to tcp:\/\/127\.0\.0\.1:1: connection refused\n$/],
    ["dial ws://127.0.0.1:1", /^zocalo: cannot connect to ws:\/\/127\.0\.0\.1:1: connection refused\n$/],
    ["dial ws://no-such-host.invalid", /^zocalo: cannot connect to ws:\/\/no-such-host\.invalid: [^:\n]+\n$/],
    ["dial unix:/nowhere/at/all", /^zocalo: cannot connect to unix:\/nowhere\/at\/all: no such file/],
    [
      "dial tcp://does-not-exist.invalid:80",
      /^zocalo: cannot connect to tcp:\/\/does-not-exist\.invalid:80: /,
    ],
    [
      `listen tcp://127.0.0.1:${taken.port}`,
      /^zocalo: cannot listen on tcp:\/\/[\d.:]+: address already in use\n$/,
    ],
    [
      `listen ws://127.0.0.1:${taken.port}`,
      /^zocalo: cannot listen on ws:\/\/[\d.:]+: address already in use/,
    ],
    ["listen wss://127.0.0.1:0 --cert /nowhere --key /nowhere", /^zocalo: .*no such file/],
    [
      "dial wss://127.0.0.1:1 --ca /dev/null",
      /^zocalo: cannot connect to wss:\/\/127.0.0.1:1: tls: \/dev\/null holds no certificate: it is empty\n$/,
    ],
    [
      "dial wss://127.0.0.1:1 --ca /nowhere",
      /^zocalo: cannot connect to wss:\/\/127.0.0.1:1: tls: no such file or directory: \/nowhere\n$/,
    ],
  ] as const) {
    const { code, stderr } = await run(command);
    assert.equal(code, 1, stderr);
    assert.match(stderr, words);
    assert.equal(stderr.split("\n").length, 2, stderr);
  }
});

test("help names every option and the exit codes, and survives a reader that leaves", async () => {
  for (const [command, option] of [
    ["listen --help", "--broadcast"],
    ["dial --help", "--insecure"],
  ] as const) {
    const { code, stdout, stderr } = await run(command);
    assert.deepEqual([code, stderr], [0, ""]);
    for (const words of [
      option,
      "--close <CODE[:REASON]>",
      "Exit codes: 0 ended in order",
      "(default: 64MiB)",
    ]) {
      assert.ok(stdout.toString().includes(words), words);
    }
  }
  for (const command of ["serve --help", "listen --help"]) {
    const left = await new Terminal("", `${ZOCALO} ${command} | true; echo "\${PIPESTATUS[0]}"`).end();
    assert.deepEqual([left.stdout.toString(), left.stderr], ["0\n", ""]);
  }
});

test("a signal closes in order and is the exit code", async () => {
  await using terminal = new Terminal("listen tcp://127.0.0.1:0");
  const socket = connect((await terminal.listening()).port, "127.0.0.1");
  socket.write("hola\n");
  await terminal.prints(/hola/);
  terminal.child.kill("SIGTERM");
  const [hadError] = (await once(socket.resume(), "close")) as [boolean];
  assert.equal(hadError, false);
  assert.deepEqual([(await terminal.end()).code, terminal.stderr.split("\n").length], [143, 2]);
});

test("a user and password in a URL are refused where nobody logs in, and not shown", async () => {
  for (const [line, words] of [
    ["listen ws://ana:s3cret@127.0.0.1:0/", "zocalo listen ws://"],
    ["listen tcp://ana:s3cret@127.0.0.1:0", "zocalo listen tcp://"],
    ["dial tcp://ana:s3cret@127.0.0.1:1", "zocalo dial tcp://"],
    ["dial udp://ana@127.0.0.1:1", "zocalo dial udp://"],
    ["dial tls://s3cret@127.0.0.1:1", "zocalo dial tls://"],
  ] as const) {
    const { code, stderr } = await run(line);
    assert.deepEqual([code, stderr], [2, `zocalo: ${words} takes no user and password.\n`], line);
  }
  // A path may have one, and a WebSocket's client may log in.
  for (const line of ["dial unix:/tmp/no@where", "dial ws://ana:s3cret@127.0.0.1:1/"]) {
    const { code, stderr } = await run(line);
    assert.deepEqual([code, stderr.includes("s3cret")], [1, false], line);
  }
});
