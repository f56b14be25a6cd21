// Datagrams that have to wait in the process, because the system is behind, and all that is promised of them.
// See `slow-link.test.ts` for a real slow link.
import assert from "node:assert/strict";
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import { afterEach, test, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { dial, ipAddr, listenPacket, type Packet, peers, PreparedMessage } from "@zocalo/net";
import { enableDirectSend } from "../src/node/direct-send.ts";
import { lend } from "../src/memory/lent-memory.ts";
import { crowd } from "./crowded-handle.ts";
import { bound, isCode, lentWays, peer, ways } from "./datagram-ways.ts";

const SIZES = [0, 1, 2, 512, 513, 40_000, 7];

/** A resolver that does not answer before it is told to. */
function hangingResolver(t: TestContext): { answer(): void } {
  const waiting: (() => void)[] = [];
  const lookup = (
    _name: string,
    _options: object,
    done: (error: null, address: string, family: number) => void,
  ) => void waiting.push(() => done(null, "127.0.0.1", 4));
  const mocked = t.mock.method(dns, "lookup", lookup as unknown as typeof dns.lookup);
  syncBuiltinESMExports();
  t.after(() => {
    mocked.mock.restore();
    syncBuiltinESMExports();
  });
  return { answer: () => waiting.splice(0).forEach((answer) => answer()) };
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

afterEach(() => enableDirectSend(true));

for (const [how, isDirect] of [
  ["past Node's documentation", true],
  ["as documented", false],
] as const) {
  for (const [name, open] of Object.entries(ways)) {
    test(`${name}, ${how}: a datagram that waits is not what its sender writes afterwards`, async () => {
      enableDirectSend(isDirect);
      const { crowd: waiting, hand, end } = await open();
      const memory = new Uint8Array(40_000);
      for (const [at, size] of SIZES.entries()) {
        const given = memory.subarray(0, size).fill(at + 1);
        let isSettled = false;
        const handed = Promise.resolve(hand(given)).then(() => {
          isSettled = true;
          memory.fill(0xdb);
        });
        await turn();
        if (isSettled) await handed;
        await waiting.arrived(1);
        if (!isSettled) await turn();
        const [taken] = waiting.release();
        assert.ok(
          Buffer.alloc(size, at + 1).equals(taken ?? Buffer.of(0)),
          `datagram ${at} of ${size} bytes`,
        );
        await handed;
      }
      await end();
    });
  }

  for (const [name, open] of Object.entries(lentWays)) {
    test(`${name}, ${how}: lent bytes may be passed on, although they wait longer than they are lent`, async () => {
      enableDirectSend(isDirect);
      const { crowd: waiting, pass, end } = await open();
      const memory = Buffer.from("onetwosix");
      lend(memory, { data: (bytes) => pass([0, 3, 6].map((at) => bytes.subarray(at, at + 3))) });
      memory.fill("!");
      const taken: string[] = [];
      while (taken.length < 3) {
        await waiting.arrived(1);
        taken.push(...waiting.release().map(String));
        await turn();
      }
      assert.deepEqual(taken.sort(), ["one", "six", "two"]);
      await end();
    });
  }

  test(`${how}: what waits for a name counts against the limit, and trySend takes no byte more`, async (t) => {
    const resolver = hangingResolver(t);
    enableDirectSend(isDirect);
    const packets = await listenPacket("udp4", "127.0.0.1:0", { sendLimitBytes: 100 });
    const { port } = packets.localAddr;
    const named = ipAddr("udp", "somewhere.invalid", port);
    assert.equal(packets.trySend(Buffer.alloc(50), named), "sent");
    const controller = new AbortController();
    const sending = packets.send(Buffer.alloc(20), named, { signal: controller.signal });
    controller.abort();
    await assert.rejects(sending, isCode("canceled"));
    assert.equal(
      packets.trySend(Buffer.alloc(31), named),
      "refused",
      "the copy of what was canceled waits, too",
    );
    assert.equal(packets.trySend(Buffer.alloc(30), named), "sent");
    assert.equal(packets.trySend(Buffer.alloc(1), named), "refused");
    assert.equal(packets.trySend(Buffer.alloc(1), packets.localAddr), "refused");
    resolver.answer();
    await packets.flush();
    assert.equal(packets.trySend(Buffer.alloc(101), named), "refused");
    assert.equal(packets.trySend(Buffer.alloc(100), named), "sent");
    resolver.answer();
    await packets.close();
  });

  test(`${how}: what waits for the system counts against the limit, once`, async () => {
    enableDirectSend(isDirect);
    const packets = await listenPacket("udp4", "127.0.0.1:0", { sendLimitBytes: 100 });
    const waiting = crowd(packets);
    void packets.send(Buffer.alloc(60), packets.localAddr);
    assert.equal(packets.trySend(Buffer.alloc(41), packets.localAddr), "refused");
    assert.equal(packets.trySend(Buffer.alloc(40), packets.localAddr), "sent");
    assert.equal(packets.trySend(Buffer.alloc(1), packets.localAddr), "refused");
    waiting.release(1);
    assert.equal(packets.trySend(Buffer.alloc(61), packets.localAddr), "refused");
    assert.equal(packets.trySend(Buffer.alloc(60), packets.localAddr), "sent");
    waiting.release();
    await packets.close();
  });

  test(`${how}: nothing is kept of a flush that was canceled`, async () => {
    enableDirectSend(isDirect);
    const { packets, to, crowd: waiting, end } = await bound();
    packets.trySend(Buffer.from("one"), to);
    const canceled = async (): Promise<WeakRef<Error>> => {
      const controller = new AbortController();
      const flushing = packets.flush({ signal: controller.signal });
      controller.abort();
      return flushing.then(
        () => assert.fail("was not canceled"),
        (error: Error) => new WeakRef(error),
      );
    };
    const kept = await canceled();
    await turn();
    collectGarbage();
    assert.equal(kept.deref(), undefined);
    const flushed = packets.flush();
    waiting.release();
    await flushed;
    await end();
  });

  test(`${how}: many that wait each have their own memory, in the order they were sent`, async () => {
    enableDirectSend(isDirect);
    const { packets, to, crowd: waiting, end } = await bound();
    const memory = new Uint8Array(600);
    for (let at = 0; at < 200; at++) {
      packets.trySend(memory.fill(at).subarray(0, 3 * at), to);
      memory.fill(0xdb);
    }
    const taken = waiting.release();
    assert.equal(taken.length, 200);
    for (const [at, bytes] of taken.entries()) assert.ok(Buffer.alloc(3 * at, at).equals(bytes), String(at));
    await end();
  });

  test(`${how}: datagrams that wait in different sockets each have their own memory`, async () => {
    enableDirectSend(isDirect);
    const sockets = [await bound(), await bound(), await bound()];
    const memory = new Uint8Array(1000);
    for (const [at, { packets, to }] of sockets.entries()) {
      packets.trySend(memory.fill(at + 1), to);
      memory.fill(0xdb);
    }
    for (const [at, { crowd: waiting, end }] of sockets.entries()) {
      assert.ok(Buffer.alloc(1000, at + 1).equals(waiting.release()[0] ?? Buffer.of(0)), `socket ${at}`);
      await end();
    }
  });

  test(`${how}: a prepared message stays as it is, and so does each datagram of it`, async () => {
    enableDirectSend(isDirect);
    const { conn, crowd: waiting, end } = await peer();
    const prepared = new PreparedMessage(Buffer.alloc(5000, "p"));
    await conn.send(prepared);
    conn.trySend(prepared);
    conn.trySend(Buffer.alloc(5000, "q"));
    assert.deepEqual(
      waiting.release().map((bytes) => bytes.toString()),
      ["p", "p", "q"].map((letter) => letter.repeat(5000)),
    );
    assert.equal(Buffer.from(prepared.message as Uint8Array).toString(), "p".repeat(5000));
    await end();
  });

  test(`${how}: flush waits for what was sent before it, not for what was sent after`, async () => {
    enableDirectSend(isDirect);
    const { packets, to, crowd: waiting, end } = await bound();
    packets.trySend(Buffer.from("one"), to);
    packets.trySend(Buffer.from("two"), to);
    assert.equal(packets.bufferedAmount, 6);
    let isFlushed = false;
    const flushed = packets.flush().then(() => (isFlushed = true));
    await assert.rejects(packets.flush({ signal: AbortSignal.abort() }), isCode("canceled"));
    packets.trySend(Buffer.from("three"), to);
    assert.deepEqual(waiting.release(1).map(String), ["one"]);
    await turn();
    assert.equal(isFlushed, false);
    assert.deepEqual(waiting.release(1).map(String), ["two"]);
    await flushed;
    assert.equal(packets.bufferedAmount, 5);
    waiting.release();
    await packets.flush();
    await end();
  });

  test(`${how}: flush never says that what close has dropped was taken`, async () => {
    enableDirectSend(isDirect);
    const { packets, to, crowd: waiting } = await bound();
    packets.trySend(Buffer.from("one"), to);
    const before = packets.flush();
    const closed = packets.close();
    const after = packets.flush();
    waiting.release(1, -125); // ECANCELED, as libuv says it of what waits in a socket that is closed
    await assert.rejects(before, isCode("closed"));
    await assert.rejects(after, isCode("closed"));
    await closed;
    await assert.rejects(packets.flush(), isCode("closed"));
    assert.equal(packets.bufferedAmount, 0);
  });

  test(`${how}: the last words of a peer leave before the socket is closed behind it`, async () => {
    enableDirectSend(isDirect);
    const { conn, listener, packets, crowd: waiting, end } = await peer();
    const log: string[] = [];
    conn.serve({ message() {}, close: ({ code }) => void log.push(`close ${code}`) });
    conn.trySend("last words");
    assert.equal(conn.bufferedAmount, 10);
    const closed = conn.close(1000, "bye").then(() => log.push("closed"));
    await listener.close();
    assert.equal(conn.trySend("late"), "refused");
    await assert.rejects(conn.send("late"), isCode("closed"));
    await turn();
    assert.deepEqual(log, []);
    assert.deepEqual(waiting.release().map(String), ["last words"]);
    await closed;
    await turn();
    assert.deepEqual(new Set(log), new Set(["close 1000", "closed"]));
    await assert.rejects(packets.send(new Uint8Array(0), packets.localAddr), isCode("closed"));
    await end();
  });

  test(`${how}: closing a peer whose words do not leave rejects in time, and its handler is told`, async () => {
    enableDirectSend(isDirect);
    const { conn, crowd: waiting, end } = await peer({ closeTimeoutMs: 1 });
    const told = new Promise((resolve) => conn.serve({ message() {}, close: resolve }));
    conn.trySend("last words");
    await assert.rejects(conn.close(), isCode("timeout"));
    const { code, wasClean, error } = (await told) as { code: number; wasClean: boolean; error?: object };
    assert.deepEqual([code, wasClean, Reflect.get(error ?? {}, "code")], [1006, false, "timeout"]);
    await assert.rejects(conn.close(), isCode("timeout"));
    waiting.release();
    await end();
  });

  test(`${how}: closing a peer rejects when the socket is closed under it, and nobody need wait for that`, async () => {
    enableDirectSend(isDirect);
    const { conn, packets, crowd: waiting, end } = await peer();
    conn.trySend("last words");
    const closing = conn.close();
    void conn.close();
    void conn.flush();
    await packets.close();
    waiting.release(1, -125);
    await turn();
    await turn(); // An unhandled rejection would have failed this test.
    await assert.rejects(closing, isCode("closed"));
    await end();
  });

  test(`${how}: what was sent leaves although the handler fails then, and the listener is closed`, async () => {
    enableDirectSend(isDirect);
    const packets = await listenPacket("udp4", "127.0.0.1:0");
    const listener = peers(packets);
    const client = await dial("udp", String(packets.localAddr));
    await client.send(Buffer.from("one"));
    const conn = await listener.accept();
    const waiting = crowd(packets);
    const told = new Promise((resolve) => {
      conn.serve({
        message() {
          conn.trySend("last words");
          void listener.close();
          throw new Error("oops");
        },
        close: ({ code }) => resolve(code),
      });
    });
    assert.equal(await told, 1011);
    await turn();
    assert.equal(packets.bufferedAmount, 10, "the socket is still open");
    assert.deepEqual(waiting.release().map(String), ["last words"]);
    await client.close();
    await listener.abort();
  });

  test(`${how}: a peer that was closed may come back while its last words still wait`, async () => {
    enableDirectSend(isDirect);
    const packets = await listenPacket("udp4", "127.0.0.1:0");
    const listener = peers(packets);
    const client = await dial("udp", String(packets.localAddr));
    await client.send(Buffer.from("one"));
    const first = await listener.accept();
    const waiting = crowd(packets);
    first.trySend("bye");
    const closing = first.close();
    await client.send(Buffer.from("two"));
    const second = await listener.accept();
    assert.notEqual(second, first);
    assert.equal(await second.receive(), "two");
    waiting.release();
    await closing;
    await client.close();
    await listener.abort();
  });
}

test("a batch that is canceled while it waits says how many had left, and none of it is changed", async () => {
  const { packets, to, crowd: waiting, end } = await bound();
  const memory = ["one", "two", "six"].map((text) => Buffer.from(text));
  const batch: Packet[] = memory.map((bytes) => ({ bytes, addr: to }));
  const controller = new AbortController();
  const sending = packets.sendBatch(batch, { signal: controller.signal });
  await turn();
  const taken = waiting.release().map(String);
  await waiting.arrived(1);
  controller.abort();
  await assert.rejects(sending, { code: "canceled", datagramsSent: 1 });
  for (const bytes of memory) bytes.fill("!");
  assert.deepEqual([...taken, ...waiting.release().map(String)], ["one", "two"]);
  await end();
});
