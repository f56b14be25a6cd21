import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { test, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import type { KeptEntry, OpenOutbox } from "../outbox/keep.ts";
import { fileStore } from "./file-store.ts";

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-outbox-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "outbox.jsonl");
}

const entry = (json: string) => ({ channel: "plaza:a", key: `key-${json}`, json, at: 7 });

async function opened(path: string): Promise<{ outbox: OpenOutbox; left: KeptEntry[] }> {
  const left: KeptEntry[] = [];
  return { outbox: await fileStore(path).open((entries) => entries.forEach((one) => left.push(one))), left };
}

test("what is kept is there again, with what is known of it, and what is settled is not", async (t) => {
  const path = place(t);
  const first = await opened(path);
  const ids = await first.outbox.add([entry("1"), entry("2"), entry("3")]);
  assert.deepEqual(await first.outbox.begin(ids.slice(0, 2), 99), [true, true]);
  await first.outbox.remove(ids.slice(0, 1));
  assert.deepEqual(await first.outbox.begin(ids.slice(0, 1), 99), [false]);
  await first.outbox.close();
  const second = await opened(path);
  assert.deepEqual(second.left, [
    { ...entry("2"), id: 2, sentAt: 99 },
    { ...entry("3"), id: 3 },
  ]);
  assert.deepEqual(await second.outbox.add([entry("4")]), [4]);
  await second.outbox.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("a file that was removed while it was open is written anew, with all that it kept", async (t) => {
  const path = place(t);
  const { outbox } = await opened(path);
  await outbox.add([entry("1")]);
  rmSync(path);
  await outbox.add([entry("2")]);
  await outbox.close();
  const again = await opened(path);
  assert.deepEqual(
    again.left.map(({ json }) => json),
    ["1", "2"],
  );
  rmSync(dirname(path), { recursive: true });
  await assert.rejects(again.outbox.add([entry("3")]), { code: "ENOENT" });
  await again.outbox.close();
});

test("what 0.1.0 wrote is read by each later version", async (t) => {
  const path = place(t);
  const lines = [
    '{"add":[{"channel":"plaza:a","key":"k1","json":"1","at":7,"id":4},{"channel":"plaza:a","key":"k2","json":"2","at":8,"sentAt":9,"id":5}]}',
    '\n{"begin":[4],"at":10}\n\n{"add":[{"channel":"plaza:b","key":"k3","json":"3","at":11,"id":6}]}\n\n{"remove":[5]}\n',
  ];
  writeFileSync(path, lines.join("\n"));
  const { outbox, left } = await opened(path);
  assert.deepEqual(left, [
    { channel: "plaza:a", key: "k1", json: "1", at: 7, id: 4, sentAt: 10 },
    { channel: "plaza:b", key: "k3", json: "3", at: 11, id: 6 },
  ]);
  await outbox.close();
});

test("a line torn by a crash costs nothing that was said to be kept", async (t) => {
  const path = place(t);
  const { outbox } = await opened(path);
  await outbox.add([entry("1")]);
  appendFileSync(path, '\n{"add":[{"id":2,"chan');
  await outbox.add([entry("3")]); // Behind it, as after a write that failed half way.
  await outbox.close();
  const { outbox: again, left } = await opened(path);
  assert.deepEqual(
    left.map(({ json }) => json),
    ["1", "3"],
  );
  await again.close();
});

test("one session at a time, in this process or another; one that was killed does not count", async (t) => {
  const path = place(t);
  const { outbox } = await opened(path);
  await assert.rejects(opened(path), /outbox\.jsonl\.lock is of process \d+/);
  await outbox.close();
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000); console.log()"]);
  await once(child.stdout, "data");
  writeFileSync(`${path}.lock`, `${child.pid}\n`);
  await assert.rejects(opened(path), new RegExp(`of process ${child.pid}`));
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await opened(path)).outbox.close();
  writeFileSync(`${path}.lock`, `${process.pid}\n`);
  await (await opened(path)).outbox.close();
  assert.equal(existsSync(`${path}.lock`), false);
});

test("a file is one by whatever path it is opened, and in whatever thread", async (t) => {
  const path = place(t);
  const { outbox } = await opened(path);
  await assert.rejects(opened(relative(process.cwd(), path)), /of process/);
  const program = `
    import { parentPort, workerData } from "node:worker_threads";
    import { register } from ${JSON.stringify(import.meta.resolve("tsx/esm/api"))};
    register();
    const { fileStore } = await import(${JSON.stringify(new URL("file-store.ts", import.meta.url).href)});
    fileStore(workerData).open(() => {}).then(
      () => parentPort.postMessage("opened"),
      (error) => parentPort.postMessage(error.message),
    );`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const worker = new Worker(url, { workerData: path });
  const [message] = (await once(worker, "message")) as [string];
  assert.match(message, /outbox\.jsonl\.lock is of process \d+/);
  await worker.terminate();
  await outbox.close();
});

test("the lock of a process whose number another one has by now does not count", async (t) => {
  if (!existsSync("/proc/self/stat")) return t.skip("the system does not tell when a process began");
  const path = place(t);
  const program = `
    import { FileLock } from ${JSON.stringify(new URL("file-lock.ts", import.meta.url).href)};
    await FileLock.take(${JSON.stringify(`${path}.lock`)});
    setInterval(() => {}, 1000);
    console.log();`;
  const child = spawn(process.execPath, [...process.execArgv, "--input-type=module", "-e", program], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  await once(child.stdout, "data");
  const lock = readFileSync(`${path}.lock`, "utf8");
  await assert.rejects(opened(path), new RegExp(`of process ${child.pid}`));
  // As its next holder finds it when the machine was started anew, and has given the number away.
  writeFileSync(`${path}.lock`, lock.replace(/ .*/, " another-boot:7"));
  await (await opened(path)).outbox.close();
  child.kill("SIGKILL");
  await once(child, "exit");
});

test("as many are kept as a session may have waiting", async (t) => {
  const path = place(t);
  const many = Array.from({ length: 200_000 }, (_, index) => entry(`${index}`));
  const { outbox } = await opened(path);
  await outbox.add(many);
  await outbox.close();
  for (let life = 0; life < 2; life++) {
    const { outbox: again, left } = await opened(path);
    assert.equal(left.length, many.length);
    await again.close();
  }
});

test("a full disk: what was kept is left all the same, and nothing lies around", async (t) => {
  if (!existsSync("/dev/full")) return t.skip("the system has no /dev/full");
  const path = place(t);
  const { outbox } = await opened(path);
  await outbox.add([entry("1")]);
  await outbox.close();
  symlinkSync("/dev/full", `${path}.lock.${process.pid}`);
  await assert.rejects(opened(path), { code: "ENOSPC" });
  // There is room for a lock, and none for the file to be written anew.
  symlinkSync("/dev/full", `${path}.new`);
  const { outbox: again, left } = await opened(path);
  assert.deepEqual(left, [{ ...entry("1"), id: 1 }]);
  assert.deepEqual(await again.begin([1], 99), [true]);
  assert.deepEqual(await again.add([entry("2")]), [2]);
  await again.close();
  assert.deepEqual(readdirSync(dirname(path)), ["outbox.jsonl"]);
  const { outbox: last, left: kept } = await opened(path);
  assert.deepEqual(
    kept.map(({ json, sentAt }) => [json, sentAt]),
    [
      ["1", 99],
      ["2", undefined],
    ],
  );
  await last.close();
});

test("a file that is written anew goes on where no other file can be opened any more", async (t) => {
  const path = place(t);
  const { outbox } = await opened(path);
  const { open } = promises;
  t.after(() => {
    promises.open = open;
    syncBuiltinESMExports();
  });
  // The first file that is opened now is the new one: after it there is room for none.
  promises.open = async (...args: Parameters<typeof open>) => {
    promises.open = () => Promise.reject(Object.assign(new Error("too many open files"), { code: "EMFILE" }));
    syncBuiltinESMExports();
    return open(...args);
  };
  syncBuiltinESMExports();
  const before = statSync(path).ino;
  assert.deepEqual(await outbox.add([entry("x".repeat(1_100_000))]), [1]);
  assert.notEqual(statSync(path).ino, before, "it is written anew");
  assert.deepEqual(await outbox.add([entry("small")]), [2]);
  promises.open = open;
  syncBuiltinESMExports();
  await outbox.close();
  const { outbox: again, left } = await opened(path);
  assert.deepEqual(
    left.map(({ id }) => id),
    [1, 2],
  );
  await again.close();
});

for (const [code, isTold] of [
  ["EIO", true],
  ["EINVAL", false],
] as const) {
  const outcome = isTold ? "is told, and nothing is said to be kept" : "has no such thing, and costs nothing";
  test(`a directory whose names cannot be synced for ${code} ${outcome}`, async (t) => {
    const path = place(t);
    const { outbox } = await opened(path);
    const handle = await promises.open(path, "r");
    const handles = Object.getPrototypeOf(handle) as typeof handle;
    await handle.close();
    const refusal = Object.assign(new Error("it cannot be synced"), { code });
    const { mock } = t.mock.method(handles, "sync", () => Promise.reject(refusal));
    const adding = outbox.add([entry("1")]);
    if (isTold) await assert.rejects(adding, { code });
    else assert.deepEqual(await adding, [1]);
    mock.restore();
    await outbox.add([entry("2")]);
    await outbox.close();
    const { outbox: again, left } = await opened(path);
    assert.deepEqual(
      left.map(({ json }) => json),
      isTold ? ["2"] : ["1", "2"],
    );
    await again.close();
  });
}

test("the file does not grow for ever", async (t) => {
  const path = place(t);
  const { outbox } = await opened(path);
  await outbox.add([entry("stays")]);
  const large = JSON.stringify("x".repeat(10_000));
  for (let round = 0; round < 300; round++) await outbox.remove(await outbox.add([entry(large)]));
  assert.ok(statSync(path).size < 1_100_000, `${statSync(path).size} bytes`);
  await outbox.close();
  const { outbox: again, left } = await opened(path);
  assert.deepEqual(
    left.map(({ json, id }) => [json, id]),
    [["stays", 1]],
  );
  await again.close();
  assert.equal(readFileSync(path, "utf8").split("\n").length, 2);
});

test("a directory that is not there, or is none, is an error, and leaves no lock", async (t) => {
  const path = place(t);
  await assert.rejects(opened(join(path, "x", "y")), { code: "ENOENT" });
  writeFileSync(path, "");
  rmSync(path);
  await (await opened(path)).outbox.close();
});
