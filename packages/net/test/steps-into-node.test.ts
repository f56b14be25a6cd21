import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { before, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Conn, dial, listen } from "@zocalo/net";
import { enableReadBuffer, readIntoBuffer } from "../src/node/read-buffer.ts";
import { hasPeer } from "../src/node/reset.ts";
import { trialsOver } from "../src/node/trials.ts";
import { enableWritePastQueue, writePastQueue } from "../src/node/write-past-queue.ts";
import { Pairs } from "./pairs.ts";

before(trialsOver);

const MIB = 1_048_576;

/** Before a measurement of memory: what is freed in the midst of it would hide what is added. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

/** Bytes that are different everywhere, so that a block in the wrong place is found. */
function numbered(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(at, at);
  return bytes;
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

for (const isShared of [true, false]) {
  const name = isShared ? "the shared read buffer" : "data events";

  test(`${name}: handlers that write back lent bytes to slow readers mix nothing up`, async () => {
    enableReadBuffer(isShared);
    try {
      const listener = await listen("tcp", "127.0.0.1:0");
      const sent = numbered(6 * 1024 * 1024);
      const echo = async (): Promise<string> => {
        const [client, server] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
        const memories = new Set<ArrayBufferLike>();
        let portions = 0;
        server.serve({
          data(bytes) {
            memories.add(bytes.buffer);
            portions++;
            return server.write(bytes);
          },
        });
        const writing = client.write(sent);
        const back = await client.readFull(sent.length);
        await writing;
        await client.close();
        assert.equal(memories.size < portions, isShared);
        return digest(back ?? Buffer.alloc(0));
      };
      const digests = await Promise.all([echo(), echo(), echo()]);
      assert.deepEqual(new Set(digests), new Set([digest(sent)]));
      await listener.drain(null);
    } finally {
      enableReadBuffer(true);
    }
  });

  test(`${name}: many connections reading at once keep their bytes apart`, async () => {
    enableReadBuffer(isShared);
    try {
      const listener = await listen("tcp", "127.0.0.1:0");
      const pairs = await Promise.all(
        Array.from({ length: 50 }, async () => {
          const client = await dial("tcp", String(listener.addr));
          return { client, server: await listener.accept() };
        }),
      );
      // The order of accepting is not that of dialing: what counts is that each server end sees one client's
      // bytes only.
      const received = pairs.map(async ({ server }) => {
        const parts: Uint8Array[] = [];
        for await (const part of server) parts.push(part);
        const all = Buffer.concat(parts);
        assert.equal(all.length, 200_000);
        assert.ok(all.every((byte) => byte === all[0]));
        return all[0];
      });
      await Promise.all(
        pairs.map(async ({ client }, index) => {
          for (let i = 0; i < 100; i++) await client.write(Buffer.alloc(2000, index));
          await client.closeWrite();
        }),
      );
      assert.deepEqual(new Set(await Promise.all(received)), new Set(pairs.map((_, index) => index)));
      await listener.abort();
      for (const { client } of pairs) client.abort();
    } finally {
      enableReadBuffer(true);
    }
  });
}

test("what cannot read into a given buffer is left alone", () => {
  assert.equal(readIntoBuffer(new Socket()), false);
  const foreign = new Socket();
  Reflect.set(foreign, "_handle", { useUserBuffer: undefined });
  assert.equal(readIntoBuffer(foreign), false);
  assert.equal(hasPeer(new PassThrough() as unknown as Socket), undefined);
});

test("hundreds of connections opened and closed at once leave nothing open", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const greeting = (async () => {
    for await (const conn of listener) {
      conn.write(Buffer.from("x")).then(
        () => conn.close(),
        () => conn.abort(),
      );
    }
  })();
  await Promise.all(
    Array.from({ length: 400 }, async (_, index) => {
      const conn = await dial("tcp", String(listener.addr));
      if (index % 4 !== 0) assert.equal(String(await conn.read()), "x");
      if (index % 2 === 0) conn.abort();
      else await conn.close();
    }),
  );
  await listener.drain(null);
  await greeting;
});

/** Descriptors of sockets that this process has open; `undefined` where the system does not tell. */
function openSockets(): number | undefined {
  try {
    const names = readdirSync("/proc/self/fd").map((fd) => nameOf(`/proc/self/fd/${fd}`));
    return names.filter((name) => name.startsWith("socket:")).length;
  } catch {
    return undefined;
  }
}

function nameOf(descriptor: string): string {
  try {
    return readlinkSync(descriptor);
  } catch {
    return ""; // Closed meanwhile.
  }
}

test("to abort right after the end was sent leaves no descriptor open, whatever carries the connection", async (t) => {
  const pairs = new Pairs();
  t.after(() => pairs.dispose());
  if (openSockets() === undefined) return t.skip("this system does not show the descriptors of a process");
  const isMoreThan = (count: number): boolean => (openSockets() ?? 0) > count;
  const ignore = (): void => undefined;
  const atOnce = (conn: Conn): Promise<void> => conn.closeWrite();
  const inFull = (conn: Conn): Promise<void> => conn.close();
  const afterAWrite = (conn: Conn): Promise<void> => {
    conn.write(Buffer.from("x")).catch(ignore);
    return conn.closeWrite();
  };
  for (const make of [pairs.tcp, pairs.unix, pairs.tls]) {
    const before = openSockets() ?? 0;
    for (const end of Array.from({ length: 5 }, () => [atOnce, inFull, afterAWrite]).flat()) {
      const pair = await make();
      const { a, b } = pair;
      const received = b.read();
      end(a).catch(ignore);
      await Promise.resolve();
      a.abort();
      await received.catch(ignore);
      b.abort();
      await pair.tidy();
    }
    // What was closed is gone from the table a turn later or two; what was left behind never is.
    for (let i = 0; i < 100 && isMoreThan(before); i++) await turn();
    assert.equal(isMoreThan(before), false, `${openSockets()} sockets are open, and ${before} were`);
  }
});

for (const isPast of [true, false]) {
  test(`writes ${isPast ? "past" : "by way of"} the queue of Node's stream arrive in order, whole, and before the end`, async () => {
    enableWritePastQueue(isPast);
    try {
      const listener = await listen("tcp", "127.0.0.1:0");
      const [client, server] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
      const sent = numbered(4 * 1024 * 1024);
      const writing = (async () => {
        for (let at = 0; at < sent.length; ) {
          const length = (at % 50_000) + 1;
          const part = sent.subarray(at, at + length);
          // Some are waited for, some not, some are of several parts.
          if (length % 3 === 0) await server.write(part);
          else if (length % 3 === 1) void server.write(part);
          else await server.writev([part.subarray(0, 1), part.subarray(1)]);
          at += length;
        }
        await server.close();
      })();
      const parts: Uint8Array[] = [];
      for await (const part of client) parts.push(part);
      await writing;
      assert.equal(digest(Buffer.concat(parts)), digest(sent));
      await client.close();
      await listener.close();
    } finally {
      enableWritePastQueue(true);
    }
  });

  test(`a write ${isPast ? "past" : "by way of"} the queue of Node's stream copies nothing while the peer does not read`, async (t) => {
    enableWritePastQueue(isPast);
    t.after(() => enableWritePastQueue(true));
    const listener = await listen("tcp", "127.0.0.1:0");
    const [client, server] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
    const bytes = new Uint8Array(32 * MIB);
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    let isTaken = false;
    const written = server.write(bytes).then(() => (isTaken = true));
    for (let i = 0; i < 20; i++) await turn();
    assert.equal(isTaken, false);
    const growth = process.memoryUsage().arrayBuffers - before;
    assert.ok(growth < MIB, `${growth} bytes more`);
    await Promise.all([client.readFull(bytes.length), written]);
    client.abort();
    await listener.abort();
  });
}

test("past the queue goes only what a connected socket of Node can take", () => {
  const written = (): never => assert.fail("nothing was written");
  const bytes = Buffer.from("x");
  assert.equal(writePastQueue(new PassThrough(), bytes, written), false);
  const destroyed = new Socket();
  destroyed.destroy();
  assert.equal(writePastQueue(destroyed, bytes, written), false);
});
