// `--exec`, `--record`, `-z`, `--reconnect`, `--source` and the hint after a 404, as processes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { WebSocket } from "ws";
import { Echoes, SCHEMES } from "./terminal-echoes.ts";
import { readAll, run, tcpServer, Terminal } from "./terminal-process.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-modes-"));
after(() => rmSync(directory, { recursive: true }));

test("listen --exec: a program for each connection, which gets what comes and says what goes", async () => {
  await using terminal = new Terminal("listen tcp://127.0.0.1:0 --exec 'tr a-z A-Z; echo $PEER_ADDRESS'");
  const { port } = await terminal.listening();
  for (const text of ["uno ", "dos "]) {
    const nc = spawn("nc", ["-N", "127.0.0.1", String(port)]);
    nc.stdin.end(text);
    assert.match(
      String(await readAll(nc.stdout)),
      new RegExp(`^${text.toUpperCase()}127\\.0\\.0\\.1:\\d+\n$`),
    );
  }
});

test("listen --exec: a program whose peer is gone gets SIGTERM, with what it has started, and is killed if it stays", async () => {
  const said: string[] = [];
  let heard = (): void => undefined;
  const areGone: Promise<unknown>[] = [];
  using server = await tcpServer((socket) => {
    areGone.push(once(socket, "end"));
    socket
      .on("error", () => undefined)
      .on("data", (text) => {
        said.push(String(text));
        heard();
      });
  });
  const until = async (words: readonly string[]): Promise<void> => {
    while (said.length < words.length) await new Promise<void>((resolve) => (heard = resolve));
    assert.deepEqual(said, words);
  };
  // Both tell the server when they are asked to end, and stay.
  const program = join(directory, "stays.mjs");
  writeFileSync(
    program,
    `import { connect } from "node:net";
    const socket = connect(${server.port}, "127.0.0.1", () => socket.write("here"));
    process.on("SIGTERM", () => socket.write("asked"));`,
  );
  const command = `'${process.execPath}' ${program}`;
  await using terminal = new Terminal(
    `listen tcp://127.0.0.1:0 --exec "trap : TERM; ${command} & ${command} & wait; wait; wait"`,
  );
  const { port } = await terminal.listening();
  const peer = connect(port, "127.0.0.1");
  await until(["here", "here"]);
  peer.resetAndDestroy();
  await until(["here", "here", "asked", "asked"]);
  await Promise.all(areGone);
});

test("dial --exec: a program that fails is exit code 1", async () => {
  using server = await tcpServer((socket) => void socket.pipe(socket));
  const { code, stderr } = await run(`dial tcp://127.0.0.1:${server.port} --exec 'exit 7'`);
  assert.deepEqual([code, stderr], [1, "zocalo: The program of --exec ended with exit code 7.\n"]);
});

test("--record: lines of JSON with direction, for this user alone; a full disk ends the command", async () => {
  using server = await tcpServer((socket) => void socket.pipe(socket));
  const dial = `dial tcp://127.0.0.1:${server.port} --record`;
  const file = join(directory, "said.jsonl");
  assert.equal((await run(`${dial} ${file}`, Buffer.from("hola\xff", "latin1"))).code, 0);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const entries = readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, string>);
  const data = entries
    .filter(({ event }) => event === "data")
    .map(({ direction, base64 }) => [direction, base64]);
  assert.deepEqual(data, [
    ["out", "aG9sYf8="],
    ["in", "aG9sYf8="],
  ]);
  const readable = join(directory, "readable");
  writeFileSync(readable, "", { mode: 0o644 });
  const [refused, full] = [await run(`${dial} ${readable}`, "x"), await run(`${dial} /dev/full`, "x")];
  assert.deepEqual([refused.code, full.code], [1, 1]);
  assert.match(refused.stderr, /others have access to it \(mode 0644\)/);
  assert.equal(full.stderr, "zocalo: cannot record to /dev/full: no space left on device\n");
});

test("--record: both ends of a stream that --echo sent back stand in the record", async () => {
  const file = join(directory, "echoed.jsonl");
  await using terminal = new Terminal(`listen tcp://127.0.0.1:0 --echo -v --record ${file}`);
  const { port } = await terminal.listening();
  connect(port, "127.0.0.1").end("hola").resume();
  await terminal.says(/"event":"ended"/);
  const entries = readFileSync(file, "utf8").trimEnd().split("\n");
  assert.deepEqual(
    entries
      .map((line) => JSON.parse(line) as { event: string; direction?: string })
      .map(({ event, direction }) => `${event} ${direction ?? ""}`.trim()),
    ["open", "data in", "data out", "end in", "end out", "close"],
  );
});

test("--source: from where, with a port or any, over each scheme that has addresses, and with -z", async () => {
  using echoes = await Echoes.open(directory);
  for (const scheme of SCHEMES.filter((each) => each !== "unix")) {
    await using terminal = new Terminal(`dial ${echoes.to(scheme)} --source 127.0.0.7`);
    terminal.type("hola\n");
    assert.match(await terminal.prints(/hola/), /^hola\n?$/);
    const [peer = ""] = echoes.peers.splice(0);
    assert.match(peer, /^127\.0\.0\.7:\d+$/, scheme);
    await terminal[Symbol.asyncDispose]();
    // A port that is free at another address of this machine.
    const source = peer.replace("0.0.7", "0.0.8");
    await using again = new Terminal(`dial ${echoes.to(scheme)} --source ${source}`);
    again.type("hola\n");
    await again.prints(/hola/);
    assert.deepEqual(echoes.peers.splice(0), [source], scheme);
  }
  const { code } = await run(`dial -z ${echoes.to("tcp")} --source 127.0.0.7`);
  assert.equal(code, 0);
  assert.match(String(echoes.peers), /^127\.0\.0\.7:\d+$/);
  const unix = await run(`dial ${echoes.to("unix")} --source 127.0.0.7`);
  assert.equal(unix.code, 2);
});

test("-z reports what is open, and what is not", async () => {
  using server = await tcpServer(() => undefined);
  const { code, stdout } = await run(`dial -z tcp://127.0.0.1:${server.port}`);
  assert.deepEqual([code, (JSON.parse(stdout.toString()) as { isOpen: boolean }).isOpen], [0, true]);
  const closed = await run("dial -z tcp://127.0.0.1:1");
  assert.equal(closed.code, 1);
  assert.match(closed.stdout.toString(), /"isOpen":false,.*"reason":"connection refused"/);
});

test("a 404, or a page, without a path hints at one", async () => {
  let status = 404;
  await using server = createServer((_, response) => void response.writeHead(status).end()).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}`;
  for (const [answered, words] of [
    [404, /404 Not Found: the URL has no path; .* such as ws:\/\/127\.0\.0\.1:\d+\/ws\n$/],
    [200, /200 OK: the URL has no path; .* such as ws:\/\/127\.0\.0\.1:\d+\/ws\n$/],
    [403, /403 Forbidden\n$/],
  ] as const) {
    status = answered;
    assert.match((await run(`dial ${url}`)).stderr, words);
    assert.doesNotMatch((await run(`dial ${url}/x`)).stderr, /no path/);
  }
});

test("--exec: what a program has started ends with its connection, though it ignores SIGTERM", async () => {
  // Whatever lives of the program holds a connection to here.
  const held: Socket[] = [];
  using watch = await tcpServer((socket) => held.push(socket));
  const stubborn = `exec 9<>/dev/tcp/127.0.0.1/${watch.port}; trap : TERM; echo ready; while :; do sleep 60; done`;
  const script = join(directory, "stubborn");
  writeFileSync(script, stubborn);
  // The shell ends at once when it is asked to; what it has started does not.
  await using terminal = new Terminal(`listen tcp://127.0.0.1:0 --exec 'bash ${script} <&0 & wait'`);
  const { port } = await terminal.listening();
  const peers = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")] as const;
  for (const peer of peers) {
    peer.on("error", () => undefined);
    if (peer.readableLength === 0) await once(peer, "data");
  }
  assert.equal(held.length, 2);
  const gone = held.map((socket) => once(socket.resume(), "end"));
  peers[0].resetAndDestroy();
  await Promise.race(gone);
  // A signal to the command ends the other.
  terminal.child.kill("SIGTERM");
  assert.equal((await terminal.end()).code, 143);
  await Promise.all(gone);
});

test("--exec: where no file can be opened any more one connection fails, and the others go on", async () => {
  await using terminal = new Terminal("listen tcp://127.0.0.1:0 -v --exec cat");
  const { port } = await terminal.listening();
  const first = connect(port, "127.0.0.1");
  first.write("hola");
  assert.equal(String((await once(first, "data"))[0]), "hola");
  // Room for a few more.
  const { pid = 0 } = terminal.child;
  const limit = readdirSync(`/proc/${pid}/fd`).length + 8;
  const limited = spawn("prlimit", ["--pid", String(pid), `--nofile=${limit}:${limit}`]);
  assert.deepEqual(await once(limited, "close"), [0, null]);
  const others = Array.from({ length: 30 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
  await terminal.says(/"event":"failed".*Cannot run \\"cat\\": too many open files/);
  first.write("still here");
  assert.equal(String((await once(first, "data"))[0]), "still here");
  for (const socket of [first, ...others]) socket.destroy();
});

test("--exec: a dozen programs at once make no warning on standard error", async () => {
  await using terminal = new Terminal("listen tcp://127.0.0.1:0 --exec cat");
  const { port } = await terminal.listening();
  const peers = Array.from({ length: 12 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
  for (const peer of peers) {
    peer.write("hola");
    await once(peer, "data");
  }
  terminal.child.kill("SIGTERM");
  const { code, stderr } = await terminal.end();
  assert.deepEqual([code, stderr.split("\n").length], [143, 2], stderr);
});

test("--exec: a program without an end is ended once its WebSocket has closed", async () => {
  await using terminal = new Terminal(
    "listen ws://127.0.0.1:0 -v --exec 'while :; do echo x; sleep 0.1; done'",
  );
  const { url } = await terminal.listening();
  const peer = new WebSocket(url);
  await once(peer, "message");
  peer.close(1000);
  await terminal.says(/"event":"ended"/);
});

test("dial --reconnect: what stands on the input goes to the next server, and its end ends the command", async () => {
  const heard: string[] = [];
  let firstPort = 0;
  {
    using first = await tcpServer((socket) => {
      socket.once("data", (bytes: Buffer) => {
        heard.push(bytes.toString());
        socket.resetAndDestroy();
        first.server.close();
      });
    });
    firstPort = first.port;
    const terminal = new Terminal(`dial tcp://127.0.0.1:${firstPort} --reconnect -v`);
    try {
      terminal.type("uno\n");
      await terminal.says(/"event":"failed".*\n.*"event":"reconnecting"/);
      // Nobody is there for a while: it waits longer, and does not end.
      await terminal.says(/connection refused.*\n.*"event":"reconnecting"/);
      await using second = createTcpServer({ allowHalfOpen: true }, (socket) => {
        void readAll(socket).then((bytes) => {
          heard.push(bytes.toString());
          socket.end("bye\n");
        });
      }).listen(firstPort, "127.0.0.1");
      await once(second, "listening");
      terminal.type("dos\n").child.stdin.end();
      const { code, stdout } = await terminal.end();
      assert.deepEqual([code, stdout.toString()], [0, "bye\n"]);
    } finally {
      await terminal[Symbol.asyncDispose]();
    }
  }
  assert.deepEqual(heard, ["uno\n", "dos\n"]);
});

test("-z: one that did not answer in time is exit code 3, whatever comes after", async () => {
  // Accepts, and never answers an upgrade; nobody is at the port behind it.
  using silent = await tcpServer((socket) => socket.resume());
  const last = silent.port + 1;
  const { code, stdout } = await run(`dial -z ws://127.0.0.1:${silent.port}-${last}/ --timeout 1s`);
  const reports = stdout.toString().trimEnd().split("\n");
  assert.deepEqual([code, reports.length], [3, 2], stdout.toString());
});

test("--record: a WebSocket that a relay closes because nobody is behind it has its end in the record", async () => {
  const file = join(directory, "unserved.jsonl");
  await using relay = new Terminal(`relay ws://127.0.0.1:0 tcp://127.0.0.1:1 --record ${file}`);
  const { url } = await relay.listening();
  assert.equal((await once(new WebSocket(url), "close"))[0], 1014);
  const entries = readFileSync(file, "utf8").trimEnd().split("\n");
  const events = entries.map((line) => JSON.parse(line) as { event: string; code?: number });
  assert.deepEqual(
    events.map(({ event, code }) => [event, code]),
    [
      ["open", undefined],
      ["close", 1014],
    ],
  );
});

test("--record: a listener and a relay end with code 1, too, if it cannot be written", async () => {
  using server = await tcpServer((socket) => void socket.pipe(socket));
  for (const command of [
    "listen tcp://127.0.0.1:0 --echo",
    `relay tcp://127.0.0.1:0 tcp://127.0.0.1:${server.port}`,
  ]) {
    await using terminal = new Terminal(`${command} --record /dev/full`);
    const { port } = await terminal.listening();
    const peer = connect(port, "127.0.0.1");
    peer.on("error", () => undefined);
    const { code, stderr } = await terminal.end();
    assert.equal(code, 1);
    assert.match(stderr, /^zocalo: cannot record to \/dev\/full: no space left on device$/m);
    peer.destroy();
  }
});

/** Socat with `cat` behind a port, and that port. */
async function socatEcho(listen: string): Promise<{ port: number } & AsyncDisposable> {
  const socat = spawn("socat", ["-d", "-d", `${listen},bind=127.0.0.1,reuseaddr`, "EXEC:cat"]);
  const closed = once(socat, "close");
  let words = "";
  while (!/listening on .*:(\d+)/.test(words)) words += String((await once(socat.stderr, "data"))[0]);
  socat.stderr.resume();
  const [, port] = /listening on .*:(\d+)/.exec(words) ?? [];
  return {
    port: Number(port),
    async [Symbol.asyncDispose]() {
      socat.kill();
      await closed;
    },
  };
}

test("-z and --record, with socat as the server", async () => {
  await using server = await socatEcho("TCP-LISTEN:0,fork");
  const url = `tcp://127.0.0.1:${server.port}`;
  const { code, stdout } = await run(`dial -z ${url}`);
  assert.deepEqual([code, (JSON.parse(stdout.toString()) as { isOpen: boolean }).isOpen], [0, true]);
  const file = join(directory, "socat.jsonl");
  assert.equal((await run(`dial ${url} --record ${file}`, "hola\n")).stdout.toString(), "hola\n");
  const entries = readFileSync(file, "utf8").trimEnd().split("\n");
  assert.deepEqual(
    entries
      .map((line) => JSON.parse(line) as { direction?: string; text?: string })
      .filter(({ text }) => text !== undefined)
      .map(({ direction, text }) => [direction, text]),
    [
      ["out", "hola\n"],
      ["in", "hola\n"],
    ],
  );
});

test("dial --reconnect finds the socat that takes the place of one that was killed", async () => {
  await using first = await socatEcho("TCP-LISTEN:0");
  await using terminal = new Terminal(`dial tcp://127.0.0.1:${first.port} --reconnect -v`);
  terminal.type("uno\n");
  await terminal.prints(/^uno\n$/);
  await first[Symbol.asyncDispose]();
  await terminal.says(/"event":"reconnecting"/);
  await using second = await socatEcho(`TCP-LISTEN:${first.port}`);
  assert.equal(second.port, first.port);
  terminal.type("dos\n");
  await terminal.prints(/^uno\ndos\n$/);
  terminal.child.stdin.end();
  assert.equal((await terminal.end()).code, 0);
});
