import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { dial, listen } from "@zocalo/net";
import { enableReadBuffer, hasPeer, isLentMemory, readIntoBuffer, onreadOption } from "../src/read-buffer.ts";

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
        let lent = 0;
        server.serve({
          data(bytes) {
            if (isLentMemory(bytes)) lent++;
            return server.write(bytes);
          },
        });
        const writing = client.write(sent);
        const back = await client.readFull(sent.length);
        await writing;
        await client.close();
        assert.equal(lent > 0, isShared);
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
      // The order of accepting is not that of dialing: what counts is that each server end sees one client's bytes only.
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
  enableReadBuffer(false);
  assert.equal(onreadOption(), undefined);
  enableReadBuffer(true);
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
