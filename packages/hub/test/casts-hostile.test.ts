// Casts of those who mean harm: nobody else notices, and what is kept is bounded.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { LIMITS } from "@zocalo/protocol";
import { defaultHubLimits } from "../src/index.ts";
import type { FakeConn } from "./fake-conn.ts";
import { square } from "./square.ts";
import { codeOf, GREEDY, HONEST, honestVisit } from "./visitors.ts";

const namespaces = {
  arena: { subscribe: "anyone", cast: "anyone" },
  quiet: { subscribe: "anyone", publish: "anyone" },
} as const;
const UNLIMITED = {
  commandsPerSecond: 1_000_000,
  commandBurst: 1_000_000,
  commandsPerSecondPerAddress: 1_000_000,
  commandBurstPerAddress: 1_000_000,
};

async function subscribed(conn: FakeConn, channel = "arena:1"): Promise<FakeConn> {
  await conn.ask({ type: "connect" });
  await conn.ask({ type: "subscribe", channel });
  return conn;
}

test("10,000 keys of one sender neither fill a stuck receiver's connection nor drive out another's cast", async (t) => {
  const plaza = square({ namespaces, limits: UNLIMITED });
  const { conn, hub } = plaza;
  const stuck = await subscribed(conn());
  const [greedy, honest] = [await subscribed(conn(GREEDY)), await subscribed(conn(HONEST))];
  stuck.pause();
  const before = hub.stats().castsDelivered;
  for (let number = 0; number < 10_000; number++) {
    if (number === 5_000) honest.say({ type: "cast", channel: "arena:1", data: "hola", key: "mine" });
    greedy.say({ type: "cast", channel: "arena:1", data: number, key: `k${number}` });
  }
  await greedy.ask({ type: "ping" });
  await honest.ask({ type: "ping" });
  assert.ok(stuck.peakBuffered < 20_000, `${stuck.peakBuffered} bytes in its connection`);
  await honestVisit(t, plaza);
  stuck.resume();
  await stuck.ask({ type: "ping" });
  while (hub.stats().castsDelivered + hub.stats().castsDropped - before < 2 * 10_001) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const casts = stuck.all("cast");
  assert.ok(casts.length <= 1 + defaultHubLimits.waitingCasts, `${casts.length} came`);
  assert.equal(casts.filter(({ key }) => key === "mine").length, 1);
  assert.equal(casts.filter(({ key }) => key === "k9999").length, 1);
});

test("stuck sessions of one address leave room for another's", async () => {
  const limits = { ...UNLIMITED, waitingCastBytesPerAddress: 20_000, waitingCastBytesInAll: 30_000 };
  const { conn, hub } = square({ namespaces, limits });
  const stuck: FakeConn[] = [];
  for (let number = 0; number < 10; number++) stuck.push(await subscribed(conn(GREEDY)));
  const honest = await subscribed(conn(HONEST));
  for (const each of [...stuck, honest]) each.pause();
  for (let number = 0; number < 100; number++) hub.cast("arena:1", number, { key: `k${number}` });
  hub.cast("arena:1", "last", { key: "k0" });
  for (const each of [...stuck, honest]) each.resume();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(honest.all("cast").length > 5, "it has room for some, whoever else is stuck");
  const heard = stuck.reduce((sum, each) => sum + each.all("cast").length, 0);
  assert.ok(heard <= 10 + 20, `${heard} of ten sessions that share 20,000 bytes`);
});

test("a user with the longest name and any characters has no other's place", async () => {
  const users = ["a", "a 1", `${"a".repeat(127)}\n`, 'a"\\'];
  const authenticate = ({ token = "" }) => ({ user: token, isGuest: false });
  const { conn } = square({ namespaces, limits: UNLIMITED, authenticate });
  const stuck = conn();
  await stuck.ask({ type: "connect", token: "stuck" });
  await stuck.ask({ type: "subscribe", channel: "arena:1" });
  const senders = users.map(() => conn());
  for (const [index, each] of senders.entries())
    await each.ask({ type: "connect", token: users[index] ?? "" });
  stuck.pause();
  for (const key of ["", " 1", "1", "k".repeat(LIMITS.keyLength)]) {
    for (const each of senders) {
      each.say({ type: "cast", channel: "arena:1", data: key, ...(key === "" ? {} : { key }) });
    }
  }
  for (const each of senders) await each.ask({ type: "ping" });
  stuck.resume();
  await stuck.ask({ type: "ping" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(stuck.all("cast").length, 4 * users.length);
});

test("casts without permission, to nobody and of nonsense cost their sender, and no one else", async (t) => {
  const plaza = square({ namespaces });
  const { conn, hub } = plaza;
  const [ana, greedy] = [await subscribed(conn(HONEST), "quiet:1"), conn(GREEDY)];
  const heard = ana.received.length;
  for (let number = 0; number < 3_000; number++) {
    greedy.say({ type: "cast", channel: "quiet:1", data: number });
    greedy.say('{"type":"cast","channel":"arena:1","bytes":"AP8="}');
    greedy.say({ type: "cast", method: "nothing", data: number });
  }
  while (greedy.held > 0 && !greedy.closed) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(greedy.closed?.code, 4429, "far past its rate, for long");
  assert.equal(greedy.all("error").length, 0, "not answered");
  assert.equal(ana.received.length, heard);
  assert.equal(hub.stats().castsDelivered, 0);
  await honestVisit(t, plaza);
});

test("what is no base64, or is both JSON and bytes, is told as for any command", async () => {
  const { conn } = square({ namespaces: { raw: { subscribe: "anyone", cast: "anyone", data: "bytes" } } });
  const ana = await subscribed(conn(), "raw:1");
  for (const wrong of ['"bytes":"AP8"', '"bytes":7', '"bytes":"AP8=","data":1', '"data":1']) {
    const before = ana.all("error").length;
    ana.say(`{"type":"cast","id":9,"channel":"raw:1",${wrong}}`);
    await ana.ask({ type: "ping" });
    assert.equal(codeOf(ana.all("error")[before] ?? { type: "ping" }), "bad_command", wrong);
  }
});

test("a receiver that never reads keeps nothing once it is gone", async () => {
  const { conn, hub } = square({ namespaces, limits: { ...UNLIMITED, waitingCastBytesInAll: 10_000 } });
  for (let round = 0; round < 20; round++) {
    const stuck = await subscribed(conn());
    stuck.pause();
    for (let number = 0; number < 50; number++) hub.cast("arena:1", number, { key: `k${number}` });
    stuck.cut();
  }
  const reader = await subscribed(conn());
  reader.pause();
  for (let number = 0; number < 5; number++) hub.cast("arena:1", number, { key: `k${number}` });
  reader.resume();
  await reader.ask({ type: "ping" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(reader.all("cast").length, 5, "all the room is there again");
});

test("a cast that waits does not keep the command that it came in", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const { conn, hub } = square({ namespaces, limits: UNLIMITED });
  const [stuck, eve] = [await subscribed(conn()), await subscribed(conn())];
  stuck.pause();
  hub.cast("arena:1", "x".repeat(20_000));
  gc();
  const before = process.memoryUsage().heapUsed;
  for (let number = 0; number < 250; number++) {
    const cast = `{"type":"cast","channel":"arena:1","key":"k${number}","data":"twenty characters!!!"`;
    eve.say(`${cast}${" ".repeat(40_000)}}`);
    await eve.ask({ type: "ping" });
  }
  gc();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 3_000_000, `${grown} bytes`); // 10 MB where they do
});
