// `zocalo relay`: between any two schemes, with real processes and foreign peers.
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { selfSigned } from "./terminal-certificates.ts";
import { noise, readAll, run, sha256, tcpServer, Terminal } from "./terminal-process.ts";

const MEGABYTE = 1_048_576;
const directory = mkdtempSync(join(tmpdir(), "zocalo-relay-"));
const identity = selfSigned(directory, ["127.0.0.1"]);
after(() => rmSync(directory, { recursive: true }));

/** A relay, and where it listens. */
async function relayed(
  command: string,
): Promise<{ terminal: Terminal; url: string; port: number } & AsyncDisposable> {
  const terminal = new Terminal(`relay ${command}`);
  const { url, port } = await terminal.listening();
  return { terminal, url, port, [Symbol.asyncDispose]: () => terminal[Symbol.asyncDispose]() };
}

/** What a foreign program says to this input, once it has ended. */
async function answered(
  program: ChildProcessWithoutNullStreams,
  input: string | Uint8Array,
): Promise<Buffer> {
  program.stdin.on("error", () => undefined);
  program.stdin.end(input);
  return readAll(program.stdout);
}

/** A WebSocket server of the `ws` package that sends everything back. */
async function echoServer(): Promise<{ url: string; server: WebSocketServer } & Disposable> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return {
    url: `ws://127.0.0.1:${port}`,
    server,
    [Symbol.dispose]() {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

test("tcp to tcp: bytes and ends go through in both directions, each by itself", async () => {
  const [question, answer] = [noise(8 * MEGABYTE), noise(8 * MEGABYTE)];
  let heard = "";
  using server = await tcpServer((socket) => {
    void readAll(socket).then((bytes) => {
      heard = sha256(bytes);
      socket.end(answer);
    });
  });
  await using relay = await relayed(`tcp://127.0.0.1:0 tcp://127.0.0.1:${server.port}`);
  const nc = spawn("nc", ["-N", "127.0.0.1", String(relay.port)]);
  const heardBack = await answered(nc, question);
  assert.deepEqual([heardBack.length, sha256(heardBack)], [answer.length, sha256(answer)]);
  assert.equal(heard, sha256(question));
});

test("tls to unix, and tcp to tls: openssl and socat on the outside", async () => {
  const path = join(directory, "backend");
  const socat = spawn("socat", [`UNIX-LISTEN:${path},fork`, "SYSTEM:sed -u s/hola/adios/"]);
  const { certFile, keyFile } = identity;
  await using inner = await relayed(`tls://127.0.0.1:0 unix:${path} --cert ${certFile} --key ${keyFile}`);
  await using outer = await relayed(`tcp://127.0.0.1:0 ${inner.url} --ca ${certFile}`);
  const openssl = spawn("openssl", [
    "s_client",
    "-quiet",
    "-CAfile",
    certFile,
    "-connect",
    `127.0.0.1:${inner.port}`,
  ]);
  openssl.stdin.write("hola\n");
  assert.equal(String((await once(openssl.stdout, "data"))[0]), "adios\n");
  openssl.kill();
  assert.equal(
    String(await answered(spawn("nc", ["-N", "127.0.0.1", String(outer.port)]), "hola\n")),
    "adios\n",
  );
  // A server that nobody vouches for gets nothing.
  await using unknown = await relayed(`tcp://127.0.0.1:0 ${inner.url} -v`);
  const refused = connect(unknown.port, "127.0.0.1");
  refused.on("error", () => undefined);
  await unknown.terminal.says(/^zocalo: cannot connect to tls:.*certificate/m);
  socat.kill();
});

test("tcp to tcp: a reset is passed on as one, and others do not notice", async () => {
  const accepted: Socket[] = [];
  using server = await tcpServer((socket) => {
    accepted.push(socket);
    socket.write("hola");
  });
  await using relay = await relayed(`tcp://127.0.0.1:0 tcp://127.0.0.1:${server.port}`);
  const broken = connect(relay.port, "127.0.0.1");
  await once(broken, "data");
  const other = connect(relay.port, "127.0.0.1");
  await once(other, "data");
  accepted[0]?.resetAndDestroy();
  assert.equal(((await once(broken, "error")) as [NodeJS.ErrnoException])[0].code, "ECONNRESET");
  accepted[1]?.write("still here");
  assert.equal(String((await once(other, "data"))[0]), "still here");
  other.destroy();
});

test("tcp to tcp: a side that reads nothing stops the other", async () => {
  let accept: (socket: Socket) => void = () => undefined;
  const accepted = new Promise<Socket>((resolve) => (accept = resolve));
  using server = await tcpServer((socket) => accept(socket.pause()));
  await using relay = await relayed(`tcp://127.0.0.1:0 tcp://127.0.0.1:${server.port}`);
  const bytes = noise(48 * MEGABYTE);
  const client = connect(relay.port, "127.0.0.1");
  client.end(bytes);
  const socket = await accepted;
  // The other direction goes on meanwhile: each round is a turn in which the relay could have taken more.
  for (let round = 0; round < 200; round++) {
    socket.write("x");
    await once(client, "data");
  }
  assert.ok(
    client.writableLength > 24 * MEGABYTE,
    `${client.writableLength} bytes are still with the client`,
  );
  assert.equal(sha256(await readAll(socket)), sha256(bytes));
  socket.end();
});

test("nobody behind it: the connection is reset, or closed with 1014, and told in one sentence", async () => {
  await using stream = await relayed("tcp://127.0.0.1:0 tcp://127.0.0.1:1");
  const socket = connect(stream.port, "127.0.0.1");
  assert.equal(((await once(socket, "error")) as [NodeJS.ErrnoException])[0].code, "ECONNRESET");
  await stream.terminal.says(/^zocalo: cannot connect to tcp:\/\/127\.0\.0\.1:1: connection refused$/m);
  for (let number = 0; number < 3; number++) await once(connect(stream.port, "127.0.0.1"), "error");
  stream.terminal.child.kill("SIGINT");
  const { stderr } = await stream.terminal.end();
  assert.equal(stderr.split("cannot connect").length, 2, "told once a minute, whoever comes");
  await using messages = await relayed("ws://127.0.0.1:0 tcp://127.0.0.1:1");
  assert.equal((await once(new WebSocket(messages.url), "close"))[0], 1014);
});

test("ws to tcp: messages are bytes of the stream; with --lines a line each, as text", async () => {
  using server = await tcpServer((socket) => void socket.pipe(socket));
  await using plain = await relayed(`ws://127.0.0.1:0 tcp://127.0.0.1:${server.port}`);
  const socket = new WebSocket(plain.url);
  await once(socket, "open");
  const bytes = noise(1000);
  socket.send(bytes);
  assert.deepEqual(await once(socket, "message"), [bytes, true]);
  socket.close();
  await once(socket, "close");
  await using byLine = await relayed(`ws://127.0.0.1:0 tcp://127.0.0.1:${server.port} --lines`);
  const { code, stdout } = await run(`dial ${byLine.url} --timeout 1s`, "uno\ndos\n");
  assert.deepEqual([code, stdout.toString()], [0, "uno\ndos\n"]);
});

test("tcp to ws: the end of the stream closes the WebSocket once answers stay away", async () => {
  using server = await echoServer();
  const closed = once(server.server, "connection").then(async ([socket]) =>
    once(socket as WebSocket, "close"),
  );
  await using relay = await relayed(`tcp://127.0.0.1:0 ${server.url} --lines --timeout 500ms`);
  const nc = spawn("nc", ["-N", "127.0.0.1", String(relay.port)]);
  assert.equal(String(await answered(nc, "uno\ndos")), "uno\ndos\n");
  assert.equal((await closed)[0], 1000);
});

test("tcp to ws and udp: without --timeout, late answers still come, and silence closes the peer", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await using relay = await relayed(`tcp://127.0.0.1:0 ws://127.0.0.1:${port} --lines`);
  const nc = answered(spawn("nc", ["-N", "127.0.0.1", String(relay.port)]), "question\n");
  const [socket] = (await once(server, "connection")) as [WebSocket];
  const closed = once(socket, "close");
  await once(socket, "message");
  // Together they take longer than a silence may.
  for (const answer of ["one", "two"]) {
    await delay(3000);
    socket.send(answer);
  }
  assert.equal((await closed)[0], 1000);
  assert.equal(String(await nc), "one\ntwo\n");
  server.close();

  const datagrams = createSocket("udp4");
  datagrams.bind(0, "127.0.0.1");
  await once(datagrams, "listening");
  datagrams.on("message", (bytes, { port: from }) => datagrams.send(bytes, from, "127.0.0.1"));
  await using toUdp = await relayed(`tcp://127.0.0.1:0 udp://127.0.0.1:${datagrams.address().port} --lines`);
  const echoed = await answered(spawn("nc", ["-N", "127.0.0.1", String(toUdp.port)]), "uno\n");
  assert.equal(String(echoed), "uno\n");
  datagrams.close();
});

test("ws to ws: text stays text, and the code of a close goes through", async () => {
  using server = await echoServer();
  await using relay = await relayed(`ws://127.0.0.1:0 ${server.url}`);
  const closed = once(server.server, "connection").then(async ([peer]) => once(peer as WebSocket, "close"));
  const socket = new WebSocket(relay.url);
  await once(socket, "open");
  for (const message of ["hola", noise(100_000)]) {
    socket.send(message);
    const [data, isBinary] = (await once(socket, "message")) as [Buffer, boolean];
    assert.deepEqual([isBinary, sha256(data)], [typeof message !== "string", sha256(Buffer.from(message))]);
  }
  socket.close(4321, "bye");
  const [code, reason] = (await closed) as [number, Buffer];
  assert.deepEqual([code, String(reason)], [4321, "bye"]);
});

test("udp: each address has a connection of its own, and a line is a datagram", async () => {
  let connections = 0;
  using server = await tcpServer((socket) => {
    const number = ++connections;
    socket.on("data", (bytes: Buffer) => socket.write(`${number} ${bytes.toString()}`));
  });
  await using relay = await relayed(`udp://127.0.0.1:0 tcp://127.0.0.1:${server.port} --lines`);
  const sockets = [createSocket("udp4"), createSocket("udp4")] as const;
  for (const [at, socket] of sockets.entries()) {
    for (const text of ["uno", "dos"]) {
      socket.send(text, relay.port, "127.0.0.1");
      assert.equal(String((await once(socket, "message"))[0]), `${at + 1} ${text}`);
    }
    socket.close();
  }
});

// Loopback addresses cannot be forged from outside, and are believed.
const outside = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

test("udp: an address is sent no more bytes than came from it, unless --trust-sources says so", {
  skip: outside === undefined && "this machine has loopback addresses only",
}, async () => {
  const long = "x".repeat(100);
  using server = await tcpServer((socket) => {
    // What would be too much, and behind it what is not.
    socket.on("data", () => socket.write(`${long}\n!\n`));
  });
  for (const [flag, first] of [
    ["", "!"],
    ["--trust-sources", long],
  ] as const) {
    await using relay = await relayed(`udp://${outside}:0 tcp://127.0.0.1:${server.port} --lines ${flag}`);
    const socket = createSocket("udp4");
    socket.send("??", relay.port, outside);
    assert.equal(String((await once(socket, "message"))[0]), first);
    socket.close();
  }
});

test("--max-connections: one more waits until another has ended", async () => {
  const accepted: Socket[] = [];
  using server = await tcpServer((socket) => {
    accepted.push(socket);
    socket.on("end", () => socket.end()).resume();
    socket.write(String(accepted.length));
  });
  await using relay = await relayed(`tcp://127.0.0.1:0 tcp://127.0.0.1:${server.port} --max-connections 2`);
  const clients: Socket[] = [];
  for (let number = 0; number < 2; number++) {
    const client = connect(relay.port, "127.0.0.1");
    clients.push(client);
    await once(client, "data");
  }
  const third = connect(relay.port, "127.0.0.1");
  await once(third, "connect");
  const heard = once(third, "data");
  // Meanwhile the others talk, and it is not taken.
  for (let round = 0; round < 50; round++) {
    accepted[0]?.write("x");
    if (clients[0] !== undefined) await once(clients[0], "data");
  }
  assert.equal(accepted.length, 2);
  for (const client of clients) client.destroy();
  assert.equal(String((await heard)[0]), "3");
  third.destroy();
});

test("a signal closes both sides in order", async () => {
  using server = await echoServer();
  await using relay = await relayed(`ws://127.0.0.1:0 ${server.url}`);
  const closedBehind = once(server.server, "connection").then(async ([peer]) =>
    once(peer as WebSocket, "close"),
  );
  const socket = new WebSocket(relay.url);
  await once(socket, "open");
  socket.send("hola");
  await once(socket, "message");
  relay.terminal.child.kill("SIGINT");
  assert.equal((await once(socket, "close"))[0], 1001);
  assert.equal((await closedBehind)[0], 1001);
  assert.equal((await relay.terminal.end()).code, 130);
});

test("what a relay cannot mean is exit code 2 and one sentence", async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["relay tcp://:0", /missing required argument 'TO'/],
    ["relay tcp://:0 tcp://h:1 --lines", /--lines is for a stream on one side/],
    ["relay tcp://:0 ws://h:1 --text", /a portion of a stream may end within a character/],
    ["relay tcp://:0 ws://h:1 --binary", /without --lines messages are binary/],
    ["relay tcp://:0 tls://h:1 --cert a --key b", /--cert is for a FROM of tls.*--client-cert is for TO/],
    ["relay tls://:0 tcp://h:1", /needs --cert FILE and --key FILE/],
    ["relay tls://:0 tcp://h:1 --ca a", /--ca is for a TO of tls/],
    ["relay tcp://:0 tls://h:1 --client-ca a", /--client-ca is for a FROM of tls/],
    ["relay tcp://:0 tls://h:1 --client-cert a", /--client-cert and --client-key belong together/],
    ["relay tcp://:0 tcp://h:1 --compress", /--compress is for ws:\/\/ and wss:/],
    ["relay tcp://:0 tcp://h:1 --trust-sources", /--trust-sources is for udp:/],
    ["relay tcp://:0 unix:x --source 127.0.0.1", /--source is for .* not for unix:x/],
    ["relay tcp://:0 tcp://h:1 --max-connections 0", /It should be a whole number from 1/],
    ["relay tcp://:0 tcp://h:1 --echo", /^zocalo: unknown option '--echo'/],
  ];
  for (const [command, words] of cases) {
    const { code, stderr } = await run(command);
    assert.equal(code, 2, `${command}: ${stderr}`);
    assert.match(stderr, words);
    assert.match(stderr, /^zocalo: /);
  }
});
