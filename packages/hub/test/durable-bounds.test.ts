// What a store may be made to do, or to keep, by whoever publishes and reads: each bound, and one past it.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer, Batch, Request } from "../src/durable/messages.ts";
import { findSqlite, type OpenDatabase, type SqlRow } from "../src/durable/sqlite.ts";
import { Store } from "../src/durable/store.ts";
import { checkStore, type Retention } from "../src/index.ts";
import { open, SetClock, tamper, temporaryDirectory } from "./durable-store.ts";

const keepAll: Retention = { publications: 1_000, bytes: 1e9, ttlMs: 3_600_000, keyMs: 60_000 };
const hello = { user: "ana", data: '"hello"' };
const isFull = { name: "ProtocolError", code: "limit_reached" };

/** A store in this thread, and what it does to its database. */
function storeIn(
  directory: string,
  options: { readonly maxBytes?: number; readonly maxChannels?: number } = {},
): {
  readonly run: (...requests: Request[]) => ReturnType<Store["run"]>;
  readonly clock: SetClock;
  readonly counted: { commits: number; rows: number };
} {
  const counted = { commits: 0, rows: 0 };
  const open: OpenDatabase = (path) => {
    const database = findSqlite()(path);
    return {
      close: () => database.close(),
      exec(sql) {
        if (sql === "COMMIT") counted.commits++;
        return database.exec(sql);
      },
      prepare(sql) {
        const statement = database.prepare(sql);
        const rows = (...found: (SqlRow | undefined)[]): void => {
          for (const row of found) {
            const front = row?.["front"]; // the rows of the oldest entries, as one text
            counted.rows += typeof front === "string" ? (JSON.parse(front) as unknown[]).length : 1;
          }
        };
        return {
          run: (...values) => statement.run(...values),
          get(...values) {
            const row = statement.get(...values);
            rows(row);
            return row;
          },
          all(...values) {
            const found = statement.all(...values);
            rows(...found);
            return found;
          },
        };
      },
    };
  };
  const clock = new SetClock();
  const settings = {
    directory,
    durability: "process",
    maxBytes: 1e9,
    maxChannels: 1e6,
    maxKeysPerChannel: 1e6,
    ...options,
  } as const;
  const store = new Store(open, settings, clock.boot, clock.now);
  return { run: (...requests) => store.run({ now: clock.now, requests } satisfies Batch), clock, counted };
}

function publish(channel: string, data: string, key?: string, retention = keepAll): Request {
  return { kind: "publish", channel, publication: { user: "u", data, key }, retention };
}

function codes(answers: readonly Answer[]): unknown[] {
  return answers.map((answer) => (answer.kind === "failed" ? answer.code : answer.kind));
}

const large = JSON.stringify("x".repeat(40_000));

test("a batch is one commit, and reading none", () => {
  const { run, counted } = storeIn(temporaryDirectory());
  const before = counted.commits;
  run(...Array.from({ length: 128 }, (_, index) => publish(`c:${index % 40}`, "1", `${index}`)));
  assert.equal(counted.commits, before + 1);
  run({ kind: "open", channel: "c:1" }, { kind: "read", channel: "c:1", after: 0, limit: 9 });
  assert.equal(counted.commits, before + 1);
});

test("at the limit of channels a new name costs no look at all of them", () => {
  const { run, clock, counted } = storeIn(temporaryDirectory(), { maxChannels: 2_000 });
  const names = Array.from({ length: 2_000 }, (_, index) => `c:${index}`);
  run(...names.map((name, index) => publish(name, "1", undefined, { ...keepAll, ttlMs: 1_000 + index })));
  for (const isGone of [false, true]) {
    if (isGone) clock.advance(1_100); // a hundred of them
    counted.rows = 0;
    const { answers } = run(...Array.from({ length: 128 }, (_, index) => publish(`n:${index}`, "1")));
    assert.equal(codes(answers).filter((code) => code === "committed").length, isGone ? 101 : 0);
    assert.ok(counted.rows < 128 * 24, `${counted.rows} rows read`);
  }
});

test("a step of tidying is short, and the steps come to an end", (t) => {
  const directory = temporaryDirectory();
  const { run, clock, counted } = storeIn(directory);
  const gone = { publications: 1e6, bytes: 1e9, ttlMs: 1_000, keyMs: 1_000 };
  for (let number = 0; number < 20_000; number += 500) {
    run(
      ...Array.from({ length: 500 }, (_, each) => publish(`c:${each % 100}`, "1", `${number + each}`, gone)),
    );
  }
  clock.advance(1_000);
  let now = 0;
  t.mock.method(performance, "now", () => (now += 4)); // The time of a step is over at its first look.
  const left = findSqlite()(`${directory}/zocalo.db`);
  const count = (): number => Number(Object.values(left.prepare("SELECT count(*) FROM log").get() ?? {})[0]);
  let most = 0;
  for (let steps = 0, before = count(), isMoreToDo = true; isMoreToDo; steps++) {
    assert.ok(steps < 5_000);
    counted.rows = 0;
    const [answer] = run({ kind: "tidy" }).answers;
    isMoreToDo = answer?.kind === "done" && answer.isMoreToDo;
    const after = count();
    most = Math.max(most, before - after, counted.rows);
    before = after;
  }
  t.diagnostic(`at most ${most} rows in a step`);
  assert.ok(most <= 1_000);
  assert.equal(count(), 0);
  left.close();
});

test("room that is free is given back while nobody publishes; meanwhile four megabytes are left for what comes", () => {
  const directory = temporaryDirectory();
  const { run, clock } = storeIn(directory);
  const gone = { publications: 1e6, bytes: 1e9, ttlMs: 1_000, keyMs: 0 };
  for (let number = 0; number < 200; number++) run(publish("c:1", large, undefined, gone));
  clock.advance(1_000);
  const database = findSqlite()(`${directory}/zocalo.db`);
  const free = database.prepare("PRAGMA freelist_count");
  const spare = (): number => Number(Object.values(free.get() ?? {})[0]);
  /** Tidies until there is nothing more to do; somebody publishes before each step, or nobody does. */
  const tidied = (isBusy: boolean): number => {
    for (let isMoreToDo = true; isMoreToDo; ) {
      if (isBusy) run(publish("c:2", "1"));
      const [answer] = run({ kind: "tidy" }).answers;
      isMoreToDo = answer?.kind === "done" && answer.isMoreToDo;
    }
    return spare();
  };
  assert.equal(tidied(true), 1_024);
  assert.equal(tidied(false), 0);
  database.close();
});

test("at the limit of channels an open one keeps its epoch, and its head if it has one", async () => {
  const clock = new SetClock();
  const { engine } = await open(temporaryDirectory(), { maxChannels: 3, clock });
  const unused = await engine.open("c:unused");
  const short = { ...keepAll, ttlMs: 1_000, keyMs: 1_000 };
  for (const channel of ["c:gone", "c:used"]) await engine.publish(channel, hello, short);
  const used = await engine.open("c:used");
  await engine.publish("c:kept", hello, keepAll);
  clock.advance(1_000);
  await engine.publish("c:new", hello, keepAll); // c:gone is forgotten for it
  assert.deepEqual(await engine.read("c:used", 0, 1), { ...used, oldest: 2, publications: [] });
  assert.equal((await engine.read("c:unused", 0, 1)).epoch, unused.epoch);
  await assert.rejects(engine.publish("c:unused", hello, keepAll), isFull);
  engine.release("c:used");
  assert.equal((await engine.publish("c:unused", hello, keepAll)).epoch, unused.epoch);
  assert.notEqual((await engine.read("c:used", 0, 1)).epoch, used.epoch);
  await engine.close();
});

test("keys whose time is over do not pile up while 20,000 a second are published", () => {
  const directory = temporaryDirectory();
  const { run, clock } = storeIn(directory);
  const retention = { ...keepAll, keyMs: 1_000 };
  for (let number = 0; number < 50_000; number += 128) {
    clock.advance(6.4);
    run(...Array.from({ length: 128 }, (_, each) => publish("c:1", "1", `${number + each}`, retention)));
  }
  const database = findSqlite()(`${directory}/zocalo.db`);
  const [count] = Object.values(database.prepare("SELECT count(*) FROM key").get() ?? {});
  database.close();
  assert.ok(Number(count) >= 19_900 && Number(count) <= 21_000, `${count}`);
});

test("a publication that does not fit is refused alone, and whoever runs the server is told once", () => {
  const { run, clock } = storeIn(temporaryDirectory(), { maxBytes: 1_048_576 });
  const small = publish("c:small", "1", undefined, { ...keepAll, publications: 0 }); // takes no room
  run(small);
  const notices: string[] = [];
  let refused = 0;
  while (refused === 0) {
    const outcome = run(publish("c:large", large));
    notices.push(...outcome.notices);
    refused = codes(outcome.answers).filter((code) => code === "limit_reached").length;
  }
  for (let round = 0; round < 20; round++) {
    const outcome = run(small, publish("c:large", large), { kind: "tidy" }, small);
    notices.push(...outcome.notices);
    assert.deepEqual(codes(outcome.answers), ["committed", "limit_reached", "done", "committed"]);
  }
  assert.ok(notices.length <= 2, notices.join("\n"));
  clock.advance(60_000);
  notices.push(...run(publish("c:large", large)).notices);
  assert.ok(notices.length <= 4, notices.join("\n"));
});

test("what a batch of reads gives is bounded, and the rest is given by the next one", () => {
  const { run } = storeIn(temporaryDirectory());
  run(...Array.from({ length: 64 }, () => publish("c:1", large)));
  const reads = Array.from(
    { length: 128 },
    (): Request => ({ kind: "read", channel: "c:1", after: 0, limit: 64 }),
  );
  const { answers } = run(...reads);
  assert.ok(answers.length >= 1 && answers.length <= 2, `${answers.length} pages of 2.5 MB`);
  assert.equal(run(...reads.slice(answers.length)).answers[0]?.kind, "page");
});

test("a crowd that reads at once is answered in its turn, among those who publish", async () => {
  const { engine } = await open(temporaryDirectory());
  await Promise.all(
    Array.from({ length: 20 }, () => engine.publish("c:1", { user: "u", data: large }, keepAll)),
  );
  const work = Array.from({ length: 60 }, async (_, index) => {
    const page = engine.read("c:1", 0, 1_000);
    const { offset } = await engine.publish("c:1", hello, keepAll);
    assert.equal(offset, 21 + index);
    const { head, publications } = await page;
    assert.deepEqual([head, publications.length], [20 + index, 20 + index]);
  });
  await Promise.all(work);
  await engine.close();
});

test("all that waits counts: names, keys, users, what it takes beside them, and whoever reads", async () => {
  const { engine } = await open(temporaryDirectory(), { maxWaitingBytes: 65_536 });
  const channel = `c:${"n".repeat(126)}`;
  const count = async (work: (index: number) => Promise<unknown>): Promise<number> => {
    const outcomes = await Promise.allSettled(Array.from({ length: 1_000 }, (_, index) => work(index)));
    const failed = outcomes.filter((outcome) => outcome.status === "rejected");
    assert.ok(failed.every(({ reason }) => reason.code === "unavailable"));
    return 1_000 - failed.length;
  };
  const published = await count((index) =>
    engine.publish(channel, { user: "u".repeat(64), data: "1", key: `${index}`.padEnd(64) }, keepAll),
  );
  assert.ok(published >= 50 && published <= 65_536 / (128 + 64 + 64), `${published}`);
  const read = await count(() => engine.read(channel, 0, 1));
  assert.ok(read >= 50 && read <= 65_536 / 128, `${read}`);
  engine.release(channel); // What has to be done is done.
  assert.equal((await engine.publish(channel, hello, keepAll)).offset, published + 1);
  await engine.close();
});

test("damage in one channel costs no other, however many have some, and what is set aside has a bound", async () => {
  const directory = temporaryDirectory();
  const { engine: first } = await open(directory);
  const names = Array.from({ length: 100 }, (_, index) => `c:${index}`);
  await Promise.all(names.map((name) => first.publish(name, { ...hello, key: "k" }, keepAll)));
  const sound = await first.publish("c:sound", hello, keepAll);
  await first.close();
  tamper(directory, "UPDATE log SET data = '0' WHERE channel <= 100");
  const { engine, notices } = await open(directory, { tidyMs: 5 });
  const pages = await Promise.all(names.map((name) => engine.read(name, 0, 1)));
  assert.ok(pages.every(({ head, epoch }) => head === 0 && epoch !== sound.epoch));
  assert.equal(notices.length, 100);
  assert.equal((await engine.read("c:sound", 0, 1)).publications.length, 1);
  for (const until = Date.now() + 60_000; checkStore(directory).setAside.length > 64; ) {
    assert.ok(Date.now() < until, "what was set aside first is removed");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { setAside, problems, channels } = checkStore(directory);
  assert.deepEqual([setAside.length, problems, channels], [64, [], 101]);
  await engine.close();
  tamper(directory, "UPDATE channel SET due = 1"); // also those, as where they were set aside in format 1
  const again = await open(directory);
  await again.engine.close();
  assert.deepEqual(again.notices, []);
});
