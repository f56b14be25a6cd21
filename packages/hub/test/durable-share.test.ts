// One address takes all it can get of a store; there is room for the others, also when it was opened again.
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { findSqlite } from "../src/durable/sqlite.ts";
import { type DurableEngine, MemoryEngine, type Retention } from "../src/index.ts";
import { open, SetClock, temporaryDirectory, temporaryStore } from "./durable-store.ts";
import { square } from "./square.ts";
import { GREEDY, HONEST, honestVisit, unproved } from "./visitors.ts";

const keepAll: Retention = { publications: 1_000, bytes: 1e9, ttlMs: 3_600_000, keyMs: 60_000 };
const isFull = { name: "ProtocolError", code: "limit_reached" };
const greedy = { user: "g", data: '"hello"', address: "203.0.113.7" };
const honest = { ...greedy, address: "198.51.100.1" };

/** Shares as the file has them, or as what is held adds up to. */
function shares(directory: string): { readonly said: unknown[]; readonly held: unknown[] } {
  const database = findSqlite()(join(directory, "zocalo.db"));
  const said = database.prepare("SELECT id, bytes, channels, keys FROM share ORDER BY id").all();
  const held = database
    .prepare(
      `SELECT holder AS id, sum(bytes) AS bytes, sum(channels) AS channels, sum(keys) AS keys FROM (
         SELECT holder, CASE WHEN row <= 1002 THEN (row * 4 + 2) / 3 ELSE 1002 + (row - 1002 + 4091) / 4092 * 4096 END AS bytes,
                0 AS channels, 0 AS keys
         FROM (SELECT log.holder,
                      octet_length(data) + ifnull(octet_length(info), 0) + octet_length(user) + 64 AS row
               FROM log JOIN channel ON channel.id = log.channel WHERE offset >= oldest)
         UNION ALL SELECT holder, 2 * octet_length(name) + 192, 1, 0 FROM channel
         UNION ALL SELECT holder, 2 * octet_length(key) + 96, 0, 1 FROM key
       ) WHERE holder <> 0 GROUP BY holder ORDER BY holder`,
    )
    .all();
  database.close();
  const plain = (rows: object[]): unknown[] => rows.map((row) => ({ ...row }));
  return { said: plain(said), held: plain(held) };
}

test("one address takes a quarter of the bytes, also when the store was opened again, until they are past their time", async () => {
  const clock = new SetClock();
  const directory = temporaryDirectory();
  const data = JSON.stringify("x".repeat(10_000));
  const hour = { ...keepAll, ttlMs: 3_600_000 };
  const fill = async (engine: DurableEngine, address: string): Promise<number> => {
    for (let count = 0; ; count++) {
      const channel = `c:${address === greedy.address ? "g" : "h"}:${count % 5}`;
      const error = await engine.publish(channel, { user: "u", data, address }, hour).then(
        () => undefined,
        (reason: unknown) => reason as { code?: string; message: string },
      );
      if (!error) continue;
      assert.equal(error.code, "limit_reached");
      assert.match(error.message, /keeps at most 1048576 bytes of what one address published/);
      return count;
    }
  };
  const options = { maxBytes: 4 * 1_048_576, clock };
  const first = await open(directory, options);
  const taken = await fill(first.engine, greedy.address);
  // Each takes three pages in the file, and a part of one.
  assert.ok(taken > 70 && taken <= 78, `${taken}`);
  await first.engine.publish("c:tiny", { ...greedy, data: "1" }, hour); // There is room for that.
  await first.engine.publish(
    "c:none",
    { user: "u", data, address: greedy.address },
    { ...hour, publications: 0 },
  );
  await first.engine.close();

  const { engine, notices } = await open(directory, options);
  assert.equal(await fill(engine, greedy.address), 0);
  assert.equal(await fill(engine, honest.address), taken);
  await engine.publish("c:server", { user: "server", data }, hour); // who has no address has no share
  assert.deepEqual(notices, []);
  clock.advance(3_600_000);
  for (let channel = 0; channel < 5; channel++) await engine.read(`c:g:${channel}`, 0, 1);
  assert.ok((await fill(engine, greedy.address)) >= taken - 1);
  await engine.close();
  const { said, held } = shares(directory);
  assert.deepEqual(said, held);
  assert.equal(readFileSync(join(directory, "zocalo.db")).includes("203.0.113"), false, "no address is kept");
});

for (const [what, user, length, channelOf] of [
  ["under a long name", "ñ".repeat(128), 1, () => "c:1"],
  ["each in a channel of its own", "u", 1, (count: number) => `c:${count}:`.padEnd(128, "x")],
  // Four would fill a page, if nothing came between.
  ["each a fifth of a page long", "u", 820, (count: number) => `c:${count % 50}`],
  // A little more than a quarter of a page: the rest of it takes a page of its own.
  ["each a little longer than what pages share", "u", 1_000, (count: number) => `c:${count % 50}`],
] as const) {
  test(`what one address publishes ${what}, little as it is, fills no more than its share`, async () => {
    const maxBytes = 2 * 1_048_576;
    const directory = temporaryDirectory();
    const { engine } = await open(directory, { maxBytes });
    const forever = { ...keepAll, publications: 1e6 };
    const publish = (count: number): Promise<unknown> =>
      engine.publish(channelOf(count), { ...greedy, user, data: "1".repeat(length) }, forever);
    const message = `this server keeps at most ${maxBytes / 4} bytes of what one address published`;
    await assert.rejects(
      async () => {
        for (let count = 0; ; count += 100) {
          await Promise.all(Array.from({ length: 100 }, (_, index) => publish(count + index)));
        }
      },
      { message },
    );
    const data = JSON.stringify("x".repeat(400_000));
    assert.equal((await engine.publish("c:honest", { ...honest, data }, forever)).offset, 1);
    await engine.close();
    // An empty store has some twenty pages.
    const { size } = statSync(join(directory, "zocalo.db"));
    assert.ok(size < maxBytes / 4 + data.length + 100_000, `${size}`);
  });
}

test("what one address has let go takes no room of the others, before it is removed from the file", async () => {
  const { engine } = await open(temporaryDirectory(), { maxBytes: 4 * 1_048_576 });
  const newest = { ...keepAll, publications: 1 };
  const data = JSON.stringify("x".repeat(3_000));
  for (let round = 0; round < 30; round++) {
    const publish = (_: unknown, channel: number): Promise<unknown> =>
      engine.publish(`c:${channel}`, { ...greedy, data }, newest);
    await Promise.all(Array.from({ length: 100 }, publish));
  }
  const large = JSON.stringify("x".repeat(1_000_000));
  assert.equal((await engine.publish("c:honest", { ...honest, data: large }, keepAll)).offset, 1);
  await engine.close();
});

test("of what waits for the store a quarter may be of one address, also when that was used before", async () => {
  const { engine } = await open(temporaryDirectory(), { maxWaitingBytes: 65_536 });
  const data = JSON.stringify("x".repeat(7_000)); // two are less than a quarter, three are more
  const publish = (address: string, text = data): Promise<string> =>
    engine.publish("c:1", { user: "u", data: text, address }, keepAll).then(
      () => "kept",
      (error: { code: string }) => error.code,
    );
  for (let round = 0; round < 3; round++) {
    const three = ({ address }: typeof greedy): Promise<string[]> =>
      Promise.all(Array.from({ length: 3 }, () => publish(address)));
    const outcomes = await Promise.all([three(greedy), three(honest)]);
    assert.deepEqual(outcomes.flat(), ["kept", "kept", "unavailable", "kept", "kept", "unavailable"]);
  }
  const large = JSON.stringify("x".repeat(50_000)); // One alone is taken, whatever its size.
  assert.equal(await publish(greedy.address, large), "kept");
  await engine.close();
});

test("one address begins a quarter of the channels, and then those of its own that hold nothing are forgotten", async () => {
  const clock = new SetClock();
  const { engine } = await open(temporaryDirectory(), { maxChannels: 8, clock });
  const short = { ...keepAll, ttlMs: 1_000 };
  const { epoch } = await engine.publish("c:1", greedy, short);
  await engine.open("c:2");
  await engine.publish("c:2", greedy, short);
  await engine.publish("c:3", honest, short);
  await assert.rejects(engine.publish("c:4", greedy, keepAll), isFull);
  await engine.publish("c:3", greedy, short); // which it did not begin
  clock.advance(1_000);
  assert.equal((await engine.publish("c:4", greedy, keepAll)).offset, 1); // in the place of c:1
  await assert.rejects(engine.publish("c:5", greedy, keepAll), isFull, "c:2 is open");
  assert.notEqual((await engine.read("c:1", 0, 1)).epoch, epoch);
  assert.deepEqual((await engine.read("c:3", 0, 1)).head, 2);
  await engine.publish("c:5", honest, keepAll);
  await engine.close();
});

test("one address has a quarter of the keys that a channel may have", async () => {
  const clock = new SetClock();
  const { engine } = await open(temporaryDirectory(), { maxKeysPerChannel: 8, clock });
  for (const key of ["a", "b"]) await engine.publish("c:1", { ...greedy, key }, keepAll);
  await assert.rejects(engine.publish("c:2", { ...greedy, key: "c" }, keepAll), isFull);
  assert.equal((await engine.publish("c:1", { ...greedy, key: "a" }, keepAll)).duplicate, true);
  assert.equal((await engine.publish("c:1", greedy, keepAll)).offset, 3);
  await engine.publish("c:1", { ...honest, key: "c" }, keepAll);
  clock.advance(keepAll.keyMs);
  await engine.publish("c:1", { ...honest, key: "d" }, keepAll); // those whose time is over go with it
  assert.equal((await engine.publish("c:2", { ...greedy, key: "c" }, keepAll)).duplicate, false);
  await engine.close();
});

const SEED = Number(process.env["ZOCALO_SHARE_SEED"] ?? Date.now() % 1_000_000);

test(`what shares say is what is held, whatever comes and goes (ZOCALO_SHARE_SEED=${SEED})`, async () => {
  const random = new Random(SEED);
  const clock = new SetClock();
  const directory = temporaryDirectory();
  const options = { clock, maxChannels: 40, maxKeysPerChannel: 60, maxBytes: 1_048_576, tidyMs: 3 } as const;
  let { engine } = await open(directory, options);
  for (let round = 0; round < 60; round++) {
    const work = Array.from({ length: 60 }, async () => {
      const channel = `c:${random.below(60)}`;
      if (random.chance(0.2)) {
        await engine.read(channel, 0, 10);
        return;
      }
      const address = random.chance(0.2) ? undefined : `203.0.113.${random.below(5)}`;
      const key = random.chance(0.5) ? `k${random.below(200)}` : undefined;
      const data = JSON.stringify("x".repeat(random.below(1_200)));
      const info = random.chance(0.3) ? '{"name":"ñ"}' : undefined;
      const retention = { publications: random.below(9), bytes: 1_500, ttlMs: 500, keyMs: 300 };
      await engine
        .publish(channel, { user: "u", data, info, key, address }, retention)
        .catch((error: { code: string }) => assert.equal(error.code, "limit_reached"));
    });
    await Promise.all(work);
    clock.advance(random.below(200));
    if (round % 20 === 19) {
      await engine.close();
      const { said, held } = shares(directory);
      assert.deepEqual(said, held, `round ${round}`);
      ({ engine } = await open(directory, options));
    }
  }
  clock.advance(1_000);
  await engine.close();
});

for (const [what, make] of [
  ["memory", () => new MemoryEngine({ maxChannels: 12, maxChannelsPerAddress: 3 })],
  ["on disk", () => temporaryStore({ maxChannels: 12 })],
] as const) {
  test(`${what}: who begins channels without end leaves room for others, and unproved addresses are one`, async (t) => {
    const plaza = square({ engine: await make() });
    const begin = async (conn: ReturnType<typeof plaza.conn>, name: string): Promise<string> =>
      (await conn.ask({ type: "publish", channel: `quiet:${name}`, data: 1 })).type;
    const [one, two] = [plaza.conn(GREEDY), plaza.conn(GREEDY)];
    for (let number = 0; number < 12; number++) {
      await begin(number % 2 === 0 ? one : two, `g${number}`);
      await begin(unproved(plaza, `192.0.2.${number}`), `u${number}`);
    }
    const other = plaza.conn(HONEST);
    for (let number = 0; number < 2; number++) assert.equal(await begin(other, `h${number}`), "published");
    await other.close();
    await honestVisit(t, plaza);
    await plaza.hub.close();
  });
}
