// What waits for peers that do not read, all together: at the bound, and one past it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { type Square, square } from "./square.ts";
import { GREEDY, honestVisit } from "./visitors.ts";

const DATA = "x".repeat(10_000);
/** Of a publication in quiet:x with that, about. */
const BYTES = 10_110;

/** Subscribers that do not read, from these addresses. */
async function deaf(plaza: Square, hosts: readonly string[]): Promise<FakeConn[]> {
  const conns = hosts.map((host) => plaza.conn({ transport: "tcp", host }));
  for (const conn of conns) await conn.ask({ type: "subscribe", channel: "quiet:x" });
  for (const conn of conns) conn.pause();
  return conns;
}

/** Several looks. */
async function wait(plaza: Square): Promise<void> {
  for (let count = 0; count < 4; count++) {
    plaza.clock.advance(250);
    await settle();
  }
}

test("what waits may be as much as the bound says; past it the worst of the worst address is cut, and others stay", async (t) => {
  const plaza = square({ limits: { unreadBytes: 10 * BYTES } });
  const [one, two, three] = await deaf(plaza, [GREEDY.host, GREEDY.host, "192.0.2.1"]);
  assert.ok(one && two && three);
  for (let count = 0; count < 3; count++) await plaza.hub.publish("quiet:x", DATA); // 9 wait
  await wait(plaza);
  assert.deepEqual([one.closed, two.closed, three.closed], [undefined, undefined, undefined], "at the bound");
  two.read(1);
  await plaza.hub.publish("quiet:x", DATA); // 11
  await wait(plaza);
  assert.equal(one.closed?.code, 1006, "the one for which most waits, of the address for which most does");
  assert.deepEqual([two.closed, three.closed], [undefined, undefined]);
  assert.equal(plaza.hub.stats().disconnected, 1);
  await honestVisit(t, plaza);
  two.resume();
  three.resume();
  await settle();
  for (const conn of [two, three]) {
    assert.deepEqual(
      conn.all("publication").map(({ offset }) => offset),
      [1, 2, 3, 4],
    );
  }
  await plaza.hub.close();
});

test("a burst that is read within a quarter of a second cuts nobody, however much it was", async () => {
  const plaza = square({ limits: { unreadBytes: 10 * BYTES } });
  const conns = await deaf(plaza, [GREEDY.host, GREEDY.host, "192.0.2.1"]);
  for (let count = 0; count < 10; count++) {
    for (let number = 0; number < 4; number++) await plaza.hub.publish("quiet:x", DATA);
    plaza.clock.advance(250);
    for (const conn of conns) conn.read(Number.POSITIVE_INFINITY);
    await settle();
    plaza.clock.advance(250);
  }
  assert.equal(plaza.hub.stats().disconnected, 0);
  assert.deepEqual(
    conns.map((conn) => conn.all("publication").length),
    [40, 40, 40],
  );
  await plaza.hub.close();
});

test("answers that find no room count, too", async () => {
  const plaza = square({ limits: { unreadBytes: 100_000, answerTimeoutMs: 3_600_000 } });
  for (let count = 0; count < 20; count++) await plaza.hub.publish("quiet:log", DATA);
  for (const [limit, code] of [
    [9, undefined],
    [11, 1006],
  ] as const) {
    const eve = plaza.conn({ ...GREEDY, highWater: 10, maxBuffered: 30 });
    eve.pause();
    eve.say({ type: "ping" }); // What has nothing to send, and takes nothing, is closed.
    eve.say({ type: "history", channel: "quiet:log", limit });
    await settle();
    await wait(plaza);
    assert.equal(eve.closed?.code, code, `${limit}`);
    eve.cut();
  }
  await plaza.hub.close();
});

test("nothing is looked for while little was sent", async () => {
  const plaza = square();
  await deaf(plaza, [GREEDY.host]);
  const timers = plaza.clock.nextAt;
  for (let count = 0; count < 5; count++) await plaza.hub.publish("quiet:x", DATA);
  assert.equal(plaza.clock.nextAt, timers);
  await plaza.hub.close();
});
