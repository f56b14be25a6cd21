// The client against the real hub, over real sockets that are cut, and a server that is stopped and started
// again.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { connect, type Dial, type Gap, type Session, type SessionState } from "@zocalo/client";
import { Hub, type HubOptions } from "@zocalo/hub";
import { Random } from "@zocalo/integrity";
import { dial, type Listener, lines, listen, type MessageConn } from "@zocalo/net";
import * as websocket from "@zocalo/websocket";
import { CuttingRelay } from "./cutting-relay.ts";

const CHANNEL = "plaza:general";
const TOKEN = "a token that is long and random";
/** Soon, so that hundreds of cuts take no time. */
const backoff = { baseMs: 2, maxMs: 20 };

interface Transport {
  readonly name: string;
  listen(address: string): Promise<Listener<MessageConn>>;
  readonly dial: Dial;
  url(address: string): string;
}

const transports: readonly Transport[] = [
  {
    name: "WebSocket",
    listen: (address) => websocket.listen(address),
    dial: websocket.dial,
    url: (address) => `ws://${address}`,
  },
  {
    name: "TCP",
    listen: async (address) => lines(await listen("tcp", address)),
    // Answers are larger than commands.
    dial: async (address, options) =>
      lines(await dial("tcp", address, options), { maxMessageBytes: 1_048_576 }),
    url: (address) => address,
  },
];

async function serve(
  t: TestContext,
  transport: Transport,
  address = "127.0.0.1:0",
  limits: HubOptions["limits"] = {},
) {
  const hub = new Hub({
    namespaces: {
      plaza: {
        subscribe: "anyone",
        publish: "anyone",
        presence: true,
        history: { publications: 20_000, bytes: 64 * 1_048_576 },
      },
    },
    limits,
  });
  const listener = await transport.listen(address);
  const serving = hub.serve(listener);
  const { addr } = listener;
  if (!("port" in addr)) throw new Error("no port");
  const close = async (): Promise<void> => {
    await hub.close();
    await serving;
  };
  t.after(close);
  return { hub, port: addr.port, close };
}

function begin(t: TestContext, transport: Transport, address: string): Session {
  const session = connect(transport.url(address), { dial: transport.dial, token: TOKEN, backoff });
  t.after(() => session.close());
  return session;
}

function becomes(session: Session, name: SessionState["name"]): Promise<void> {
  if (session.state.name === name) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = session.onState((state) => {
      if (state.name !== name) return;
      stop();
      resolve();
    });
  });
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

for (const transport of transports) {
  test(`${transport.name}: 10,000 publications arrive in order over a connection that is cut and cut again`, async (t) => {
    const server = await serve(t, transport);
    for (const offset of upTo(10_000))
      await server.hub.publish(CHANNEL, { offset, text: "x".repeat(offset % 50) });
    const random = new Random(7);
    const relay = await CuttingRelay.to(server.port, () => random.int(1_500, 60_000));
    t.after(() => relay.close());
    const session = begin(t, transport, relay.address);
    const room = session.channel<{ offset: number }>(CHANNEL);
    const { epoch } = await room.history({ limit: 1 });

    const gaps: Gap[] = [];
    const handled: number[] = [];
    const subscription = room.subscribe(
      { since: { epoch, offset: 0 } },
      {
        publication: ({ offset, data }) => handled.push(offset === data.offset ? offset : Number.NaN),
        gap: (gap) => gaps.push(gap),
      },
    );
    // Slower than it comes, so that the buffer overflows all the time, on top of the cuts.
    const iterated: number[] = [];
    for await (const { offset, data } of room.subscribe({
      since: { epoch, offset: 0 },
      bufferEntries: 500,
    })) {
      iterated.push(offset === data.offset ? offset : Number.NaN);
      if (offset % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (offset === 10_000) break;
    }
    assert.deepEqual(iterated, upTo(10_000));
    assert.deepEqual(handled, upTo(10_000));
    assert.deepEqual(gaps, []);
    assert.deepEqual(subscription.position, { epoch, offset: 10_000 });
    assert.ok(relay.cuts > 20, `${relay.cuts} cuts`);
  });

  test(`${transport.name}: what is published over a connection that is cut and cut again is in the log once, in order`, async (t) => {
    const server = await serve(t, transport, undefined, {
      commandsPerSecond: 100_000,
      commandBurst: 100_000,
    });
    const random = new Random(11);
    const relay = await CuttingRelay.to(server.port, () => random.int(500, 8_000));
    t.after(() => relay.close());
    const session = begin(t, transport, relay.address);
    const room = session.channel<number>(CHANNEL);
    const receipts: number[] = [];
    for (const batch of [1, 2, 3]) {
      const numbers = upTo(1_000).map((number) => number + (batch - 1) * 1_000);
      const published = await Promise.all(numbers.map((number) => room.publish(number)));
      receipts.push(...published.map(({ offset }) => offset));
    }
    assert.deepEqual(receipts, upTo(3_000));
    // Read without the relay: a page would not get through it whole.
    const reader = begin(t, transport, `127.0.0.1:${server.port}`);
    const log: number[] = [];
    for (let before = 3_001; before > 1; ) {
      const { publications } = await reader.channel<number>(CHANNEL).history({ before, limit: 1_000 });
      log.unshift(...publications.map(({ data }) => data));
      before = publications[0]?.offset ?? 1;
    }
    assert.deepEqual(log, upTo(3_000));
    assert.ok(relay.cuts > 20, `${relay.cuts} cuts`);
  });

  test(`${transport.name}: a client with 1,000 publications that wait is never refused, whoever is told of them`, async (t) => {
    const server = await serve(t, transport, undefined, { commandsPerSecond: 5_000, commandBurst: 500 });
    const address = `127.0.0.1:${server.port}`;
    const others = Array.from({ length: 20 }, () => begin(t, transport, address));
    let told = 0;
    for (const other of others) {
      const subscription = other
        .channel(CHANNEL)
        .subscribe({}, { publication: () => void told++, gap: () => assert.fail("a gap") });
      t.after(() => subscription.close());
      await becomes(other, "connected");
      await other.channel(CHANNEL).history({ limit: 1 }); // It was subscribed before.
    }
    const session = begin(t, transport, address);
    const room = session.channel<number>(CHANNEL);
    const receipts = await Promise.all(upTo(1_000).map((number) => room.publish(number)));
    assert.deepEqual(
      receipts.map(({ offset }) => offset),
      upTo(1_000),
    );
    assert.equal(server.hub.stats().refused, 0);
    for (const other of others) await other.channel(CHANNEL).history({ limit: 1 });
    assert.equal(told, 20_000);
  });

  test(`${transport.name}: a server that is stopped and started again is found, and what is lost is told`, async (t) => {
    const first = await serve(t, transport);
    const session = begin(t, transport, `127.0.0.1:${first.port}`);
    const room = session.channel<string>(CHANNEL);
    const told: unknown[] = [];
    const presences: string[][] = [];
    let arrived = () => {};
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    room.subscribe(
      {},
      {
        publication({ data }) {
          told.push(data);
          if (data === "after") arrived();
        },
        gap: (gap) => told.push(gap.reset),
        presence: (users) => presences.push(users.map(({ user }) => user)),
      },
    );
    await room.publish("before");
    const { user } = session;
    await first.close();
    await becomes(session, "waiting");
    const publishing = room.publish("after"); // waits for a server
    await serve(t, transport, `127.0.0.1:${first.port}`);
    assert.equal((await publishing).offset, 1);
    await arrival;
    assert.deepEqual(told, ["before", true, "after"]);
    assert.equal(session.user, user);
    assert.deepEqual([presences[0], presences.at(-1)], [[user], [user]]);
  });
}

test("over its rate a publisher slows down and is not thrown out", async (t) => {
  const [transport] = transports;
  assert.ok(transport);
  const server = await serve(t, transport, undefined, {
    commandsPerSecond: 200,
    commandBurst: 100,
    excessCommands: 80,
  });
  const session = begin(t, transport, `127.0.0.1:${server.port}`);
  const room = session.channel<number>(CHANNEL);
  const receipts = await Promise.all(upTo(300).map((number) => room.publish(number)));
  assert.deepEqual(
    receipts.map(({ offset }) => offset).toSorted((a, b) => a - b),
    upTo(300),
  );
});

test("a refused token ends the session, a wrong channel only its subscription", async (t) => {
  const [transport] = transports;
  assert.ok(transport);
  const hub = new Hub({
    namespaces: { plaza: { subscribe: "users", publish: "users" } },
    authenticate: ({ token }) => (token === TOKEN ? { user: "ana", isGuest: false } : null),
  });
  const listener = await transport.listen("127.0.0.1:0");
  void hub.serve(listener);
  t.after(() => hub.close());
  const url = transport.url(String(listener.addr));
  const stranger = connect(url, { dial: transport.dial, token: "wrong" });
  await becomes(stranger, "closed");
  assert.ok(stranger.state.name === "closed" && stranger.state.cause?.code === "unauthorized");
  const ana = begin(t, transport, String(listener.addr));
  await assert.rejects(ana.channel("nowhere:x").subscribe().next(), { code: "unknown_channel" });
  await assert.rejects(ana.channel(CHANNEL).subscribe({ presence: true }).next(), { code: "forbidden" });
  assert.equal((await ana.channel(CHANNEL).publish("hola")).offset, 1);
  assert.equal(ana.user, "ana");
});
