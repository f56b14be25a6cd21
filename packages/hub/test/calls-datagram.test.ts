// Over datagrams a call may be sent again: it is carried out once, and gets the same answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, callSquare, errorsOf, underWay } from "./calling.ts";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import type { Square } from "./square.ts";
import { unproved } from "./visitors.ts";

/** A device that has begun a session, and says so in each command. */
async function device({ conn }: Square, maxSendBytes = 65_507) {
  const it = conn({ transport: "udp", maxSendBytes });
  const connected = await it.ask({ type: "connect", key: "k" });
  assert.ok(connected.type === "connected");
  const { session } = connected;
  const call = (id: number, method: string, data?: string) =>
    it.say({ type: "call", id, method, session, ...(data === undefined ? {} : { data }) });
  const cancel = (id: number) => it.say({ type: "cancel", call: id, session });
  return { it, call, cancel };
}

const results = (conn: FakeConn): unknown[] => conn.all("result").map(({ id, data }) => [id, data]);

test("a call that is sent again while it is carried out runs once, and after that gets the same answer", async () => {
  const plaza = callSquare();
  const { it, call } = await device(plaza);
  for (let times = 0; times < 3; times++) call(7, "held");
  assert.equal(plaza.calls.length, 1);
  plaza.calls[0]?.resolve("done");
  await answerOf(it, 7);
  assert.deepEqual(results(it), [[7, "done"]]);
  plaza.clock.advance(4_999);
  call(7, "held");
  call(7, "echo", "whatever it says");
  assert.deepEqual(results(it), [
    [7, "done"],
    [7, "done"],
    [7, "done"],
  ]);
  assert.equal(await underWay(plaza), 1);
  plaza.clock.advance(1);
  assert.equal(await underWay(plaza), 0);
  call(7, "held");
  assert.equal(plaza.calls.length, 2, "five seconds after its answer the id is another call's");
  await plaza.hub.close();
});

test("answers that are kept hold places, and who has one gives its place back by cancel", async () => {
  const plaza = callSquare({ limits: { calls: 3 } });
  const { it, call, cancel } = await device(plaza);
  for (const id of [1, 2, 3, 4]) call(id, "echo", `${id}`);
  assert.deepEqual(errorsOf(it), [[4, "limit_reached"]]);
  cancel(2);
  cancel(2);
  call(4, "echo", "4");
  assert.deepEqual(results(it), [
    [1, "1"],
    [2, "2"],
    [3, "3"],
    [4, "4"],
  ]);
  call(3, "echo", "again");
  assert.deepEqual(results(it).at(-1), [3, "3"]);
  await plaza.hub.close();
});

test("a copy of a call that comes after the cancel is not carried out, for as long as any", async () => {
  const plaza = callSquare();
  const { it, call, cancel } = await device(plaza);
  call(7, "held");
  plaza.calls[0]?.resolve("done");
  await answerOf(it, 7);
  cancel(7);
  assert.equal(await underWay(plaza), 0);
  call(7, "held");
  assert.equal(plaza.calls.length, 1);
  assert.deepEqual(results(it), [[7, "done"]]);
  plaza.clock.advance(5_000);
  call(7, "held");
  assert.equal(plaza.calls.length, 2);
  plaza.calls[1]?.resolve("another");
  await settle();
  cancel(7);
  const again = await it.ask({ type: "connect", key: "other" });
  assert.ok(again.type === "connected");
  it.say({ type: "call", id: 7, method: "held", session: again.session });
  await settle();
  assert.equal(plaza.calls.length, 3, "who begins anew has ids of its own");
  await plaza.hub.close();
});

test("a refusal by the handler, too late or by cancel is repeated as a result is", async () => {
  const plaza = callSquare();
  const { it, call, cancel } = await device(plaza);
  call(1, "held");
  cancel(1);
  call(1, "held");
  call(1, "held");
  await settle();
  assert.deepEqual(errorsOf(it), [
    [1, "cancelled"],
    [1, "cancelled"],
    [1, "cancelled"],
  ]);
  assert.equal(plaza.calls.length, 1);
  await plaza.hub.close();
});

test("who begins anew at an address gets no answer that was another's, and its calls are aborted", async () => {
  const plaza = callSquare();
  const { it, call } = await device(plaza);
  call(1, "held");
  call(2, "echo", "the former's");
  const before = it.received.length;
  const again = await it.ask({ type: "connect", key: "other" });
  assert.ok(again.type === "connected");
  assert.equal(plaza.calls[0]?.signal.aborted, true);
  plaza.calls[0]?.resolve("nobody's");
  const { session } = again;
  it.say({ type: "call", id: 2, method: "echo", data: "the new one's", session });
  it.say({ type: "call", id: 1, method: "echo", data: "too", session });
  await settle();
  assert.deepEqual(
    it.received.slice(before + 1).map((message) => message.type === "result" && message.data),
    ["the new one's", "too"],
  );
  await plaza.hub.close();
});

test("an answer that no datagram carries is an error, and is so again", async () => {
  const plaza = callSquare();
  const { it, call } = await device(plaza, 500);
  call(1, "echo", "x".repeat(600));
  call(1, "echo", "x".repeat(600));
  await settle();
  assert.deepEqual(errorsOf(it), [
    [1, "too_large"],
    [1, "too_large"],
  ]);
  await plaza.hub.close();
});

test("who has not proved its address is asked to, and nothing is carried out", async () => {
  const plaza = callSquare();
  const eve = unproved(plaza, "203.0.113.7");
  const answer = await eve.ask({ type: "call", id: 1, method: "held", guest: true });
  assert.deepEqual(answer, { type: "verify", id: 1, cookie: "c00kie" });
  assert.equal(plaza.calls.length, 0);
  eve.say({ type: "call", id: 1, method: "held", guest: true, cookie: "c00kie" });
  await settle();
  assert.equal(plaza.calls.length, 1);
  await plaza.hub.close();
});
