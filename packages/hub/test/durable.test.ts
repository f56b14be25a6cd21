import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findSqlite } from "../src/durable/sqlite.ts";
import { checkStore, durable, type DurableOptions, type Retention } from "../src/index.ts";
import { open, SetClock, temporaryDirectory } from "./durable-store.ts";

const keepAll: Retention = { publications: 1_000, bytes: 1_000_000, ttlMs: 3_600_000, keyMs: 60_000 };
const hello = { user: "ana", data: '"hello"' };

test("what was acknowledged is there when the directory is opened again", async () => {
  const directory = temporaryDirectory();
  const first = await open(directory);
  const before = await first.engine.read("c:never", 0, 1);
  const one = await first.engine.publish("c:1", { ...hello, info: '{"a":1}', key: "k" }, keepAll);
  await first.engine.publish("c:1", { ...hello, data: "1688888483063664642" }, keepAll);
  await first.engine.close();

  const { engine } = await open(directory);
  const page = await engine.read("c:1", 0, 10);
  assert.deepEqual([page.epoch, page.head, page.oldest], [one.epoch, 2, 1]);
  assert.deepEqual(
    page.publications.map(({ user, info, data }) => [user, info, data]),
    [
      ["ana", '{"a":1}', '"hello"'],
      ["ana", undefined, "1688888483063664642"],
    ],
  );
  assert.deepEqual(await engine.publish("c:1", { ...hello, key: "k" }, keepAll), { ...one, duplicate: true });
  assert.equal((await engine.read("c:never", 0, 1)).epoch, before.epoch);
  await engine.close();
});

test("names that SQLite cannot hold come back as they were", async () => {
  const directory = temporaryDirectory();
  const names = ["a\0b", "\ud800", "\ud801", '"', '"\\ud800"', ""];
  const first = await open(directory);
  for (const name of names)
    await first.engine.publish("c:1", { user: name, data: "1", key: `k${name}` }, keepAll);
  await first.engine.publish("c:1", { user: "u", data: '"\ud800\0"' }, keepAll);
  await first.engine.close();
  const { engine, notices } = await open(directory);
  const { publications } = await engine.read("c:1", 0, 10);
  assert.deepEqual(
    publications.map(({ user }) => user),
    [...names, "u"],
  );
  assert.equal(publications.at(-1)?.data, '"\\ud800\\u0000"');
  for (const [index, name] of names.entries()) {
    const { offset } = await engine.publish("c:1", { user: "u", data: "1", key: `k${name}` }, keepAll);
    assert.equal(offset, index + 1);
  }
  assert.deepEqual(notices, []);
  await engine.close();
});

test("a directory that it makes nobody else may read", { skip: process.platform === "win32" }, async () => {
  const directory = join(temporaryDirectory(), "deep", "data");
  const { engine, notices } = await open(directory);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.deepEqual(notices, []);
  await engine.close();
});

test("a directory that was there keeps its mode: one that others may enter is told of, and its files they cannot read", {
  skip: process.platform === "win32",
}, async () => {
  const directory = join(temporaryDirectory(), "data");
  mkdirSync(directory);
  chmodSync(directory, 0o755);
  const { engine, notices } = await open(directory);
  await engine.publish("c:1", hello, keepAll);
  assert.equal(statSync(directory).mode & 0o777, 0o755);
  for (const name of readdirSync(directory)) {
    assert.equal(statSync(join(directory, name)).mode & 0o077, 0, name);
  }
  assert.deepEqual(notices, [
    `${directory} was there already, and others may enter it: "chmod 700" keeps them out`,
  ]);
  await engine.close();
});

test("a second engine is refused and told who has the directory, until the first is closed", async () => {
  const directory = temporaryDirectory();
  const first = await open(directory);
  await assert.rejects(open(directory), {
    name: "StoreError",
    code: "in_use",
    message: new RegExp(`^${directory} is in use by process ${process.pid} on \\S+ since \\S+$`),
  });
  await first.engine.publish("c:1", hello, keepAll); // The refused one took nothing away.
  await assert.rejects(open(directory), { code: "in_use" });
  await first.engine.close();
  const { engine } = await open(directory);
  await engine.close();
});

test("where another engine got in all the same, nothing that either acknowledged is written over", async () => {
  const directory = temporaryDirectory();
  let isOpenAgain = (): void => {};
  const reopened = new Promise<void>((resolve) => {
    isOpenAgain = resolve;
  });
  const notices: string[] = [];
  const onNotice = (notice: string): void => {
    notices.push(notice);
    if (notice === "the store is open again") isOpenAgain();
  };
  const first = await open(directory, { onNotice });
  await first.engine.publish("c:1", { ...hello, data: '"first"' }, keepAll);
  rmSync(join(directory, "lock.db")); // The system's lock is on a file that has no name any more.
  const second = await open(directory);
  const theirs = await second.engine.publish("c:1", { ...hello, data: '"second"' }, keepAll);
  await assert.rejects(first.engine.publish("c:1", { ...hello, data: '"over it"' }, keepAll), {
    code: "unavailable",
  });
  assert.match(notices[0] ?? "", /another process has written to it/);
  await second.engine.publish("c:1", { ...hello, data: '"third"' }, keepAll);
  await second.engine.close();
  await reopened;
  assert.equal(theirs.offset, 2);
  const { offset } = await first.engine.publish("c:1", { ...hello, data: '"fourth"' }, keepAll);
  const { publications } = await first.engine.read("c:1", 0, 9);
  assert.deepEqual(
    [offset, ...publications.map(({ data }) => data)],
    [4, '"first"', '"second"', '"third"', '"fourth"'],
  );
  await first.engine.close();
});

for (const [what, name] of [
  ["the directory is moved", ""],
  ["the store is moved", "zocalo.db"],
  ["its log of changes is moved", "zocalo.db-wal"],
] as const) {
  test(`while ${what} nothing is acknowledged, and it is told`, {
    skip: process.platform === "win32",
  }, async () => {
    const directory = join(temporaryDirectory(), "data");
    const { engine, notices } = await open(directory);
    await engine.publish("c:1", hello, keepAll);
    const path = join(directory, name);
    renameSync(path, `${path}-elsewhere`);
    const some = [1, 2, 3].map(() => engine.publish("c:1", hello, keepAll));
    await Promise.allSettled(some);
    for (const refused of some) await assert.rejects(refused, { name: "ProtocolError", code: "unavailable" });
    assert.match(engine.trouble ?? "", /was removed or moved while it was open/);
    assert.equal((await engine.read("c:1", 0, 9)).head, 1);
    renameSync(`${path}-elsewhere`, path);
    assert.equal((await engine.publish("c:1", hello, keepAll)).offset, 2);
    assert.equal(engine.trouble, undefined);
    assert.equal(notices.length, 2);
    await engine.close();
  });
}

test("a directory that cannot be is refused in a sentence", async () => {
  const file = join(temporaryDirectory(), "file");
  writeFileSync(file, "");
  await assert.rejects(durable(file), {
    name: "StoreError",
    code: "unusable",
    message: /file cannot be used: /,
  });
});

test("a store of a newer release is refused in a sentence, and left as it is", async () => {
  const directory = temporaryDirectory();
  await (await open(directory)).engine.close();
  const path = join(directory, "zocalo.db");
  const database = findSqlite()(path);
  database.exec("PRAGMA user_version = 99");
  database.close();
  const before = readFileSync(path);
  await assert.rejects(open(directory), {
    code: "newer_format",
    message: /has format 99; this release reads up to 3/,
  });
  assert.deepEqual(readFileSync(path), before);
});

test("options that cannot be are refused by name", async () => {
  const directory = temporaryDirectory();
  for (const options of [{ maxBytes: 5 }, { maxChannels: 0 }, { tidyMs: 2 ** 31 }, { durability: "maybe" }]) {
    await assert.rejects(durable(directory, options as DurableOptions), {
      code: "invalid_argument",
      message: new RegExp(`^set: ${Object.keys(options)[0]} .* is not `),
    });
  }
});

test("at the limit of keys publishing with another is refused until the time of one is over", async () => {
  const clock = new SetClock();
  const { engine } = await open(temporaryDirectory(), { maxKeysPerChannel: 2, clock });
  for (const key of ["a", "b"]) await engine.publish("c:1", { ...hello, key }, keepAll);
  const third = engine.publish("c:1", { ...hello, key: "c" }, keepAll);
  await assert.rejects(third, { name: "ProtocolError", code: "limit_reached" });
  assert.equal((await engine.publish("c:1", { ...hello, key: "a" }, keepAll)).duplicate, true);
  assert.equal((await engine.publish("c:1", hello, keepAll)).offset, 3);
  clock.advance(keepAll.keyMs);
  assert.equal((await engine.publish("c:1", { ...hello, key: "c" }, keepAll)).offset, 4);
  assert.equal((await engine.publish("c:1", { ...hello, key: "a" }, keepAll)).offset, 5);
  await engine.close();
});

test("at the limit of channels one that holds nothing is forgotten, and its epoch does not come again", async () => {
  const clock = new SetClock();
  const { engine } = await open(temporaryDirectory(), { maxChannels: 2, clock });
  const { epoch } = await engine.publish("c:1", hello, { ...keepAll, ttlMs: 1_000 });
  await engine.publish("c:2", hello, keepAll);
  await assert.rejects(engine.publish("c:3", hello, keepAll), { code: "limit_reached" });
  clock.advance(1_000);
  await engine.read("c:1", 0, 1);
  assert.equal((await engine.publish("c:3", hello, keepAll)).offset, 1);
  await assert.rejects(engine.publish("c:1", hello, keepAll), { code: "limit_reached" });
  assert.notEqual((await engine.read("c:1", 0, 1)).epoch, epoch);
  await engine.close();
});

test("entries and keys are let go at their age, and not a millisecond before, past a restart too", async () => {
  const clock = new SetClock();
  const directory = temporaryDirectory();
  const ages = { ...keepAll, ttlMs: 10_000, keyMs: 10_000 };
  const first = await open(directory, { clock });
  await first.engine.publish("c:1", { ...hello, key: "k" }, ages);
  clock.advance(6_000);
  clock.now = { ...clock.now, wall: 1_900_000_000_000 }; // set while nothing ran: the boot is the same
  await first.engine.close();
  const { engine } = await open(directory, { clock });
  clock.advance(3_999);
  assert.equal((await engine.read("c:1", 0, 9)).oldest, 1);
  assert.equal((await engine.publish("c:1", { ...hello, key: "k" }, ages)).duplicate, true);
  clock.advance(1);
  assert.equal((await engine.read("c:1", 0, 9)).oldest, 2);
  assert.equal((await engine.publish("c:1", { ...hello, key: "k" }, ages)).duplicate, false);
  await engine.close();
});

test("what is kept for the longest time there is, with its key, is there past a restart", async () => {
  const directory = temporaryDirectory();
  const forEver = { ...keepAll, ttlMs: Number.MAX_SAFE_INTEGER, keyMs: Number.MAX_SAFE_INTEGER };
  const first = await open(directory);
  const one = await first.engine.publish("c:1", { ...hello, key: "k" }, forEver);
  await first.engine.close();
  const { engine } = await open(directory);
  assert.equal((await engine.read("c:1", 0, 9)).publications.length, 1);
  assert.deepEqual(await engine.publish("c:1", { ...hello, key: "k" }, forEver), { ...one, duplicate: true });
  await engine.close();
  assert.deepEqual(checkStore(directory).problems, []);
});

for (const [what, wallMs, isKept] of [
  ["goes by the wall clock", 9_999, true],
  ["goes by the wall clock to the end", 10_000, false],
  ["does not go back with it", -3_600_000, true],
] as const) {
  test(`from one boot to the next age ${what}`, async () => {
    const clock = new SetClock();
    const directory = temporaryDirectory();
    const first = await open(directory, { clock });
    await first.engine.publish("c:1", hello, { ...keepAll, ttlMs: 10_000 });
    await first.engine.close();
    clock.boot = "second";
    clock.now = { wall: clock.now.wall + wallMs, uptime: 3 };
    const { engine } = await open(directory, { clock });
    assert.equal((await engine.read("c:1", 0, 9)).publications.length, isKept ? 1 : 0);
    await engine.close();
  });
}

test("a boot in which the clock was years behind makes nothing old in the next", async () => {
  const clock = new SetClock();
  const { wall } = clock.now;
  const directory = temporaryDirectory();
  for (const [boot, now] of Object.entries({ first: wall, second: 3_000, third: wall + 1_000 })) {
    clock.boot = boot;
    clock.now = { wall: now, uptime: 3 };
    const { engine } = await open(directory, { clock });
    await engine.publish("c:1", { ...hello, key: boot }, keepAll);
    assert.equal((await engine.read("c:1", 0, 9)).oldest, 1);
    assert.equal((await engine.publish("c:1", { ...hello, key: "first" }, keepAll)).duplicate, true);
    await engine.close();
  }
});

test("bounds that were changed hold for a channel from the next publication in it on", async () => {
  const clock = new SetClock();
  const directory = temporaryDirectory();
  const first = await open(directory, { clock });
  for (let count = 0; count < 3; count++) await first.engine.publish("c:1", hello, keepAll);
  await first.engine.close();
  const { engine } = await open(directory, { clock });
  clock.advance(5_000);
  assert.equal((await engine.read("c:1", 0, 9)).oldest, 1);
  await engine.publish("c:1", hello, { ...keepAll, publications: 2 });
  assert.equal((await engine.read("c:1", 0, 9)).oldest, 3);
  await engine.publish("c:1", hello, { ...keepAll, ttlMs: 5_000 });
  assert.equal((await engine.read("c:1", 0, 9)).oldest, 4);
  await engine.close();
});

test("what is past its time is removed from the file where nobody publishes or reads", async () => {
  const clock = new SetClock();
  const directory = temporaryDirectory();
  const { engine } = await open(directory, { clock, tidyMs: 5 });
  const data = JSON.stringify("x".repeat(10_000));
  const gone = { ...keepAll, bytes: 1e9, ttlMs: 1_000, keyMs: 1_000 };
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      Array.from({ length: 100 }, (_, each) =>
        engine.publish("c:1", { user: "u", data, key: `${round} ${each}` }, gone),
      ),
    );
  }
  clock.advance(1_000);
  const path = join(directory, "zocalo.db");
  const database = findSqlite()(path);
  const left = database.prepare(
    "SELECT (SELECT count(*) FROM log) AS log, (SELECT count(*) FROM key) AS keys",
  );
  const free = database.prepare("PRAGMA freelist_count");
  const until = Date.now() + 60_000;
  const values = (): unknown[] => [...Object.values(left.get() ?? {}), ...Object.values(free.get() ?? {})];
  while (values().join() !== "0,0,0" && Date.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(values(), [0, 0, 0]);
  database.close();
  await engine.close();
  assert.ok(statSync(path).size < 200_000);
});

test("past what may wait a publication is unavailable, and what waits is committed", async () => {
  const { engine } = await open(temporaryDirectory(), { maxWaitingBytes: 65_536 });
  const data = JSON.stringify("x".repeat(30_000));
  const outcomes = await Promise.allSettled(
    Array.from({ length: 4 }, () => engine.publish("c:1", { user: "u", data }, keepAll)),
  );
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value.offset : outcome.reason.code)),
    [1, 2, "unavailable", "unavailable"],
  );
  const more = JSON.stringify("x".repeat(100_000)); // One alone is taken, whatever its size.
  assert.equal((await engine.publish("c:1", { user: "u", data: more }, keepAll)).offset, 3);
  await engine.close();
});

test("at the limit of bytes publications are refused, until others are past their time", async () => {
  const clock = new SetClock();
  const { engine, notices } = await open(temporaryDirectory(), { maxBytes: 1_048_576, clock, tidyMs: 20 });
  const data = JSON.stringify("x".repeat(40_000));
  const large = { ...keepAll, bytes: 1e9, ttlMs: 1_000 };
  let published = 0;
  const refused = async (): Promise<unknown> => {
    for (;;) {
      try {
        await engine.publish("c:1", { user: "u", data }, large);
        published++;
      } catch (error) {
        return error;
      }
    }
  };
  assert.equal(((await refused()) as { code: string }).code, "limit_reached");
  assert.ok(published > 15 && published < 27, `${published}`);
  const { publications, head } = await engine.read("c:1", 0, 100);
  assert.deepEqual([publications.length, head], [published, published]);
  assert.equal(notices.length, 1);
  clock.advance(1_000);
  for (const until = Date.now() + 60_000; Date.now() < until; ) {
    const isDone = await engine.publish("c:2", { user: "u", data }, large).then(
      () => true,
      () => false,
    );
    if (isDone) return engine.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return assert.fail("it did not recover");
});
