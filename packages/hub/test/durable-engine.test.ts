// How the engine stands between its thread, its listener and whoever calls it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findSqlite } from "../src/durable/sqlite.ts";
import { durable, type DurableEngine, type Retention } from "../src/index.ts";
import { endThreads, open, SetClock, tamper, temporaryDirectory } from "./durable-store.ts";

const keepAll: Retention = { publications: 1_000, bytes: 1e9, ttlMs: 3_600_000, keyMs: 60_000 };
const hello = { user: "ana", data: '"hello"' };

const PUBLISHER = fileURLToPath(new URL("durable-publisher.ts", import.meta.url));

function cannotTrace(): string | false {
  try {
    execFileSync("strace", ["-o", "/dev/null", "true"], { stdio: "ignore" });
    return false;
  } catch {
    return "strace cannot be run here";
  }
}

test("what closing finds is told, too", async () => {
  const clock = new SetClock();
  const directory = temporaryDirectory();
  const { engine: first } = await open(directory, { clock });
  await first.publish("c:1", hello, { ...keepAll, ttlMs: 1_000 });
  await first.close();
  tamper(directory, "DELETE FROM log");
  clock.advance(1_000);
  const { engine, notices } = await open(directory, { clock });
  await engine.close();
  assert.match(notices.join(), /^channel c:1 is damaged \(entry 1 is missing\)/);
});

test("what opening finds is told, too, when the store cannot be opened after all", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "zocalo.db"), "rubbish ".repeat(1_000));
  mkdirSync(join(directory, "witness"));
  const notices: string[] = [];
  const opening = durable(directory, { onNotice: (notice) => notices.push(notice) });
  await assert.rejects(opening, { name: "StoreError", code: "unusable" });
  assert.match(notices.join(), /zocalo\.db is damaged .*: it is kept as .*zocalo\.db\.damaged-/);
});

test("a listener that throws makes nothing of what was committed fail, and is told of", async () => {
  const notices: string[] = [];
  const engine = await durable(temporaryDirectory(), { onNotice: (notice) => notices.push(notice) });
  const heard: number[] = [];
  engine.start({
    publication(_channel, _epoch, { offset }) {
      heard.push(offset);
      throw new Error("a fault of the hub");
    },
    replaced: () => undefined,
    presence: () => undefined,
  });
  await engine.open("c:1");
  const all = await Promise.all([1, 2, 3].map(() => engine.publish("c:1", hello, keepAll)));
  assert.deepEqual(
    all.map(({ offset }) => offset),
    [1, 2, 3],
  );
  assert.deepEqual(heard, [1, 2, 3]);
  assert.match(notices[0] ?? "", /a fault of the hub/);
  await engine.close();
});

test("the listener is told when everybody else can read it", async () => {
  const directory = temporaryDirectory();
  const engine = await durable(directory);
  const seen: unknown[] = [];
  const database = findSqlite()(`${directory}/zocalo.db`);
  const heads = database.prepare("SELECT max(offset) AS head FROM log");
  engine.start({
    publication: (_channel, _epoch, { offset }) => seen.push(Number(heads.get()?.["head"]) >= offset),
    replaced: () => undefined,
    presence: () => undefined,
  });
  await engine.open("c:1");
  await Promise.all(Array.from({ length: 50 }, () => engine.publish("c:1", hello, keepAll)));
  database.close();
  assert.deepEqual(
    seen,
    Array.from({ length: 50 }, () => true),
  );
  await engine.close();
});

test("what was committed before a channel was released is no news of it when it is opened again", async () => {
  const engine = await durable(temporaryDirectory());
  const told: number[] = [];
  engine.start({
    publication: (_channel, _epoch, { offset }) => told.push(offset),
    replaced: () => undefined,
    presence: () => undefined,
  });
  await engine.open("c:1");
  const published = engine.publish("c:1", hello, keepAll);
  engine.release("c:1");
  const opened = engine.open("c:1");
  await published;
  assert.equal((await opened).head, 1);
  assert.deepEqual(told, [], "its log may be another one by then, of which opening tells");
  await engine.publish("c:1", hello, keepAll);
  assert.deepEqual(told, [2]);
  await engine.close();
});

/** How a call has ended. */
const outcomeOf = (work: Promise<{ readonly offset: number }>): Promise<number | string> =>
  work.then(
    ({ offset }) => offset,
    (error: { code: string }) => error.code,
  );

test("a thread that has ended is started again: what was acknowledged is there, and the listener hears of the rest", async () => {
  const clock = new SetClock();
  const directory = temporaryDirectory();
  const notices: string[] = [];
  const engine = await durable(directory, { clock, onNotice: (notice) => notices.push(notice) });
  const lasting = { ...keepAll, ttlMs: 1e9 };
  let told = 0;
  engine.start({
    publication: (_channel, _epoch, { offset }) => (told = offset),
    replaced: (_channel, { head }) => (told = head),
    presence: () => undefined,
  });
  const { epoch } = await engine.open("c:1");
  for (let round = 0; round < 3; round++) {
    clock.advance(3_600_000); // long after the last time
    const ending = Array.from({ length: 300 }, (_, index) =>
      outcomeOf(engine.publish("c:1", { ...hello, key: `${round} ${index}` }, lasting)),
    );
    await Promise.race(ending); // The first are committed, others are under way, others wait.
    assert.equal(engine.trouble, undefined);
    await endThreads();
    const outcomes = await Promise.all(ending);
    assert.ok(outcomes.includes("unavailable"));
    const { offset } = await engine.publish("c:1", hello, lasting); // waits until the store is open again
    const page = await engine.read("c:1", 0, 10_000);
    assert.deepEqual(
      [page.epoch, page.head, page.oldest, told],
      [epoch, offset, Math.max(1, offset - 999), offset],
    );
    const again = await Promise.all(
      outcomes.map((_, index) => engine.publish("c:1", { ...hello, key: `${round} ${index}` }, lasting)),
    );
    for (const [index, outcome] of outcomes.entries()) {
      if (typeof outcome === "number") {
        assert.deepEqual([again[index]?.offset, again[index]?.duplicate], [outcome, true]);
      }
    }
  }
  assert.deepEqual(
    notices.filter((notice) => !notice.startsWith("the store has broken down, and is opened again: ")),
    Array.from({ length: 3 }, () => "the store is open again"),
  );
  assert.equal(notices.length, 6);
  await engine.close();
});

test("while the store cannot be opened again everything is unavailable at once, and says so, until it can", async () => {
  const directory = join(temporaryDirectory(), "data");
  const troubles: unknown[] = [];
  let engine: DurableEngine | undefined;
  const notices: string[] = [];
  engine = await durable(directory, {
    tidyMs: 10,
    onNotice(notice) {
      notices.push(notice);
      troubles.push(engine?.trouble);
    },
  });
  await engine.publish("c:1", hello, keepAll);
  await endThreads(); // Tidying finds it.
  renameSync(directory, `${directory}-elsewhere`);
  writeFileSync(directory, "");
  while (notices.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.match(notices[0] ?? "", /^the store has broken down, and is opened again: /);
  assert.match(notices[1] ?? "", /^the store cannot be opened: .*data cannot be used/);
  while (engine.trouble !== "the store cannot be opened")
    await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(engine.publish("c:1", hello, keepAll), { code: "unavailable" });
  await assert.rejects(engine.read("c:1", 0, 1), { code: "unavailable" });
  rmSync(directory);
  renameSync(`${directory}-elsewhere`, directory);
  while (engine.trouble !== undefined) await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await engine.publish("c:1", hello, keepAll)).offset, 2);
  assert.equal(notices.at(-1), "the store is open again");
  assert.equal(troubles[0], "the store is being opened");

  await endThreads();
  renameSync(directory, `${directory}-elsewhere`);
  writeFileSync(directory, "");
  while (engine.trouble !== "the store cannot be opened")
    await new Promise((resolve) => setImmediate(resolve));
  await engine.close(); // It does not wait for what may never come.
  await assert.rejects(engine.publish("c:1", hello, keepAll), /is closed/);
});

test("each publication waits for the disk, and those that come at once wait together", {
  skip: cannotTrace(),
}, () => {
  for (const [durability, least, most] of [
    ["disk", 1, 8],
    ["process", 0, 0],
  ] as const) {
    const directory = temporaryDirectory();
    const trace = join(directory, "trace");
    const args = process.execArgv.filter((arg) => !arg.startsWith("--test"));
    const command = [process.execPath, ...args, PUBLISHER, join(directory, "data"), durability];
    execFileSync("strace", ["-f", "-o", trace, "-e", "trace=fsync,fdatasync,write", ...command], {
      stdio: "ignore",
    });
    // What the system was asked to do from one line of the publisher to the next.
    const between = readFileSync(trace, "utf8")
      .split(/write\(1, "publish/)
      .slice(1);
    assert.equal(between.length, 20);
    for (const calls of between) {
      const [waited = ""] = calls.split('write(1, "acknowledged');
      const synced = waited.match(/f(data)?sync(\(\d+\)| resumed>\)) += 0/g) ?? [];
      assert.ok(synced.length >= least && synced.length <= most, `${durability}: ${waited}`);
    }
  }
});
