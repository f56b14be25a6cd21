// Decision 0011: what an application hands over is read until the promise settles, by `trySend` until it
// returns; and written means that the system took it.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { dial as dialNet, listen } from "@zocalo/net";
import { dial, type ListenOptions, type WebSocketConn } from "../src/index.ts";
import { enableWritePastQueue, trialsOver } from "@zocalo/net/transport";
import { accepting, ended } from "./peers.ts";
import { drain, limits, MIB, unread } from "./much-to-send.ts";

before(trialsOver);

interface Pair extends AsyncDisposable {
  readonly client: WebSocketConn;
  readonly server: WebSocketConn;
}

async function pair(options: ListenOptions = limits): Promise<Pair> {
  const { listener, url } = await accepting(options);
  const accepted = listener.accept();
  const client = await dial(url, { ...limits, compression: options.compression });
  return {
    client,
    server: await accepted,
    async [Symbol.asyncDispose]() {
      client.abort();
      await listener.abort();
    },
  };
}

/** Before a measurement of memory: what is freed in the midst of it would hide what is added. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

const SIZES = [100, 16_384, 65_535, 65_536, MIB, 3 * MIB];

for (const from of ["server", "client"] as const) {
  for (const how of ["trySend", "send", "sendStream"] as const) {
    for (const compression of [false, true]) {
      test(`bytes may be written over after ${how} (${from}${compression ? ", compressed" : ""})`, async () => {
        await using both = await pair({ ...limits, compression });
        const [sender, receiver] =
          from === "server" ? [both.server, both.client] : [both.client, both.server];
        const memory = new Uint8Array(3 * MIB);
        const sending = (async () => {
          for (const [i, size] of [...SIZES, ...SIZES].entries()) {
            const bytes = memory.subarray(0, size);
            if (how === "sendStream") {
              await sender.sendStream(
                (function* () {
                  for (let part = 0; part < 3; part++) {
                    yield bytes.fill(i + 1);
                    bytes.fill(0xee);
                  }
                })(),
              );
            } else if (how === "send") await sender.send(bytes.fill(i + 1));
            else assert.notEqual(sender.trySend(bytes.fill(i + 1)), "refused");
            bytes.fill(0xee);
          }
        })();
        const times = how === "sendStream" ? 3 : 1;
        for (const [i, size] of [...SIZES, ...SIZES].entries()) {
          const message = (await receiver.receive()) as Uint8Array;
          assert.equal(message.length, size * times);
          assert.ok(
            message.every((byte) => byte === i + 1),
            `message ${i} of ${size} bytes`,
          );
        }
        await sending;
      });
    }
  }
}

for (const isOn of [true, false]) {
  test(`send of 64 KiB and more copies nothing, and waits until the system has it (${isOn ? "past the queue" : "by the stream"})`, async (t) => {
    enableWritePastQueue(isOn);
    t.after(() => enableWritePastQueue(true));
    await using both = await unread();
    const payload = new Uint8Array(32 * MIB);
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    let isTaken = false;
    const sent = both.conn.send(payload).then(() => {
      isTaken = true;
      return undefined;
    });
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isTaken, false);
    const growth = process.memoryUsage().arrayBuffers - before;
    assert.ok(growth < MIB, `${growth} bytes more`);
    both.peer.resume();
    await sent;
    assert.equal(both.conn.bufferedAmount, 0);
  });
}

test("flush resolves at once when nothing waits, and after what was sent otherwise", async () => {
  await using both = await unread();
  await both.conn.flush();
  both.conn.trySend(new Uint8Array(16 * MIB));
  let isFlushed = false;
  const flushed = both.conn.flush().then(() => {
    isFlushed = true;
    return undefined;
  });
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isFlushed, false);
  assert.ok(both.conn.bufferedAmount > 0);
  both.peer.resume();
  await flushed;
  assert.equal(both.conn.bufferedAmount, 0);
});

test("flush waits for a stream that was begun, and for what waits behind it", async () => {
  await using both = await pair();
  let goOn = (): void => undefined;
  const paused = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const streaming = both.server.sendStream(
    (async function* () {
      yield "a";
      await paused;
      yield "b";
    })(),
  );
  const behind = both.server.send("c");
  let isFlushed = false;
  const flushed = both.server.flush().then(() => {
    isFlushed = true;
    return undefined;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isFlushed, false);
  goOn();
  await Promise.all([streaming, behind, flushed]);
  assert.equal(await both.client.receive(), "ab");
  assert.equal(await both.client.receive(), "c");
});

test("a flush that is canceled rejects, and what was sent still leaves", async () => {
  await using both = await unread();
  both.conn.trySend(new Uint8Array(16 * MIB));
  const canceling = new AbortController();
  const flushed = both.conn.flush({ signal: canceling.signal });
  canceling.abort();
  await assert.rejects(flushed, { code: "canceled" });
  const again = both.conn.flush();
  both.peer.resume();
  await again;
});

for (const how of ["trySend", "send", "sendStream"] as const) {
  test(`flush and close reject when the peer resets before it has taken all (${how})`, async () => {
    await using both = await unread();
    const { conn, peer } = both;
    const bytes = new Uint8Array(32 * MIB);
    if (how === "trySend") conn.trySend(bytes);
    else if (how === "send") void conn.send(bytes);
    else void conn.sendStream([bytes]);
    const flushed = conn.flush();
    const isOver = ended(conn);
    peer.resetAndDestroy();
    await assert.rejects(flushed, { code: "closed" });
    assert.equal((await isOver).wasClean, false);
    await assert.rejects(conn.flush(), { code: "closed" });
    await assert.rejects(conn.close(), { code: "closed" });
    await conn[Symbol.asyncDispose]();
  });
}

test("close rejects when it gives up before all was taken, and when it is cut off", async () => {
  await using slow = await unread({ ...limits, closeTimeoutMs: 50 });
  slow.conn.trySend(new Uint8Array(32 * MIB));
  await assert.rejects(slow.conn.close(), { code: "closed" });
  await using cut = await unread();
  cut.conn.trySend(new Uint8Array(32 * MIB));
  const closed = cut.conn.close();
  cut.conn.abort();
  await assert.rejects(closed, { code: "closed" });
});

test("close resolves when all was taken, answered or not", async () => {
  await using both = await unread({ ...limits, closeTimeoutMs: 50 });
  both.conn.trySend("x");
  await both.conn.close();
  await both.conn.flush();
  await drain(both.peer);
});

test("close resolves behind much that is slowly taken", async () => {
  await using both = await pair();
  const got = (async () => {
    let bytes = 0;
    for await (const message of both.client) bytes += message.length;
    return bytes;
  })();
  for (let i = 0; i < 20; i++) both.server.trySend(new Uint8Array(MIB));
  await both.server.close();
  assert.equal(await got, 20 * MIB);
});

test("no call that nobody waits for ends the process", async (t) => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  t.after(() => process.off("unhandledRejection", note));
  await using both = await unread();
  const { conn, peer } = both;
  const callAll = (): void => {
    void conn.send(new Uint8Array(32 * MIB));
    void conn.send("x");
    void conn.send("x", { signal: AbortSignal.abort() });
    void conn.sendStream(["a", new Uint8Array(1)]);
    void conn.flush();
    void conn.ping();
    void conn.receive();
    void conn.receiveStream();
    void conn.close(99);
  };
  callAll();
  peer.resetAndDestroy();
  await assert.rejects(conn.receive());
  callAll();
  void conn.close();
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(unhandled, []);
});

test("a send that its signal cancels behind a stream is not sent, and its memory is the caller's at once", async () => {
  await using both = await pair();
  let goOn = (): void => {};
  const streaming = both.client.sendStream(
    (async function* () {
      yield "begun";
      await new Promise<void>((resolve) => (goOn = resolve));
    })(),
  );
  const controller = new AbortController();
  const bytes = Buffer.from("not sent");
  const canceled = both.client.send(bytes, { signal: controller.signal });
  const kept = Buffer.from("sent");
  const sent = both.client.send(kept, { signal: new AbortController().signal });
  kept.fill(0);
  controller.abort();
  await assert.rejects(canceled, { code: "canceled" });
  goOn();
  await Promise.all([streaming, sent]);
  assert.equal(await both.server.receive(), "begun");
  assert.equal(String(Buffer.from((await both.server.receive()) as Uint8Array)), "sent");
});

test("bytes that a connection of net lends are the sender's no longer than that, wherever they wait", async () => {
  await using quick = await pair();
  await using slow = await unread();
  const listener = await listen("tcp", "127.0.0.1:0");
  const source = await dialNet("tcp", String(listener.addr));
  const relay = await listener.accept();
  const total = 16 * MIB; // More than the systems of both ends hold.
  let passed = 0;
  const ended = new Promise<void>((end) => {
    relay.serve({
      data(bytes) {
        // A position in each word, so that a byte in the wrong place is found.
        void slow.conn.send(bytes);
        void quick.server.send(bytes);
        void quick.server.send(Buffer.from(bytes));
        passed += bytes.length;
      },
      end,
    });
  });
  const content = new Uint32Array(total / 4).map((_, i) => i);
  const sending = source.write(new Uint8Array(content.buffer)).then(() => source.closeWrite());
  const kept: Buffer[][] = [[], []];
  for (let length = [0, 0], at = 0; length[1] !== total; at = 1 - at) {
    const message = await quick.client.receive();
    assert.ok(message instanceof Uint8Array);
    kept[at]?.push(Buffer.from(message));
    length = length.map((sum, i) => (i === at ? sum + message.length : sum));
  }
  await Promise.all([sending, ended]);
  assert.equal(passed, total);
  const expected = Buffer.from(content.buffer);
  for (const each of kept) assert.equal(Buffer.concat(each).compare(expected), 0);
  source.abort();
  await listener.abort();
  // The one that was not read: each frame is a portion of the same content.
  let seen = Buffer.alloc(0);
  slow.peer.on("data", (bytes: Buffer) => (seen = Buffer.concat([seen, bytes])));
  slow.peer.resume();
  await slow.conn.flush().catch(() => undefined);
  let at = 0;
  let position = 0;
  while (at + 10 < seen.length) {
    const short = (seen[at + 1] ?? 0) & 127;
    const header = short === 126 ? 4 : short === 127 ? 10 : 2;
    const length =
      short === 126
        ? seen.readUInt16BE(at + 2)
        : short === 127
          ? Number(seen.readBigUInt64BE(at + 2))
          : short;
    const payload = seen.subarray(at + header, at + header + length);
    assert.equal(
      payload.compare(expected.subarray(position, position + payload.length)),
      0,
      `at ${position}`,
    );
    position += payload.length;
    at += header + length;
  }
  assert.ok(position > MIB);
});
