import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { dial, listen } from "@zocalo/net";
import { place } from "../src/networks/socket-file.ts";
import { answers, elsewhere, ended, fresh } from "./unix-files.ts";

function codeOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, "code") : undefined;
}

test("unlinkOnClose: false leaves the file, and replaceStale takes it", async () => {
  const path = join(fresh("left"), "s");
  const first = await listen("unix", path, { unlinkOnClose: false });
  await first.close();
  assert.ok(lstatSync(path).isSocket());
  await assert.rejects(listen("unix", path), { code: "address_in_use" });
  const second = await listen("unix", path, { replaceStale: true });
  await answers(second);
  await second.close();
  assert.equal(existsSync(path), false);
});

test("the socket of a process that was killed is replaced, one that lives is not", async () => {
  const parent = fresh("killed");
  const path = join(parent, "s");
  const [child, said] = await elsewhere(path);
  assert.equal(said, "listening");
  await assert.rejects(listen("unix", path, { replaceStale: true }), { code: "address_in_use" });
  (await dial("unix", path)).abort();
  child.kill("SIGKILL");
  await ended(child);
  assert.ok(existsSync(path));
  await assert.rejects(listen("unix", path), { code: "address_in_use" });
  const listener = await listen("unix", path, { replaceStale: true });
  await answers(listener);
  const [other, answer] = await elsewhere(path, { replaceStale: true });
  assert.equal(answer, "address_in_use");
  await ended(other);
  assert.equal(await (await listener.accept()).read(), null, "it asked by a connection that ends at once");
  await answers(listener);
  await listener.close();
  assert.deepEqual(readdirSync(parent), []);
});

test("of several that replace one stale socket at once, one listens and the others are told", async () => {
  const parent = fresh("several");
  const path = join(parent, "s");
  const leaveStale = async (): Promise<void> =>
    (await listen("unix", path, { unlinkOnClose: false, replaceStale: true })).close();
  for (let round = 0; round < 20; round++) {
    await leaveStale();
    const attempts = await Promise.allSettled(
      Array.from({ length: 5 }, () => listen("unix", path, { replaceStale: true })),
    );
    const winners = attempts.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    const codes = attempts.flatMap((each) => (each.status === "rejected" ? [codeOf(each.reason)] : []));
    assert.deepEqual([winners.length, codes], [1, Array.from({ length: 4 }, () => "address_in_use")]);
    for (const winner of winners) {
      (await dial("unix", path)).abort();
      await winner.close();
    }
    assert.deepEqual(readdirSync(parent), []);
  }
  // And as processes.
  await leaveStale();
  const processes = await Promise.all([1, 2, 3].map(() => elsewhere(path, { replaceStale: true })));
  assert.deepEqual(processes.map(([, said]) => said).sort(), [
    "address_in_use",
    "address_in_use",
    "listening",
  ]);
  (await dial("unix", path)).abort();
  for (const [child] of processes) {
    child.stdin.end();
    await ended(child);
  }
  assert.deepEqual(readdirSync(parent), []);
});

test("a server that lives and takes nobody in is not replaced", async (t) => {
  if (process.platform !== "linux") return t.skip("elsewhere a full queue refuses, as the docs say");
  const path = join(fresh("full"), "s");
  const [child] = await elsewhere(path, { backlog: 1 });
  child.kill("SIGSTOP");
  // What the queue has no room for is told EAGAIN.
  const waiting: Socket[] = [];
  for (let code: unknown; code !== "EAGAIN"; ) {
    const socket = connect({ path });
    code = await new Promise((resolve) => {
      socket.once("connect", resolve);
      socket.on("error", (error) => resolve(codeOf(error)));
    });
    waiting.push(socket);
  }
  await assert.rejects(listen("unix", path, { replaceStale: true }), { code: "address_in_use" });
  for (const socket of waiting) socket.destroy();
  child.kill("SIGCONT");
  child.stdin.end();
  await ended(child);
  assert.equal(existsSync(path), false);
});

test("an abstract name has no file, whatever the options say", async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux has abstract names");
  const parent = fresh("abstract");
  const before = process.cwd();
  try {
    process.chdir(parent);
    const name = `@zocalo-no-file-${process.pid}`;
    const options = { mode: 0o600, replaceStale: true, unlinkOnClose: false };
    const listener = await listen("unix", name, options);
    await answers(listener);
    await assert.rejects(listen("unix", name, options), { code: "address_in_use" });
    await listener.close();
    await (await listen("unix", name)).close();
    assert.deepEqual(readdirSync(parent), []);
  } finally {
    process.chdir(before);
  }
});

test("what is no socket is never replaced", async () => {
  const parent = fresh("others");
  const stale = join(parent, "stale");
  await (await listen("unix", stale, { unlinkOnClose: false })).close();
  const made = {
    file: () => writeFileSync(join(parent, "file"), "mine"),
    folder: () => mkdirSync(join(parent, "folder")),
    link: () => symlinkSync(stale, join(parent, "link")),
    dangling: () => symlinkSync("nowhere", join(parent, "dangling")),
  };
  for (const [name, make] of Object.entries(made)) {
    make();
    const before = lstatSync(join(parent, name)).ino;
    await assert.rejects(listen("unix", join(parent, name), { replaceStale: true }), {
      code: "address_in_use",
      reason: "there is a file that is no socket",
    });
    assert.equal(lstatSync(join(parent, name)).ino, before, name);
  }
  await assert.rejects(listen("unix", `${parent}/slash/`), { code: "invalid_address" });
  assert.deepEqual(readdirSync(parent).sort(), ["dangling", "file", "folder", "link", "stale"]);
});

test("where a socket cannot be linked it is moved, and still replaces nothing", () => {
  const parent = fresh("unlinkable");
  const [from, to] = [join(parent, "from"), join(parent, "to")];
  const cannot: typeof linkSync = () => {
    throw Object.assign(new Error("no links here"), { code: "EPERM" });
  };
  writeFileSync(from, "1");
  assert.equal(place(from, to, cannot), true);
  assert.equal(existsSync(from), false);
  writeFileSync(from, "2");
  assert.equal(place(from, to, cannot), false);
  assert.deepEqual([readFileSync(from, "utf8"), readFileSync(to, "utf8")], ["2", "1"]);
});
