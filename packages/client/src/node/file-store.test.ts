import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { KeptEntry, OpenOutbox } from "../keep.ts";
import { fileStore } from "./file-store.ts";

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-outbox-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "outbox.jsonl");
}

const entry = (json: string) => ({ channel: "plaza:a", key: `key-${json}`, json, at: 7 });

async function opened(path: string): Promise<{ outbox: OpenOutbox; left: KeptEntry[] }> {
  const left: KeptEntry[] = [];
  return { outbox: await fileStore(path).open((entries) => left.push(...entries)), left };
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
