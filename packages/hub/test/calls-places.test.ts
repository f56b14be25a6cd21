// How many calls may be under way, of a session, an address and a user: each at the limit and one past it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, callSquare, errorsOf, underWay } from "./calling.ts";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { codeOf, GREEDY, HONEST, honestVisit } from "./visitors.ts";

async function hold(conn: FakeConn, ...ids: number[]): Promise<void> {
  for (const id of ids) conn.say({ type: "call", id, method: "held" });
  await settle();
}

test("a session has so many calls under way, and room again when one is answered", async () => {
  const { hub, conn, calls } = callSquare({ limits: { calls: 3 } });
  const [ana, ben] = [conn(), conn()];
  await hold(ana, 1, 2, 3, 4);
  assert.deepEqual(errorsOf(ana), [[4, "limit_reached"]]);
  await hold(ben, 1);
  assert.equal(calls.length, 4, "another session has its own");
  calls[0]?.resolve();
  await answerOf(ana, 1);
  await hold(ana, 5);
  assert.equal(calls.length, 5);
  await hub.close();
});

test("the sessions of one address have so many, and those of one user; a guest, and this machine, no limit", async () => {
  for (const [limits, options] of [
    [{ callsPerAddress: 3 }, { host: GREEDY.host }],
    [{ callsPerUser: 3 }, {}],
  ] as const) {
    const { hub, conn, calls } = callSquare({
      limits,
      authenticate: ({ token = "guest" }) => ({ user: token, isGuest: token === "guest" }),
    });
    const sessions = [1, 2, 3, 4].map(() => conn({ transport: "tcp", ...options }));
    const other = conn(HONEST);
    for (const one of sessions) await one.ask({ type: "connect", token: "ana" });
    await other.ask({ type: "connect", token: "ben" });
    for (const one of sessions) await hold(one, 1);
    assert.deepEqual(
      sessions.map((one) => errorsOf(one).length),
      [0, 0, 0, 1],
    );
    await hold(other, 1);
    assert.equal(calls.length, 4);
    const last = sessions.at(-1) ?? assert.fail();
    calls[1]?.resolve();
    await settle();
    await hold(last, 2);
    assert.equal(calls.length, 5);
    const guests = [1, 2, 3, 4].map(() => conn({ transport: "pipe" }));
    for (const guest of guests) await hold(guest, 1);
    assert.equal(calls.length, 9);
    await hub.close();
  }
});

test("a call that was cancelled, or whose session is over, holds its place until its handler or its time is", async () => {
  const limits = { callsPerAddress: 3, callMs: 1_000 };
  const { hub, conn, calls, clock } = callSquare({ limits });
  const [first, second] = [conn(GREEDY), conn(GREEDY)];
  await hold(first, 1);
  first.say({ type: "cancel", call: 1 });
  await answerOf(first, 1);
  await hold(first, 2);
  await hold(first, 3);
  await first.close();
  assert.deepEqual(
    calls.map(({ signal }) => signal.aborted),
    [true, true, true],
  );
  assert.equal(String(calls[1]?.signal.reason), "Error: the session has ended");
  await hold(second, 1);
  assert.deepEqual(errorsOf(second), [[1, "limit_reached"]]);
  calls[2]?.resolve();
  await settle();
  await hold(second, 2);
  assert.equal(calls.length, 4);
  clock.advance(1_000);
  assert.equal(await underWay({ hub }), 0);
  await hold(second, 3, 4, 5);
  assert.equal(calls.length, 7);
  await hub.close();
});

test("who goes and comes again does not begin anew while its calls are under way", async () => {
  const limits = { callsPerAddress: 2, callMs: 3_600_000 };
  const { hub, conn, clock, calls } = callSquare({ limits });
  const first = conn(GREEDY);
  await hold(first, 1, 2);
  await first.close();
  for (let minute = 0; minute < 30; minute++) clock.advance(60_000);
  const second = conn(GREEDY);
  await hold(second, 1);
  assert.deepEqual(errorsOf(second), [[1, "limit_reached"]]);
  calls[0]?.resolve();
  await settle();
  await hold(second, 2);
  assert.equal(calls.length, 3);
  await hub.close();
});

test("an answer that the peer does not read holds its place; nothing is kept for who is gone", async () => {
  const { hub, conn, calls } = callSquare({ limits: { calls: 3, callsPerAddress: 4 } });
  const slow = conn({ ...GREEDY, maxBuffered: 1_000 });
  slow.pause();
  await hold(slow, 1, 2, 3);
  for (const call of calls) call.resolve("x".repeat(900));
  assert.equal(await underWay({ hub }), 2, "one answer has left");
  slow.resume();
  assert.equal(await underWay({ hub }), 0);
  assert.equal(slow.all("result").length, 3);

  slow.pause();
  await hold(slow, 4, 5, 6);
  for (const call of calls) call.resolve("x".repeat(900));
  assert.equal(await underWay({ hub }), 2);
  slow.cut();
  assert.equal(await underWay({ hub }), 0);
  await hub.close();
});

test("on streams an id is that of one call at a time, and free when it is answered", async () => {
  const { hub, conn, calls } = callSquare();
  const ana = conn();
  await hold(ana, 1);
  await hold(ana, 1);
  assert.deepEqual(errorsOf(ana), [[1, "bad_command"]]);
  assert.equal(calls.length, 1);
  calls[0]?.resolve("first");
  await ana.until((message) => message.type === "result");
  await hold(ana, 1);
  assert.equal(calls.length, 2);
  await hub.close();
});

test("thousands of calls at once from one address: so many are under way, and an honest client notices nothing", async (t) => {
  const plaza = callSquare({ limits: { callsPerAddress: 200 } });
  const greedy = Array.from({ length: 100 }, () => plaza.conn(GREEDY));
  for (let id = 1; id <= 50; id++) for (const one of greedy) one.say({ type: "call", id, method: "held" });
  await settle();
  assert.equal(plaza.calls.length, 200);
  const refusals = greedy.flatMap(errorsOf);
  assert.equal(refusals.length, 5_000 - 200);
  assert.ok(refusals.every(([, code]) => code === "limit_reached" || code === "rate_limited"));
  const honest = plaza.conn(HONEST);
  const answer = await honest.ask({ type: "call", id: 1, method: "echo", data: "hola" });
  assert.deepEqual(answer, { type: "result", id: 1, data: "hola" });
  await honestVisit(t, plaza);
  for (const one of greedy) one.cut();
  assert.equal(await underWay(plaza), 200, "until their handlers or their time are over");
  for (const call of plaza.calls) call.resolve();
  assert.equal(await underWay(plaza), 0);
  await plaza.hub.close();
});

test("calls count against the rate by their length, and by that of their answers, as publications do", async () => {
  const { hub, conn } = callSquare({ limits: { commandsPerSecond: 1, commandBurst: 100 } });
  const ana = conn();
  const data = "x".repeat(10_000); // nine commands more, and of the answer nine eighths
  let count = 0;
  for (;;) {
    const answer = await ana.ask({ type: "call", id: count + 1, method: "echo", data });
    if (codeOf(answer) === "rate_limited") break;
    count++;
  }
  assert.equal(count, Math.ceil(100 / (10 + 9 / 8)));
  await hub.close();
});
