import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { findSqlite } from "../src/durable/sqlite.ts";
import {
  type Committed,
  durable,
  type DurableEngine,
  type DurableOptions,
  type Engine,
  restoreStore,
  type Retention,
  type StoreClock,
} from "../src/index.ts";
import { open, tamper, temporaryDirectory } from "./durable-store.ts";
import { square } from "./square.ts";

const keepAll: Retention = { publications: 1_000, bytes: 1e9, ttlMs: 3_600_000, keyMs: 60_000 };

/** Every publication is a text that says where it belongs. */
async function fill(engine: DurableEngine, channels: number, each: number): Promise<Map<string, Committed>> {
  const heads = new Map<string, Committed>();
  for (let number = 1; number <= each; number++) {
    const all = Array.from({ length: channels }, async (_, index) => {
      const channel = `c:${index}`;
      const data = JSON.stringify(`${channel} ${number} ${"x".repeat(100)}`);
      heads.set(channel, await engine.publish(channel, { user: "u", data, key: `${number}` }, keepAll));
    });
    await Promise.all(all);
  }
  return heads;
}

/**
 * Reads every channel, and demands that each that still has its epoch has all that it had, and that nobody is
 * given what was not published.
 *
 * @returns the channels whose epoch has turned
 */
async function turned(engine: DurableEngine, before: ReadonlyMap<string, Committed>): Promise<string[]> {
  const found: string[] = [];
  for (const [channel, { epoch, offset }] of before) {
    const page = await engine.read(channel, 0, 1_000);
    for (const publication of page.publications) {
      const data = String(publication.data);
      assert.ok(data.startsWith(`"${channel} ${publication.offset} x`), data);
    }
    if (page.epoch !== epoch) found.push(channel);
    else assert.deepEqual([page.head, page.publications.length], [offset, offset], channel);
  }
  return found;
}

test("a changed entry ends the epoch of its channel, of no other, and what it had is set aside", async () => {
  const directory = temporaryDirectory();
  const first = await open(directory);
  const before = await fill(first.engine, 3, 5);
  await first.engine.close();
  tamper(directory, `UPDATE log SET data = replace(data, 'c:1 3 x', 'c:1 3 y') WHERE data LIKE '"c:1 3 %'`);

  const { engine, notices, replaced } = await open(directory);
  assert.equal((await engine.open("c:1")).epoch, before.get("c:1")?.epoch);
  const page = await engine.read("c:1", 0, 10);
  assert.notEqual(page.epoch, before.get("c:1")?.epoch);
  assert.deepEqual([page.head, page.publications.length], [0, 0]);
  assert.deepEqual(replaced, [["c:1", { epoch: page.epoch, head: 0, oldest: 1 }]]);
  assert.deepEqual(notices, [
    "channel c:1 is damaged (entry 3 was changed): what it had is set aside, and it begins anew",
  ]);
  assert.equal((await engine.publish("c:1", { user: "u", data: "1" }, keepAll)).epoch, page.epoch);
  assert.deepEqual(await turned(engine, new Map([...before].filter(([name]) => name !== "c:1"))), []);
  await engine.close();

  const again = await open(directory);
  assert.equal((await again.engine.read("c:1", 0, 1)).epoch, page.epoch);
  assert.deepEqual(again.notices, []);
  await again.engine.close();
});

for (const [what, sql, reason] of [
  ["an entry that is gone", `DELETE FROM log WHERE data LIKE '"c:1 3 %'`, "entry 3 is missing"],
  ["the last entry that is gone", `DELETE FROM log WHERE data LIKE '"c:1 5 %'`, "entry 5 is missing"],
  ["the row of a channel", "UPDATE channel SET head = 3 WHERE name = 'c:1'", "its row was changed"],
  ["an index of channels", "UPDATE channel SET hash = 5 WHERE name = 'c:1'", "two indexes disagree"],
] as const) {
  test(`${what}: the epoch of the channel turns`, async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const before = await fill(first.engine, 3, 5);
    await first.engine.close();
    tamper(directory, sql);
    const { engine, notices } = await open(directory);
    assert.deepEqual(await turned(engine, before), ["c:1"]);
    assert.deepEqual(notices, [
      `channel c:1 is damaged (${reason}): what it had is set aside, and it begins anew`,
    ]);
    await engine.close();
  });
}

for (const [what, sql] of [
  ["bytes that were changed", "UPDATE log SET data = X'5b32' WHERE channel = 1 AND offset = 1"],
  ["bytes that became a text", "UPDATE log SET data = CAST(data AS TEXT) WHERE channel = 1 AND offset = 1"],
  ["a text that became bytes", "UPDATE log SET data = CAST(data AS BLOB) WHERE channel = 1 AND offset = 2"],
] as const) {
  test(`${what}: the epoch of the channel turns`, async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    for (const data of [Buffer.from("[1]"), "[1]"])
      await first.engine.publish("c:1", { user: "u", data }, keepAll);
    await first.engine.close();
    tamper(directory, sql);
    const { engine, notices } = await open(directory);
    assert.equal((await engine.read("c:1", 0, 10)).head, 0);
    assert.match(notices[0] ?? "", /^channel c:1 is damaged \(entry [12] was changed\)/);
    await engine.close();
  });
}

// Of a page 256 are read at a time, the newest first, and damage is found when it is read.
for (const [where, entry] of [
  ["among the newest", 200],
  ["further back", 20],
] as const) {
  for (const anew of [undefined, 5, 280]) {
    const how = anew === undefined ? "by it" : `meanwhile, and ${anew} are published anew`;
    test(`damage ${where} that a page of history meets, found ${how}: the page is of the new log`, async () => {
      const directory = temporaryDirectory();
      const publish = (engine: Engine, count: number): Promise<readonly Committed[]> =>
        Promise.all(
          Array.from({ length: count }, () => engine.publish("c:0", { user: "u", data: "1" }, keepAll)),
        );
      const first = await open(directory);
      const [old] = await publish(first.engine, 300);
      await first.engine.close();
      tamper(directory, `UPDATE log SET data = '2' WHERE offset = ${entry}`);

      const engine = await durable(directory);
      const read = engine.read.bind(engine);
      let isUnknown = anew !== undefined;
      engine.read = async (...args) => {
        const page = await read(...args);
        if (!isUnknown) return page;
        isUnknown = false;
        await read("c:0", 0, 1_000);
        await publish(engine, anew ?? 0);
        return page;
      };
      const { hub, conn } = square({ engine, namespaces: { c: { subscribe: "anyone" } } });
      const answer = await conn().ask({ type: "history", channel: "c:0", limit: 1_000 });
      assert.ok(answer.type === "history");
      const { epoch, head, oldest, publications } = answer;
      assert.notEqual(epoch, old?.epoch);
      assert.deepEqual([head, oldest], [anew ?? 0, 1]);
      assert.deepEqual(
        publications.map(({ offset }) => offset),
        Array.from({ length: head }, (_, index) => index + 1),
      );
      await hub.close();
    });
  }
}

test("damage that a publication meets keeps nobody from publishing", async () => {
  const directory = temporaryDirectory();
  const first = await open(directory);
  const before = await fill(first.engine, 2, 5);
  await first.engine.close();
  tamper(directory, "UPDATE key SET offset = 1 WHERE key = '3'");
  const { engine, notices } = await open(directory);
  const [one, other] = await Promise.all([
    engine.publish("c:1", { user: "u", data: "1", key: "3" }, keepAll),
    engine.publish("c:new", { user: "u", data: "1" }, keepAll),
  ]);
  assert.deepEqual([one.offset, one.duplicate, other.offset], [1, false, 1]);
  assert.notEqual(one.epoch, before.get("c:1")?.epoch);
  assert.equal(notices.length, 1);
  await engine.close();
});

test("a file that is no database is kept under another name, and every open channel is told", async () => {
  const directory = temporaryDirectory();
  const first = await open(directory);
  const before = await fill(first.engine, 3, 5);
  await first.engine.close();
  writeFileSync(join(directory, "zocalo.db"), "rubbish ".repeat(1_000));
  const { engine, notices } = await open(directory);
  assert.deepEqual(await turned(engine, before), ["c:0", "c:1", "c:2"]);
  assert.match(notices[0] ?? "", /zocalo\.db is damaged .*: it is kept as .*zocalo\.db\.damaged-/);
  assert.ok(readdirSync(directory).some((name) => name.startsWith("zocalo.db.damaged-")));
  await engine.close();
});

test("a file that turns out to be damaged while it is open is replaced, and open channels are told", async () => {
  const directory = temporaryDirectory();
  const first = await open(directory);
  const before = await fill(first.engine, 50, 20);
  await first.engine.close();
  const path = join(directory, "zocalo.db");
  const bytes = readFileSync(path);
  bytes.fill(0xff, 4_096 * 10); // the pages of the first tables are whole
  writeFileSync(path, bytes);
  const { engine, notices, replaced } = await open(directory);
  await engine.open("c:new");
  assert.equal((await turned(engine, before)).length, 50);
  assert.ok(notices.length > 0);
  const { epoch } = await engine.read("c:new", 0, 1);
  assert.deepEqual(replaced.at(-1), ["c:new", { epoch, head: 0, oldest: 1 }]);
  assert.equal((await engine.publish("c:new", { user: "u", data: "1" }, keepAll)).offset, 1);
  await engine.close();
});

test("a store that is gone is told of, and every channel begins anew", async () => {
  const directory = temporaryDirectory();
  const first = await open(directory);
  const before = await fill(first.engine, 2, 3);
  await first.engine.close();
  const path = join(directory, "zocalo.db");
  rmSync(path);
  const { engine, notices } = await open(directory);
  assert.deepEqual(notices, [`${path} was here and is gone: every channel begins anew`]);
  assert.deepEqual(await turned(engine, before), ["c:0", "c:1"]);
  await engine.close();
});

test("a backup that was copied back by hand turns every epoch", async () => {
  const directory = temporaryDirectory();
  const path = join(directory, "zocalo.db");
  const first = await open(directory);
  await fill(first.engine, 2, 3);
  await first.engine.close();
  copyFileSync(path, `${path}.old`);
  const second = await open(directory);
  const before = await fill(second.engine, 2, 6);
  await second.engine.close();
  copyFileSync(`${path}.old`, path);
  const { engine, notices } = await open(directory);
  assert.match(notices[0] ?? "", /has lost \d+ of its \d+ commits: every epoch turns/);
  assert.deepEqual(await turned(engine, before), ["c:0", "c:1"]);
  assert.equal((await engine.read("c:1", 0, 10)).head, 3); // what there is may be read
  await engine.close();
});

test("the same old copy put back twice, and a newer one after an older one, turn every epoch", async () => {
  const directory = temporaryDirectory();
  const path = join(directory, "zocalo.db");
  const epochs = new Set<string>();
  const lives = async (each: number): Promise<void> => {
    const { engine } = await open(directory);
    if (each > 0) await fill(engine, 1, each);
    epochs.add((await engine.read("c:0", 0, 1)).epoch);
    await engine.close();
  };
  await lives(3);
  copyFileSync(path, `${path}.old`);
  await lives(6);
  copyFileSync(path, `${path}.newer`);
  await lives(9);
  // Two lives without a commit: nothing but the first of them tells that something is missing.
  for (const [copy, count] of [
    ["old", 2],
    ["old", 3],
    ["newer", 4],
    ["newer", 5],
  ] as const) {
    copyFileSync(`${path}.${copy}`, path);
    await lives(0);
    assert.equal(epochs.size, count, copy);
  }
  restoreStore(`${path}.old`, directory);
  await lives(0);
  assert.equal(epochs.size, 6);
  copyFileSync(`${path}.newer`, path);
  await lives(0);
  assert.equal(epochs.size, 7, "a newer one after a restore");
});

/** The files of a store as a killed process leaves them: it is copied while it is open. */
async function abandoned(
  channels: number,
  each: number,
  options: DurableOptions = {},
): Promise<{ directory: string; before: Map<string, Committed> }> {
  const from = temporaryDirectory();
  const directory = temporaryDirectory();
  const { engine } = await open(from, options);
  const before = await fill(engine, channels, each);
  for (const name of readdirSync(from)) {
    if (name !== "lock.db" && name !== "lock.db-journal")
      copyFileSync(join(from, name), join(directory, name));
  }
  await engine.close();
  return { directory, before };
}

test("a log of changes that was cut short turns every epoch", async () => {
  const { directory, before } = await abandoned(3, 20);
  const wal = join(directory, "zocalo.db-wal");
  truncateSync(wal, Math.floor(statSync(wal).size / 2));
  const { engine, notices } = await open(directory);
  assert.match(notices[0] ?? "", /has lost \d+ of its \d+ commits: every epoch turns/);
  assert.deepEqual(await turned(engine, before), ["c:0", "c:1", "c:2"]);
  await engine.close();
});

for (const durability of ["process", "disk"] as const) {
  test(`a loss of power may take what "${durability}" acknowledged: ${durability === "disk" ? "nothing" : "every epoch turns"}`, async () => {
    const clock = (boot: string): StoreClock => ({
      wall: () => Date.now(),
      uptime: () => performance.now(),
      boot,
    });
    const { directory, before } = await abandoned(3, 20, { durability, clock: clock("first") });
    // Killed without a loss of power it goes on: what the system had it has still.
    const same = temporaryDirectory();
    for (const name of readdirSync(directory)) copyFileSync(join(directory, name), join(same, name));
    for (const next of [durability, "disk"] as const) {
      const { engine, notices } = await open(same, { durability: next, clock: clock("first") });
      assert.deepEqual([await turned(engine, before), notices], [[], []]);
      await engine.close();
    }
    const { engine, notices } = await open(directory, { durability: "disk", clock: clock("second") });
    const lost = await turned(engine, before);
    assert.deepEqual(lost, durability === "disk" ? [] : ["c:0", "c:1", "c:2"]);
    assert.equal(notices.length, durability === "disk" ? 0 : 1);
    await engine.close();
    // Closed in order nothing is missing, whatever starts anew.
    const third = await open(directory, { durability, clock: clock("third") });
    await third.engine.close();
    const { engine: last, notices: none } = await open(directory, { durability, clock: clock("fourth") });
    assert.deepEqual(none, []);
    await last.close();
  });
}

for (const column of ["user", "info", "data"]) {
  test(`a ${column} that has become bytes, which print as the same text, ends the epoch of its channel`, async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const { epoch } = await first.engine.publish("c:0", { user: "u", info: "{}", data: "1" }, keepAll);
    await first.engine.close();
    const database = findSqlite()(join(directory, "zocalo.db"));
    database.exec(`UPDATE log SET ${column} = CAST(${column} AS BLOB)`);
    database.close();
    const { engine, notices } = await open(directory);
    assert.notEqual((await engine.read("c:0", 0, 1)).epoch, epoch);
    assert.match(notices.join(), /^channel c:0 is damaged \(entry 1 was changed\)/);
    await engine.close();
  });
}

const ROUNDS = Number(process.env["ZOCALO_DAMAGE_ROUNDS"] ?? 12);
const SEED = Number(process.env["ZOCALO_DAMAGE_SEED"] ?? Date.now() % 1_000_000);

test(`${ROUNDS} stores of which a byte was flipped or the end cut (ZOCALO_DAMAGE_SEED=${SEED}): what is given is true`, async () => {
  const { directory: whole, before } = await abandoned(20, 10);
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(SEED + round);
    const directory = temporaryDirectory();
    for (const name of readdirSync(whole)) copyFileSync(join(whole, name), join(directory, name));
    const isWal = random.chance(0.5);
    if (!isWal) await (await open(directory)).engine.close(); // all is in the one file then
    const path = join(directory, isWal ? "zocalo.db-wal" : "zocalo.db");
    const bytes = readFileSync(path);
    const at = random.below(bytes.length);
    if (random.chance(0.2)) truncateSync(path, at);
    else {
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      writeFileSync(path, bytes);
    }
    const { engine, notices } = await open(directory).catch((error: unknown) => {
      // The one number that says that a newer release wrote it was what was changed.
      assert.equal((error as { code?: unknown }).code, "newer_format", `round ${round}: ${String(error)}`);
      return { engine: undefined, notices: [] };
    });
    if (!engine) continue;
    const lost = await turned(engine, before).catch((error: unknown) => {
      throw new Error(`round ${round}, byte ${at} of ${path}`, { cause: error });
    });
    if (lost.length > 0) assert.ok(notices.length > 0, `round ${round}`);
    for (const channel of before.keys()) {
      const { offset } = await engine.publish(channel, { user: "u", data: "1" }, keepAll);
      assert.equal((await engine.read(channel, offset - 1, 1)).publications[0]?.data, "1");
    }
    await engine.close();
    assert.ok(existsSync(join(directory, "zocalo.db")));
  }
});
