// `--exec`, `--record`, `-z`, `--reconnect`, `--source` and the hint after a 404, as processes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
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
  assert.equal(full.stderr, "zocalo: Cannot record to /dev/full: no space left on device.\n");
});

test("-z reports what is open, and --source says from where", async () => {
  let from: string | undefined;
  using server = await tcpServer((socket) => void (from = socket.remoteAddress));
  const { code, stdout } = await run(`dial -z tcp://127.0.0.1:${server.port} --source 127.0.0.7`);
  assert.deepEqual(
    [code, (JSON.parse(stdout.toString()) as { isOpen: boolean }).isOpen, from],
    [0, true, "127.0.0.7"],
  );
  const closed = await run("dial -z tcp://127.0.0.1:1");
  assert.equal(closed.code, 1);
  assert.match(closed.stdout.toString(), /"isOpen":false,.*"reason":"connection refused"/);
});

test("a 404 without a path hints at one", async () => {
  await using server = createServer((_, response) => void response.writeHead(404).end()).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const [bare, path] = [await run(`dial ws://127.0.0.1:${port}`), await run(`dial ws://127.0.0.1:${port}/x`)];
  assert.match(bare.stderr, /404 Not Found: the URL has no path; .* such as ws:\/\/127\.0\.0\.1:\d+\/ws\n$/);
  assert.doesNotMatch(path.stderr, /no path/);
});
