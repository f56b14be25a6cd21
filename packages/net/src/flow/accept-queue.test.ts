import assert from "node:assert/strict";
import { test } from "node:test";
import { AcceptQueue, type AcceptQueueOptions } from "./accept-queue.ts";
import { pipeAddr } from "../contracts/addr.ts";
import { NetError } from "../contracts/error.ts";

class FakeConn {
  slot = -1;
  aborted = false;
  abort(): void {
    this.aborted = true;
  }
}

function makeQueue(options?: Partial<AcceptQueueOptions>): {
  queue: AcceptQueue<FakeConn>;
  stops: () => number;
} {
  let stops = 0;
  const stop = (): void => {
    stops++;
  };
  return { queue: new AcceptQueue({ addr: pipeAddr, stop, ...options }), stops: () => stops };
}

test("connections come out in the order they were offered, to waiting calls first", async () => {
  const { queue } = makeQueue();
  const [a, b, c] = [new FakeConn(), new FakeConn(), new FakeConn()];
  const first = queue.accept();
  const second = queue.accept();
  for (const conn of [a, b, c]) assert.ok(queue.offer(conn));
  assert.deepEqual([await first, await second, await queue.accept()], [a, b, c]);
  assert.equal(queue.openCount, 3);
});

test("one past maxPending is refused, and accepting one makes room for one", async () => {
  const { queue } = makeQueue({ maxPending: 2 });
  assert.deepEqual(
    [1, 2, 3].map(() => queue.offer(new FakeConn())),
    [true, true, false],
  );
  assert.ok(queue.isFull);
  await queue.accept();
  assert.ok(queue.offer(new FakeConn()));
  assert.equal(queue.offer(new FakeConn()), false);
});

test("one address has half of the places, rounded up, and what leaves the queue makes room", async () => {
  const { queue } = makeQueue({ maxPending: 5 });
  const [greedy, honest] = ["2001:db8::1", "203.0.113.7"];
  const [first, second, third] = [new FakeConn(), new FakeConn(), new FakeConn()];
  for (const conn of [first, second, third]) assert.ok(queue.offer(conn, greedy));
  assert.ok(queue.isFullFor("2001:db8::2") && !queue.isFull && !queue.isFullFor(honest));
  assert.equal(queue.offer(new FakeConn(), "2001:db8::2"), false, "one past it, of the same /64");
  assert.equal(queue.openCount, 3);
  assert.ok(queue.offer(new FakeConn(), honest));

  assert.equal(await queue.accept(), first);
  assert.ok(queue.offer(new FakeConn(), greedy), "one was accepted");
  queue.ended(second);
  assert.ok(queue.offer(new FakeConn(), greedy), "one has ended");
  assert.equal(queue.offer(new FakeConn(), greedy), false);
  assert.ok(queue.offer(new FakeConn(), honest));
  assert.ok(queue.isFull);

  for (let left = 5; left > 0; left--) await queue.accept();
  const waiting = queue.accept();
  assert.ok(!queue.isFullFor(greedy));
  const last = new FakeConn();
  assert.ok(queue.offer(last, greedy));
  assert.equal(await waiting, last, "who is waited for takes no place");
});

test("this machine may have all places, unless it is asked to share", () => {
  const byDefault = makeQueue({ maxPending: 4 }).queue;
  for (let i = 0; i < 4; i++) assert.ok(byDefault.offer(new FakeConn(), i % 2 === 0 ? "127.0.0.1" : "unix"));
  const asked = makeQueue({ maxPending: 4, exemptAddresses: [] }).queue;
  const offered = [1, 2, 3].map(() => asked.offer(new FakeConn(), "127.0.0.1"));
  assert.deepEqual(offered, [true, true, false]);
  const unlimited = makeQueue({ maxPending: Number.POSITIVE_INFINITY, exemptAddresses: [] }).queue;
  for (let i = 0; i < 1_000; i++) assert.ok(unlimited.offer(new FakeConn(), "127.0.0.1"));
});

test("one past maxConnections is refused, waiting ones included, until one has ended", async () => {
  const { queue } = makeQueue({ maxConnections: 2 });
  const [a, b] = [new FakeConn(), new FakeConn()];
  assert.ok(queue.offer(a) && queue.offer(b));
  assert.equal(queue.offer(new FakeConn()), false);
  assert.equal(await queue.accept(), a);
  assert.equal(queue.offer(new FakeConn()), false);
  queue.ended(a);
  queue.ended(a);
  assert.ok(queue.offer(new FakeConn()));
  assert.equal(queue.offer(new FakeConn()), false);
});

test("limits below one and fractions are refused", () => {
  for (const value of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => makeQueue({ maxPending: value }), { code: "invalid_argument" });
    assert.throws(() => makeQueue({ maxConnections: value }), { code: "invalid_argument" });
  }
});

test("a connection that ended before it was accepted is not handed out", async () => {
  const { queue } = makeQueue();
  const [a, b] = [new FakeConn(), new FakeConn()];
  queue.offer(a);
  queue.offer(b);
  queue.ended(a);
  assert.equal(await queue.accept(), b);
});

test("close rejects waiting and later calls, aborts what nobody accepted, and stops the source once", async () => {
  const { queue, stops } = makeQueue();
  const [accepted, pending] = [new FakeConn(), new FakeConn()];
  queue.offer(accepted);
  await queue.accept();
  const waiting = assert.rejects(queue.accept(), {
    code: "closed",
    message: "accept pipe pipe: use of closed connection",
  });
  await Promise.all([queue.close(), queue.close()]);
  await waiting;
  assert.equal(queue.offer(pending), false);
  await assert.rejects(queue.accept(), { code: "closed" });
  assert.equal(stops(), 1);
  assert.equal(accepted.aborted, false);

  const other = makeQueue().queue;
  other.offer(pending);
  await other.close();
  assert.ok(pending.aborted);
  assert.equal(other.openCount, 0);
});

test("iteration ends quietly on close, and throws when the source broke", async () => {
  const { queue } = makeQueue();
  queue.offer(new FakeConn());
  let count = 0;
  for await (const _ of queue) {
    count++;
    void queue.close();
  }
  assert.equal(count, 1);

  const broken = makeQueue().queue;
  const failure = new NetError({ op: "accept", code: "unknown", reason: "the cable was cut" });
  const iteration = broken[Symbol.asyncIterator]().next();
  broken.fail(failure);
  await assert.rejects(iteration, failure);
  await assert.rejects(broken.accept(), failure);
});

test("leaving the loop does not close the listener", async () => {
  const { queue, stops } = makeQueue();
  queue.offer(new FakeConn());
  for await (const _ of queue) break;
  assert.equal(stops(), 0);
  assert.ok(queue.offer(new FakeConn()));
  await queue.accept();
});

test("a cancelled accept takes no connection with it", async () => {
  const { queue } = makeQueue();
  const controller = new AbortController();
  const cancelled = queue.accept({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(
    cancelled,
    (error) =>
      error instanceof NetError && error.code === "canceled" && error.cause === controller.signal.reason,
  );
  await assert.rejects(queue.accept({ signal: controller.signal }), { code: "canceled" });
  const conn = new FakeConn();
  queue.offer(conn);
  assert.equal(await queue.accept(), conn);
});

test("drain waits for the last open connection", async () => {
  const { queue } = makeQueue();
  const [a, b] = [new FakeConn(), new FakeConn()];
  queue.offer(a);
  queue.offer(b);
  await queue.accept();
  await queue.accept();
  let isDrained = false;
  const drained = (async () => {
    await queue.drain(null);
    isDrained = true;
  })();
  queue.ended(a);
  await new Promise(setImmediate);
  assert.equal(isDrained, false);
  queue.ended(b);
  await drained;
  assert.equal(b.aborted, false);
  assert.equal(queue.offer(new FakeConn()), false);
});

test("drain aborts what is left at its deadline; one in the past aborts at once", async () => {
  for (const deadline of [Date.now() + 20, Date.now() - 1, new Date(0)]) {
    const { queue } = makeQueue();
    const conn = new FakeConn();
    queue.offer(conn);
    await queue.accept();
    await queue.drain(deadline);
    assert.ok(conn.aborted);
    assert.equal(queue.openCount, 0);
  }
  const { queue, stops } = makeQueue();
  await assert.rejects(queue.drain(Number.NaN), { code: "invalid_argument" });
  assert.equal(stops(), 0);
  await queue.drain(Date.now() + 1e9); // Nothing is open: no waiting, and no timer stays behind.
});

test("abort cuts accepted and waiting connections, even when one calls back", async () => {
  const { queue } = makeQueue();
  const other = new FakeConn();
  const conn = new FakeConn();
  conn.abort = () => {
    conn.aborted = true;
    queue.ended(conn);
    void queue.abort();
  };
  queue.offer(conn);
  await queue.accept();
  queue.offer(other);
  await queue.abort();
  assert.ok(conn.aborted && other.aborted);
  assert.equal(queue.openCount, 0);
});

test("a connection that is leaving counts for the limit, and drain does not wait for it", async () => {
  const { queue } = makeQueue({ maxConnections: 1 });
  const conn = new FakeConn();
  assert.ok(queue.offer(conn));
  await queue.accept();
  const drained = queue.drain(null);
  queue.leaving(conn);
  await drained;
  assert.equal(queue.openCount, 1);
  queue.ended(conn);
  queue.leaving(conn); // Too late: it is over.
  assert.equal(queue.openCount, 0);
  assert.equal(conn.aborted, false);

  const { queue: open } = makeQueue({ maxConnections: 1 });
  assert.ok(open.offer(conn));
  open.leaving(conn);
  assert.equal(open.isFull, true);
  open.ended(conn);
  assert.ok(open.offer(conn));
});

test("those that are open are visited, waiting or accepted; those that leave or are over are not", async () => {
  const { queue } = makeQueue();
  const [waiting, accepted, leaving, over] = [new FakeConn(), new FakeConn(), new FakeConn(), new FakeConn()];
  for (const conn of [accepted, leaving, over, waiting]) assert.ok(queue.offer(conn));
  for (const conn of [accepted, leaving, over]) assert.equal(await queue.accept(), conn);
  queue.leaving(leaving);
  queue.ended(over);
  const visited: FakeConn[] = [];
  queue.forEachOpen((conn) => visited.push(conn));
  assert.deepEqual(new Set(visited), new Set([waiting, accepted]));
  assert.equal(queue.openCount, 3);
});

test("whoever takes each connection has it within offer, those first that wait, until the listener closes", async () => {
  const { queue } = makeQueue({ maxPending: 1 });
  const [early, late] = [new FakeConn(), new FakeConn()];
  assert.ok(queue.offer(early));
  const taken: FakeConn[] = [];
  const taking = queue.takeEach((conn) => taken.push(conn));
  assert.deepEqual(taken, [early]);
  assert.ok(queue.offer(late, "203.0.113.7"));
  assert.deepEqual(taken, [early, late]);
  assert.ok(queue.isAwaited && !queue.isFull);
  assert.equal(queue.openCount, 2);

  await queue.close();
  await taking;
  assert.equal(queue.offer(new FakeConn()), false);
  assert.ok(!late.aborted, "it was accepted");
});

test("who accepts where another takes each connection is refused, and told when the listener is closed", async () => {
  const { queue } = makeQueue();
  const loop = queue[Symbol.asyncIterator]();
  const taking = queue.takeEach(() => undefined);
  await assert.rejects(queue.accept(), { code: "invalid_argument" });
  await assert.rejects(loop.next(), { code: "invalid_argument" });
  await queue.close();
  await taking;
  await assert.rejects(queue.accept(), { code: "closed" });
  assert.deepEqual(await loop.next(), { done: true, value: undefined });
});

test("whoever takes each connection is told why the listener failed", async () => {
  const { queue } = makeQueue();
  const taking = queue.takeEach(() => undefined);
  const failure = new NetError({ op: "accept", code: "permission", reason: "not any more" });
  queue.fail(failure);
  await assert.rejects(taking, failure);
});
