import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { dial, listen } from "@zocalo/net";
import { SocketFile } from "../src/networks/socket-file.ts";
import { answers, directory, ended, fresh, start } from "./unix-files.ts";

/** The longest path of a socket, in bytes. */
const MOST = process.platform === "linux" ? 107 : 103;

/** A user who owns nothing. */
const NOBODY = 65534;

test("nothing but the socket is in the directory while it listens, and nothing afterwards", async () => {
  const parent = fresh("tidy");
  const path = join(parent, "a.sock");
  const listener = await listen("unix", path, { mode: 0o640 });
  assert.deepEqual(readdirSync(parent), ["a.sock"]);
  assert.equal(statSync(path).mode & 0o777, 0o640);
  await answers(listener);
  await listener.close();
  assert.deepEqual(readdirSync(parent), []);
});

test("the mode is what the umask leaves, or one from 0 to 0o777", async () => {
  const path = join(fresh("modes"), "s");
  const made = async (mode?: number): Promise<number> => {
    const listener = await listen("unix", path, { mode });
    const found = statSync(path).mode & 0o7777;
    await listener.close();
    return found;
  };
  const umask = process.umask(0o027);
  try {
    assert.equal(await made(), 0o750);
    for (const mode of [0, 0o600, 0o777]) assert.equal(await made(mode), mode);
  } finally {
    process.umask(umask);
  }
  for (const [mode, shown] of [
    [0o1000, "0o1000"],
    [-1, "-1"],
    [0.5, "0.5"],
    [Number.NaN, "NaN"],
  ] as const) {
    const reason = `mode ${shown} is not a whole number from 0 to 0o777`;
    await assert.rejects(listen("unix", path, { mode }), { code: "invalid_argument", reason });
  }
  assert.equal(existsSync(path), false);
});

test("close removes its own socket and no other, also after chdir", async () => {
  const [here, there] = [fresh("here"), fresh("there")];
  const before = process.cwd();
  try {
    process.chdir(here);
    const listener = await listen("unix", "s");
    process.chdir(there);
    writeFileSync("s", "unrelated");
    await listener.close();
    assert.equal(readFileSync(join(there, "s"), "utf8"), "unrelated");
    assert.equal(existsSync(join(here, "s")), false);
  } finally {
    process.chdir(before);
  }
  const path = join(here, "taken.sock");
  const first = await listen("unix", path);
  rmSync(path);
  const second = await listen("unix", path);
  await first.close();
  await answers(second);
  await second.close();
  assert.equal(existsSync(path), false);
});

test("another symbolic link on the way changes nothing of what close removes", async () => {
  const parent = fresh("links");
  for (const name of ["old", "new"]) mkdirSync(join(parent, name));
  const link = join(parent, "current");
  symlinkSync("old", link);
  const listener = await listen("unix", join(link, "s"));
  rmSync(link);
  symlinkSync("new", link);
  writeFileSync(join(parent, "new/s"), "unrelated");
  await listener.close();
  assert.deepEqual([existsSync(join(parent, "old/s")), existsSync(join(parent, "new/s"))], [false, true]);
});

test("a path leads where the system says, through symbolic links and out of them again", async () => {
  const parent = fresh("dots");
  for (const name of ["a", "b", "b/c"]) mkdirSync(join(parent, name));
  symlinkSync("../b/c", join(parent, "a/link"));
  const path = `${parent}/a/link/../s`; // In b, not in a; `join` would say a.
  const listener = await listen("unix", path);
  assert.deepEqual([existsSync(join(parent, "a/s")), existsSync(join(parent, "b/s"))], [false, true]);
  await answers(listener);
  await listener.close();
  assert.deepEqual(readdirSync(join(parent, "b")), ["c"]);
});

test("a umask that takes rights from the user keeps nobody from listening, and leaves nothing behind", async () => {
  const parent = fresh("umask");
  const path = join(parent, "s");
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) {
    chmodSync(directory, 0o755);
    chownSync(parent, NOBODY, NOBODY);
  }
  const umask = process.umask();
  try {
    if (isRoot) process.seteuid?.(NOBODY); // Root may enter whatever the mode is.
    for (const [mask, expected] of [
      [0o177, 0o600], // As services have it that make their sockets so.
      [0o777, 0],
    ] as const) {
      process.umask(mask);
      const listener = await listen("unix", path);
      assert.equal(statSync(path).mode & 0o777, expected);
      await listener.close();
      assert.deepEqual(readdirSync(parent), []);
    }
  } finally {
    process.umask(umask);
    if (isRoot) process.seteuid?.(0);
  }
});

test("who may write to the directory cannot turn the mode to another file", async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux holds a directory by itself");
  const parent = fresh("exchanged");
  const victim = join(directory, "victim");
  writeFileSync(victim, "secret", { mode: 0o600 });
  const listening = listen("unix", join(parent, "s"), { mode: 0o666 });
  const [made = ""] = readdirSync(parent);
  const [name = ""] = readdirSync(join(parent, made));
  renameSync(join(parent, made), join(parent, "aside"));
  mkdirSync(join(parent, made));
  symlinkSync(victim, join(parent, made, name));
  await assert.rejects(listening, { code: "permission", reason: /somebody else replaces files in / });
  assert.equal(statSync(victim).mode & 0o777, 0o600);
  assert.equal(existsSync(join(parent, "s")), false);
});

test("a directory that is not private is not used, and none stays open", async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux holds a directory by itself");
  const parent = fresh("opened");
  const openFiles = fresh("open-files");
  mkdirSync(join(openFiles, "exchanged"));
  chmodSync(join(openFiles, "exchanged"), 0o755);
  // Whatever number the private directory is opened as, somebody else's is there.
  for (let fd = 0; fd < 200; fd++) symlinkSync("exchanged", join(openFiles, `${fd}`));
  const site = { op: "listen", network: "unix" } as const;
  const file = new SocketFile(join(parent, "s"), {}, site, openFiles);
  assert.throws(() => file.prepare(), { code: "permission", reason: /somebody else replaces files in / });
  file.remove();
  const listener = await listen("unix", join(parent, "s"));
  await assert.rejects(listen("unix", join(parent, "s")), { code: "address_in_use" });
  const held = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ""; // The descriptor of this listing itself.
    }
  });
  assert.deepEqual(
    held.filter((each) => each.startsWith(parent)),
    [],
  );
  await listener.close();
});

test("in node:cluster a file is one worker's, and an abstract name is shared", async () => {
  const path = join(fresh("cluster"), "s");
  const [child, line] = start("./unix-cluster.ts", path);
  assert.deepEqual([await line(), await line()], ["listening", "address_in_use"]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  (await dial("unix", path)).abort();
  child.stdin.end();
  assert.equal(await line(), "0", "the primary, which knows nothing of the file, has bound nothing");
  await ended(child);
  assert.equal(existsSync(path), false);
  if (process.platform !== "linux") return;
  const [other, otherLine] = start("./unix-cluster.ts", `@zocalo-cluster-${process.pid}`);
  assert.deepEqual([await otherLine(), await otherLine()], ["listening", "listening"]);
  other.stdin.end();
  assert.equal(await otherLine(), "2");
  await ended(other);
});

test("a path at its limit is taken, in a directory of any length, and one past it is told", async (t) => {
  if (process.platform !== "linux") return t.skip("elsewhere a directory has a limit of its own");
  for (const base of [1, 16, 60]) {
    const parent = join(directory, "d".repeat(MOST - base - 1 - Buffer.byteLength(directory) - 1));
    mkdirSync(parent);
    const longest = `${parent}/${"s".repeat(base)}`;
    assert.equal(Buffer.byteLength(longest), MOST);
    const listener = await listen("unix", longest, { mode: 0o600 });
    assert.equal(statSync(longest).mode & 0o777, 0o600);
    await answers(listener);
    await assert.rejects(listen("unix", longest, { replaceStale: true }), { code: "address_in_use" });
    await listener.close();
    assert.deepEqual(readdirSync(parent), []);
    const reason = /longer than 107 bytes$/;
    await assert.rejects(listen("unix", `${longest}s`), { code: "invalid_address", reason });
  }
});

test("where the system shows no open files a directory past its limit is told", async () => {
  const limit = MOST - 17;
  const parent = join(directory, "l".repeat(limit - Buffer.byteLength(directory) - 1));
  mkdirSync(parent);
  const fileIn = (name: string): SocketFile =>
    new SocketFile(name, {}, { op: "listen", network: "unix" }, join(directory, "nowhere"));
  const within = fileIn(join(parent, "s"));
  assert.equal(Buffer.byteLength(within.prepare()), MOST);
  within.remove();
  assert.deepEqual(readdirSync(parent), []);
  const past = `${parent}l`;
  mkdirSync(past);
  const reason = `directory longer than ${limit} bytes: ${past}`;
  assert.throws(() => fileIn(join(past, "s")).prepare(), { code: "invalid_address", reason });
  assert.deepEqual(readdirSync(past), []);
  // From within it has a short name.
  const before = process.cwd();
  try {
    process.chdir(past);
    const listener = await listen("unix", "s");
    await answers(listener);
    await listener.close();
    assert.deepEqual(readdirSync("."), []);
  } finally {
    process.chdir(before);
  }
});

test("Node's permission model needs no more than the right to write to the directory", async () => {
  const parent = fresh("permitted");
  const path = join(parent, "s");
  const flags = process.allowedNodeEnvironmentFlags;
  const program = fileURLToPath(new URL("./unix-listener.ts", import.meta.url));
  const child = spawn(process.execPath, [
    flags.has("--permission") ? "--permission" : "--experimental-permission",
    "--allow-fs-read=*",
    `--allow-fs-write=${parent}/*`,
    ...["--allow-net", "--allow-worker", "--allow-child-process"].filter((flag) => flags.has(flag)),
    ...["--conditions=zocalo-source", "--import", "tsx", program, path, '{"mode":384}'],
  ]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "listening");
  assert.deepEqual(readdirSync(parent), ["s"]);
  child.stdin.end();
  await ended(child);
  assert.deepEqual(readdirSync(parent), []);
});

test("nobody else gets in between the making of a socket and its mode, whatever the umask is", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("only root can become somebody else");
  const parent = fresh("watched");
  const path = join(parent, "s");
  for (const each of [directory, parent]) chmodSync(each, 0o755);
  // Tries again and again, as nobody, for as long as its input is open; tells when it was refused for the
  // first time, and in the end how often it got in.
  const program = `
import os, select, socket, sys
os.setuid(65534)
entered = denied = 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for place, _, names in os.walk(sys.argv[1]):
        for name in names:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(os.path.join(place, name))
                entered += 1
            except PermissionError:
                denied += 1
                if denied == 1:
                    print("denied", flush=True)
            except OSError:
                pass
            s.close()
print(entered, flush=True)
`;
  const child = spawn("python3", ["-c", program, parent]);
  child.stderr.pipe(process.stderr);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "ready");
  const umask = process.umask(0);
  try {
    for (let i = 0; i < 2_000; i++) await (await listen("unix", path, { mode: 0o600 })).close();
    const listener = await listen("unix", path, { mode: 0o600 });
    assert.equal((await lines.next()).value, "denied", "it looked");
    await answers(listener);
    await listener.close();
  } finally {
    process.umask(umask);
  }
  child.stdin.end();
  assert.equal((await lines.next()).value, "0", "how often it got in");
});
