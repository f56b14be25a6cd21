import assert from "node:assert/strict";
import fs, { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { findSqlite } from "../src/durable/sqlite.ts";
import { backupStore, checkStore, type Committed, restoreStore, type Retention } from "../src/index.ts";
import { open, temporaryDirectory } from "./durable-store.ts";

const keepAll: Retention = { publications: 1_000, bytes: 1e9, ttlMs: 3_600_000, keyMs: 3_600_000 };
const hello = { user: "ana", data: '"hello"' };

test("a store is checked while it is open, and what is damaged is named", async () => {
  const directory = temporaryDirectory();
  const { engine } = await open(directory);
  const publishing = Array.from({ length: 1_200 }, (_, number) => {
    const address = `192.0.2.${number % 2}`;
    return engine.publish(`c:${number % 2}`, { ...hello, key: `${number}`, address }, keepAll);
  });
  await Promise.all(publishing);
  const good = { channels: 2, publications: 1_200, keys: 1_200, setAside: [], problems: [] };
  assert.deepEqual(checkStore(directory), good);
  await engine.close();
  assert.deepEqual(checkStore(directory), good);
  const database = findSqlite()(join(directory, "zocalo.db"));
  const share = database.prepare("SELECT holder FROM channel WHERE id = 2").get()?.["holder"];
  database.exec(
    "UPDATE log SET data = '\"bye\"' WHERE offset = 600 AND channel = 1; UPDATE key SET at = 1 WHERE key = '7';" +
      "UPDATE share SET bytes = bytes - 1 WHERE id = (SELECT holder FROM channel WHERE id = 2)",
  );
  database.close();
  assert.deepEqual(checkStore(directory).problems, [
    "channel c:0: entry 600 was changed",
    "the key of entry 4 of channel 2 was changed",
    `what share ${share} holds was changed`,
  ]);
  const second = await open(directory);
  await second.engine.read("c:0", 599, 1);
  await second.engine.close();
  const { setAside, channels } = checkStore(directory);
  assert.equal(channels, 2);
  assert.match(setAside.join(), /^!\d{4}-\S+Z 1 c:0$/);
});

test("a sound store that lets old entries go meanwhile has no problems", async () => {
  const directory = temporaryDirectory();
  const { engine } = await open(directory);
  for (let round = 0; round < 40; round++) {
    const publishing = Array.from({ length: 400 }, () =>
      engine.publish("c:1", hello, { ...keepAll, publications: 40 }),
    );
    await publishing[10];
    for (let check = 0; check < 5; check++) assert.deepEqual(checkStore(directory).problems, []);
    await Promise.all(publishing);
  }
  await engine.close();
});

test("a backup that is made while publications come is whole, and restoring it turns every epoch", async () => {
  const directory = temporaryDirectory();
  const backup = join(temporaryDirectory(), "backup.db");
  const { engine } = await open(directory);
  const { epoch } = await engine.publish("c:1", { ...hello, key: "k" }, keepAll);
  const coming = Promise.all(Array.from({ length: 300 }, () => engine.publish("c:1", hello, keepAll)));
  await engine.publish("c:2", hello, keepAll);
  backupStore(directory, backup);
  await coming;
  if (process.platform !== "win32") assert.equal(statSync(backup).mode & 0o777, 0o600);
  assert.throws(() => backupStore(directory, backup), { code: "unusable", message: /is there already$/ });
  assert.throws(() => restoreStore(backup, directory), { code: "in_use" });
  await engine.close();

  const former = restoreStore(backup, directory);
  assert.ok(former !== undefined && readdirSync(directory).some((name) => former.endsWith(name)));
  const next = await open(directory);
  const page = await next.engine.read("c:1", 0, 1_000);
  assert.notEqual(page.epoch, epoch);
  assert.ok(page.head >= 1 && page.head <= 301);
  assert.equal(page.publications.length, page.head);
  assert.equal((await next.engine.publish("c:1", { ...hello, key: "k" }, keepAll)).offset, 1);
  assert.deepEqual(next.notices, []);
  await next.engine.close();

  const elsewhere = join(temporaryDirectory(), "new");
  assert.equal(restoreStore(backup, elsewhere), undefined);
  const other = await open(elsewhere);
  const { epoch: third } = await other.engine.read("c:1", 0, 1);
  assert.equal(new Set([epoch, page.epoch, third]).size, 3);
  assert.deepEqual(other.notices, []);
  await other.engine.close();
});

test("of a directory that was put back whole nothing tells what is missing; its file, restored, turns every epoch", async () => {
  const directory = temporaryDirectory();
  const published = async (data: string): Promise<Committed> => {
    const { engine, notices } = await open(directory);
    assert.deepEqual(notices, []);
    const committed = await engine.publish("c:1", { user: "ana", data }, keepAll);
    await engine.close();
    return committed;
  };
  await published('"kept"');
  const copy = temporaryDirectory();
  for (const name of ["zocalo.db", "witness"]) copyFileSync(join(directory, name), join(copy, name));
  const lost = await published('"lost"');
  for (const name of ["zocalo.db", "witness"]) copyFileSync(join(copy, name), join(directory, name));
  const { epoch, offset } = await published('"another"');
  assert.deepEqual([epoch, offset], [lost.epoch, lost.offset], "as the guide says");
  restoreStore(join(copy, "zocalo.db"), directory);
  const again = await published('"another"');
  assert.notEqual(again.epoch, epoch);
  assert.equal(again.offset, 2);
});

test("what is no backup is not restored, and what is no store is not backed up", async () => {
  const directory = temporaryDirectory();
  const file = join(temporaryDirectory(), "file");
  writeFileSync(file, "rubbish ".repeat(1_000));
  const { engine } = await open(directory);
  const { epoch } = await engine.publish("c:1", hello, keepAll);
  await engine.close();
  assert.throws(() => restoreStore(file, directory), {
    code: "unusable",
    message: `${file} is damaged: file is not a database`,
  });
  assert.throws(() => restoreStore(join(file, "nowhere"), directory), { message: /^there is no / });
  const whole = join(file, "..");
  assert.throws(() => restoreStore(whole, directory), {
    code: "unusable",
    message: `${whole} is a directory: name the file in it, ${join(whole, "zocalo.db")}`,
  });
  // Nor where none can be.
  assert.throws(() => restoreStore(join(directory, "zocalo.db"), join(file, "place")), {
    code: "unusable",
    message: /cannot be restored to /,
  });
  assert.throws(() => backupStore(temporaryDirectory(), join(directory, "b")), { message: /^there is no / });
  assert.throws(() => checkStore(temporaryDirectory()), { message: /^there is no / });
  const next = await open(directory);
  assert.equal((await next.engine.read("c:1", 0, 1)).epoch, epoch);
  await next.engine.close();
});

for (const format of [1, 2, 3] as const) {
  test(`a store of format ${format} is read, and kept as it was if it is not this release's`, async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "zocalo.db");
    const packed = gunzipSync(readFileSync(new URL(`stores/format-${format}.db.gz`, import.meta.url)));
    writeFileSync(path, packed);
    if (format < 3) {
      const message = `${path} has format ${format}; serve from it once, which brings it to 3`;
      assert.throws(() => checkStore(directory), { code: "unusable", message });
      assert.throws(() => backupStore(directory, join(directory, "b")), { code: "unusable", message });
    }
    const { engine, notices } = await open(directory);
    if (format < 3) {
      const copy = `${path}.format-${format}`;
      assert.equal(notices[0], `${path} had format ${format}, and is kept so as ${copy}`);
      if (process.platform !== "win32") assert.equal(statSync(copy).mode & 0o777, 0o600);
      const again = temporaryDirectory();
      assert.equal(restoreStore(copy, again), undefined);
      assert.deepEqual(readdirSync(again).sort(), ["witness", "zocalo.db"].concat("lock.db").sort());
      assert.equal(checkStore(again).publications, 4);
    }
    const page = await engine.read("plaza:general", 0, 10);
    assert.deepEqual([page.head, page.oldest], [3, 1]);
    assert.deepEqual(
      page.publications.map(({ offset, user, info, data }) => [offset, user, info, data]),
      [
        [1, "ana", '{"name":"Ana"}', '{"text":"hola"}'],
        [2, "ben", undefined, "1688888483063664642"],
        [3, "\0", undefined, '"ñ😀"'],
      ],
    );
    if (format >= 3) {
      const { publications } = await engine.read("doc:x", 0, 10);
      assert.deepEqual(
        publications.map(({ data }) => Buffer.from(data as Uint8Array)),
        [Buffer.from([0, 255, 128]), Buffer.alloc(0), Buffer.from("[1]")],
      );
    }
    const { head, oldest } = await engine.read("plaza:trimmed", 0, 10);
    assert.deepEqual([head, oldest], [2, 2]);
    const again = await engine.publish("plaza:general", { user: "ana", data: "1", key: "k" }, keepAll);
    assert.deepEqual([again.offset, again.duplicate], [1, true]);
    await engine.close();
    assert.deepEqual(checkStore(directory).problems, []);
  });
}

test("an empty file is no backup, and what a restore that was killed has left changes no other", async () => {
  const directory = temporaryDirectory();
  const { engine } = await open(directory);
  await engine.publish("c:1", { user: "ana", data: '"first"' }, keepAll);
  const backup = join(temporaryDirectory(), "backup");
  backupStore(directory, backup);
  assert.deepEqual(readdirSync(join(backup, "..")), ["backup"]);
  await engine.publish("c:1", { user: "ana", data: '"second"' }, keepAll);
  // With its log of changes, as it is while the engine runs.
  for (const suffix of ["", "-wal"]) {
    copyFileSync(join(directory, `zocalo.db${suffix}`), join(directory, `zocalo.db.restoring${suffix}`));
  }
  await engine.close();
  const empty = `${backup}-empty`;
  writeFileSync(empty, "");
  assert.throws(() => restoreStore(empty, directory), { code: "unusable", message: /is empty$/ });
  restoreStore(backup, directory);
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.includes("restoring")),
    [],
  );
  const { engine: restored } = await open(directory);
  assert.equal((await restored.read("c:1", 0, 10)).head, 1);
  await restored.close();
});

test("a store that was not closed is restored with what is in its log of changes, one that was set aside too", async () => {
  const directory = temporaryDirectory();
  const left = temporaryDirectory();
  const { engine } = await open(directory);
  for (let number = 0; number < 5; number++) await engine.publish("c:1", hello, keepAll);
  // As a process leaves it that was killed.
  for (const suffix of ["", "-wal"]) {
    copyFileSync(join(directory, `zocalo.db${suffix}`), join(left, `zocalo.db${suffix}`));
  }
  await engine.close();
  const elsewhere = temporaryDirectory();
  const source = () => readdirSync(left).map((name) => [name, readFileSync(join(left, name))]);
  const before = source();
  restoreStore(join(left, "zocalo.db"), elsewhere);
  assert.equal(checkStore(elsewhere).publications, 5);
  assert.deepEqual(readdirSync(elsewhere).toSorted(), ["lock.db", "witness", "zocalo.db"]);
  assert.deepEqual(source(), before, "what is restored stays as it was");

  const former = restoreStore(join(directory, "zocalo.db"), left);
  assert.equal(checkStore(left).publications, 5);
  restoreStore(String(former), left);
  assert.equal(checkStore(left).publications, 5);
});

test("a store that somebody writes to while it is copied is not restored", async (t) => {
  const directory = temporaryDirectory();
  const { engine } = await open(directory);
  await engine.publish("c:1", hello, keepAll);
  await engine.close();
  const path = join(directory, "zocalo.db");
  const { copyFileSync: copy } = fs;
  t.after(() => {
    fs.copyFileSync = copy;
    syncBuiltinESMExports();
  });
  fs.copyFileSync = (...args: Parameters<typeof copy>) => {
    copy(...args);
    writeFileSync(`${path}-wal`, "a change");
  };
  syncBuiltinESMExports();
  const elsewhere = temporaryDirectory();
  const message = `${path} changed while it was copied; stop the server that has it`;
  assert.throws(() => restoreStore(path, elsewhere), { name: "StoreError", code: "in_use", message });
  assert.deepEqual(readdirSync(elsewhere), ["lock.db"]);
});
