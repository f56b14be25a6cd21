// The shell lines of README.md, typed as they stand there; only the ports differ where those of the README
// are taken.
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Received, readMessages, textOf } from "./e2e-clients.ts";
import { type Ports, ServerProcess } from "./e2e-server.ts";
import { fencedBlocks } from "./fenced-blocks.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** What the README says, which is what the command does without settings. */
const DEFAULTS: Ports = { http: 8080, tcp: 7000, udp: 7001 };

const blocks = fencedBlocks(readFileSync(join(root, "README.md"), "utf8"));
const shell = blocks.filter(({ language }) => language === "sh").map(({ code }) => code.trim());
const json = blocks.filter(({ language }) => language === "json").map(({ code }) => code.trim());

/** A line of a shell, and what it prints. */
class Shell implements AsyncDisposable {
  readonly received = new Received();
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;

  constructor(line: string) {
    // A process group of its own, so that loops and pipes end with it.
    this.#child = spawn("sh", ["-c", line], { detached: true });
    this.#ended = once(this.#child, "close");
    readMessages(this.#child.stdout, this.received);
  }

  type(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Waits until it has ended by itself. */
  async end(): Promise<void> {
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.pid !== undefined) process.kill(-this.#child.pid);
    await this.#ended;
  }
}

test("the README has the lines that this test types", () => {
  assert.deepEqual(
    shell.map((line) => line.replace(/'.*'/, "…")),
    [
      "npm ci && npm start",
      "nc localhost 7000",
      "echo … | nc -u -w1 localhost 7001",
      "while echo …; do sleep 20; done | nc -u localhost 7001",
      "npm ci && npm test",
    ],
  );
  assert.equal(json.length, 1);
});

test("npm start builds, and runs the command that the other tests start", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  assert.equal(scripts["start"], "npm run build --silent && exec node packages/zocalo/dist/bin.js serve");
});

test("a SIGTERM to npm start stops the server, and does not orphan it", async () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  // As it stands, but for the build, which would replace what other tests are running.
  const start = scripts["start"]
    ?.replace("npm run build --silent", "true")
    .replace("packages/zocalo", join(root, "packages/zocalo"));
  const directory = mkdtempSync(join(tmpdir(), "zocalo-npm-"));
  writeFileSync(join(directory, "package.json"), JSON.stringify({ scripts: { start } }));
  const ports = { ZOCALO_HTTP_PORT: "off", ZOCALO_TCP_PORT: "0", ZOCALO_UDP_PORT: "off" };
  const npm = spawn("npm", ["start"], { cwd: directory, env: { ...process.env, ...ports }, detached: true });
  let said = "";
  const isUp = new Promise<void>((resolve) => {
    npm.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes("Ctrl-C stops it.")) resolve();
    });
  });
  let logged = "";
  npm.stderr.setEncoding("utf8").on("data", (text: string) => (logged += text));
  // "close" waits for all that hold the pipes, so also for a server that npm has left behind.
  const closed = once(npm, "close");
  try {
    await Promise.race([isUp, closed]);
    npm.kill("SIGTERM");
    const patience = AbortSignal.timeout(90_000);
    await Promise.race([closed, once(patience, "abort").then(() => assert.fail("the server lives on"))]);
    assert.match(logged, /"msg":"stopped"/);
  } finally {
    killGroup(npm.pid);
    rmSync(directory, { recursive: true });
  }
});

/** Whatever is left of a process and its children. */
function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // nobody is left
  }
}

test("what the README says to type works", async () => {
  const [, tcpLine = "", udpLine = "", udpListenLine = ""] = shell;
  const [connect = "", subscribe = "", publish = ""] = (json[0] ?? "").split("\n");
  await using server = await ServerProcess.start(DEFAULTS).catch(() => ServerProcess.start());
  const asRun = (line: string) =>
    line
      .replace(`localhost ${DEFAULTS.tcp}`, `localhost ${server.ports.tcp}`)
      .replace(`localhost ${DEFAULTS.udp}`, `localhost ${server.ports.udp}`);

  await using tcp = new Shell(asRun(tcpLine));
  tcp.type(connect);
  assert.deepEqual((await tcp.received.next("connected")).info, { name: "Tina over TCP" });
  tcp.type(subscribe);
  assert.equal((await tcp.received.next("subscribed")).channel, "plaza:general");
  tcp.type(publish);
  const own = await tcp.received.next("publication");
  assert.deepEqual([own.offset, textOf(own.data), own.info], [1, "hola from nc", { name: "Tina over TCP" }]);

  await using udp = new Shell(asRun(udpLine));
  assert.equal((await udp.received.next("published")).offset, 2);
  const datagram = await tcp.received.next("publication");
  assert.deepEqual([datagram.offset, textOf(datagram.data)], [2, "hola from a datagram"]);
  await udp.end();

  await using listener = new Shell(asRun(udpListenLine));
  assert.equal((await listener.received.next("subscribed")).offset, 2);
  tcp.type(publish);
  const heard = await listener.received.next("publication");
  assert.deepEqual([heard.offset, textOf(heard.data)], [3, "hola from nc"]);
});
