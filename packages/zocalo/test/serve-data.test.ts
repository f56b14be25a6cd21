// `zocalo serve` with its channels on disk, as a process.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { dial, lines } from "@zocalo/net";
import { BUNDLE } from "./zocalo-bundle.ts";
import { Zocalo } from "./zocalo-process.ts";

const TCP = /TCP +localhost:(\d+)[^]*stops it/;
const PUBLISH = '{"type":"publish","id":1,"channel":"plaza:x","data":9007199254740993,"key":"k"}';

function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-serve-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const ONLY_TCP = ["serve", "--http-port", "off", "--tcp-port", "0", "--udp-port", "off"];

function serve(data: string): Zocalo {
  return new Zocalo([...ONLY_TCP, "--data", data], { ZOCALO_ENGINE: "durable" });
}

/** Sends a command; gives the answer. */
async function ask(zocalo: Zocalo, command: string): Promise<Record<string, unknown>> {
  const conn = lines(await dial("tcp", `127.0.0.1:${await zocalo.port("stdout", TCP)}`));
  await conn.send(command);
  const answer = await conn.receive();
  conn.abort();
  return JSON.parse(String(answer)) as Record<string, unknown>;
}

test("what was acknowledged is there after SIGKILL, and the same key adds nothing", async (t) => {
  const data = join(directoryFor(t), "data");
  await using first = serve(data);
  const published = await ask(first, PUBLISH);
  assert.equal(published["type"], "published");
  first.child.kill("SIGKILL");
  await first.closed;

  await using second = serve(data);
  assert.deepEqual(await ask(second, PUBLISH), { ...published, duplicate: true });
  const history = await ask(second, '{"type":"history","id":2,"channel":"plaza:x"}');
  assert.deepEqual([history["epoch"], history["head"]], [published["epoch"], 1]);
});

test("whoever sets nothing has channels in ./zocalo-data, and with --engine memory none are kept", async (t) => {
  const cwd = directoryFor(t);
  const start = (...args: readonly string[]): Zocalo =>
    new Zocalo([...ONLY_TCP, ...args], { ZOCALO_ENGINE: undefined }, undefined, cwd);
  const ends = async (zocalo: Zocalo): Promise<unknown> => {
    const published = await ask(zocalo, PUBLISH);
    zocalo.child.kill("SIGKILL");
    await zocalo.closed;
    return published["duplicate"];
  };
  await using inMemory = start("--engine", "memory");
  assert.equal(await ends(inMemory), undefined);
  assert.deepEqual(readdirSync(cwd), []);
  await using first = start();
  assert.equal(await ends(first), undefined);
  await using second = start();
  assert.equal(await ends(second), true);
  assert.deepEqual(readdirSync(cwd), ["zocalo-data"]);
});

test("without any SQLite one sentence says what to do, and --engine memory does without", async (t) => {
  const directory = directoryFor(t);
  const none = join(directory, "none.cjs");
  // As on a Node that has none, where better-sqlite3 could not be installed; in threads, too.
  const without = `
    process.getBuiltinModule = () => undefined;
    const module_ = require("node:module");
    const load = module_._load;
    module_._load = function (name, ...given) {
      if (name === "better-sqlite3") throw new Error("Cannot find module 'better-sqlite3'");
      return load.call(this, name, ...given);
    };`;
  writeFileSync(none, without);
  const start = (engine: string): Zocalo =>
    new Zocalo([...ONLY_TCP, "--data", join(directory, "data")], {
      ZOCALO_ENGINE: engine,
      NODE_OPTIONS: `--require ${none}`,
    });
  const { code, stdout, stderr } = await start("durable").end();
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(
    stderr,
    /^zocalo: Node [\d.]+ has no SQLite of its own; update Node to 22\.13 or later, or run "npm install better-sqlite3@12"; or --engine memory keeps everything in memory, until the server stops\n$/,
  );
  assert.deepEqual(readdirSync(directory), ["none.cjs"]);
  await using inMemory = start("memory");
  assert.equal((await ask(inMemory, PUBLISH))["type"], "published");
});

test("who ends its side right behind a publish is answered what was committed", async (t) => {
  await using zocalo = serve(directoryFor(t));
  const conn = await dial("tcp", `127.0.0.1:${await zocalo.port("stdout", TCP)}`);
  await conn.write(Buffer.from(`${PUBLISH}\n`));
  await conn.closeWrite();
  let text = "";
  for await (const bytes of conn) text += Buffer.from(bytes).toString();
  assert.equal((JSON.parse(text) as { type: string }).type, "published");
});

test("a second server on the directory is refused, and told who has it", async (t) => {
  const data = directoryFor(t);
  await using first = serve(data);
  await first.port("stdout", TCP);
  const { code, stdout, stderr } = await serve(data).end();
  assert.deepEqual([code, stdout], [1, ""]);
  const holder = `${data} is in use by process ${first.child.pid} on `;
  assert.ok(stderr.startsWith(`zocalo: ${holder}`), stderr);
  assert.match(stderr, /; stop that, or give another directory by --data\n$/);
  assert.equal((await ask(first, PUBLISH))["offset"], 1);
});

test("a directory that cannot be used is exit code 1 and a sentence", async (t) => {
  const file = join(directoryFor(t), "file");
  writeFileSync(file, "");
  const { code, stderr } = await serve(file).end();
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^zocalo: .*file cannot be used: .*; --data gives another directory, and --engine memory keeps .*\n$/,
  );
});

test("a server whose store is full is not ready and says why, and lives", async (t) => {
  const data = join(directoryFor(t), "data");
  const ports = ["--http-port", "0", "--tcp-port", "0", "--udp-port", "off", "--host", "127.0.0.1"];
  const args = ["serve", ...ports, "--data", data, "--max-disk-bytes", "1048576"];
  await using zocalo = new Zocalo(args, { ZOCALO_ENGINE: "durable" });
  const http = await zocalo.port("stderr", /"door":"http","address":"127\.0\.0\.1:(\d+)"/);
  const tcp = await zocalo.port("stderr", /"door":"tcp","address":"127\.0\.0\.1:(\d+)"/);
  const get = async (path: string): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${http}${path}`);
    return [answer.status, await answer.text()];
  };
  assert.deepEqual(await get("/readyz"), [200, "ready\n"]);
  const conn = lines(await dial("tcp", `127.0.0.1:${tcp}`));
  const data48 = JSON.stringify("x".repeat(40_000));
  let code: unknown;
  for (let id = 1; code === undefined; id++) {
    // Each in a channel of its own: one lets its oldest go.
    await conn.send(`{"type":"publish","id":${id},"channel":"plaza:${id}","data":${data48}}`);
    ({ code } = JSON.parse(String(await conn.receive())) as { code?: unknown });
  }
  assert.equal(code, "limit_reached");
  assert.deepEqual(await get("/readyz"), [503, "this server keeps at most 1048576 bytes\n"]);
  assert.deepEqual(await get("/healthz"), [200, "ok\n"]);
  conn.abort();
});

test("SIGTERM leaves one file, and nobody else may read the directory", async (t) => {
  const data = join(directoryFor(t), "data");
  await using zocalo = serve(data);
  await ask(zocalo, PUBLISH);
  zocalo.child.kill("SIGTERM");
  assert.equal((await zocalo.end()).code, 0);
  assert.equal(statSync(join(data, "zocalo.db-wal"), { throwIfNoEntry: false }), undefined);
  if (process.platform !== "win32") assert.equal(statSync(data).mode & 0o777, 0o700);
});

test("a place where no directory can be made is refused in a sentence", (t) => {
  const backup = join(directoryFor(t), "backup");
  writeFileSync(backup, "something");
  // Where the system says of /proc/nowhere that something above is missing.
  for (const place of [join(backup, "data"), ...(process.platform === "linux" ? ["/proc/nowhere"] : [])])
    for (const args of [ONLY_TCP, ["data", "restore", backup]]) {
      const { status, stderr } = spawnSync(process.execPath, [BUNDLE, ...args, "--data", place], {
        encoding: "utf8",
        timeout: 20_000,
        killSignal: "SIGKILL",
      });
      assert.equal(status, 1, `${args[0]} ${place}`);
      assert.match(stderr, /^zocalo: .* (?:cannot be used|cannot be restored to .*): [^\n]*\n$/);
    }
});

test("data check, backup and restore", async (t) => {
  const directory = directoryFor(t);
  const data = join(directory, "data");
  const backup = join(directory, "backup");
  const command = (...args: readonly string[]) => new Zocalo(["data", ...args], { ZOCALO_DATA: data }).end();
  await using first = serve(data);
  const published = await ask(first, PUBLISH);
  const counted = "1 channel with 1 publication and 1 key\nnothing is damaged\n";
  assert.deepEqual(await command("check"), { code: 0, stdout: counted, stderr: "" });
  assert.deepEqual(await command("backup", backup), {
    code: 0,
    stdout: `${data} is copied to ${backup}\n`,
    stderr: "",
  });
  const refused = await command("restore", backup);
  assert.deepEqual([refused.code, refused.stdout], [1, ""]);
  assert.match(refused.stderr, /^zocalo: .* is in use by process \d+ on /);
  first.child.kill("SIGTERM");
  await first.end();
  const restored = await command("restore", backup);
  assert.equal(restored.code, 0, restored.stderr);
  assert.match(restored.stdout, / is restored to [^]*what was there is kept as .*zocalo\.db\.replaced-/);
  await using second = serve(data);
  const history = await ask(second, '{"type":"history","id":2,"channel":"plaza:x"}');
  assert.equal(history["head"], 1);
  assert.notEqual(history["epoch"], published["epoch"]);
});
