import assert from "node:assert/strict";
import type { NetError } from "@zocalo/net";
import { bytes, soon, text, type Subject } from "./subject.ts";

/** Ends in order: `closeWrite`, `closeRead` and `close`. */
export function endsContract({ contract }: Subject): void {
  contract("half-close: the other direction goes on", async ({ a, b }) => {
    await a.write(bytes("question"));
    await a.closeWrite();
    await a.closeWrite();
    await assert.rejects(a.write(bytes("more")), { code: "closed", op: "write" });
    assert.equal(text(await b.readFull(8)), "question");
    assert.equal(await b.read(), null);
    await b.write(bytes("answer"));
    await b.closeWrite();
    assert.equal(text(await a.readFull(6)), "answer");
    assert.equal(await a.read(), null);
  });

  contract(
    "close unblocks reads; later calls reject; a second close waits for the first",
    async ({ a, b }) => {
      const waiting = [a.read(), a.readFull(3), a[Symbol.asyncIterator]().next()];
      const outcomes = Promise.allSettled(waiting);
      await Promise.all([a.close(), a.close(), a[Symbol.asyncDispose]()]);
      for (const outcome of await outcomes) {
        assert.equal(outcome.status, "rejected");
        assert.equal((outcome.reason as NetError).code, "closed");
      }
      await assert.rejects(a.read(), { code: "closed", op: "read" });
      await assert.rejects(a.write(bytes("x")), { code: "closed", op: "write" });
      await a.closeWrite(); // It has ended already.
      a.closeRead();
      a.setDeadline(soon());
      a.abort();
      await a.close();
      assert.equal(await b.read(), null);
    },
  );

  contract("close flushes what was accepted", async ({ a, b }) => {
    const block = Buffer.alloc(60_000, "f");
    void a.write(block).catch(() => undefined);
    await a.close();
    const got = await b.readFull(block.length);
    assert.ok(got && Buffer.compare(got, block) === 0);
    assert.equal(await b.read(), null);
  });

  contract("close while the peer is still sending does not destroy our last bytes", async ({ a, b }) => {
    const noise = (async () => {
      const block = Buffer.alloc(64 * 1024);
      try {
        for (let i = 0; i < 32; i++) await b.write(block);
      } catch {
        // The peer may cut us off.
      }
      await b.closeWrite().catch(() => undefined);
    })();
    await a.write(bytes("last words"));
    await a.close();
    assert.equal(text(await b.readFull(10)), "last words");
    await noise;
  });

  contract(
    "close refuses what it cuts off, and a write that it cuts short says what was taken",
    async ({ a, b }) => {
      const block = Buffer.alloc(64 * 1024 * 1024, 7);
      const cut = a.write(block).catch((error: unknown) => error as NetError);
      const never = assert.rejects(a.write(bytes("never")), { code: "closed", bytesWritten: 0 });
      const closed = a.close();
      await never;
      let received = 0;
      for await (const portion of b) received += portion.length;
      await closed;
      const { code, bytesWritten } = (await cut) as NetError;
      assert.deepEqual({ code, bytesWritten }, { code: "closed", bytesWritten: received });
    },
  );

  contract(
    "a write that close cuts short, and that the peer then resets, counts what was taken",
    async ({ a, b }) => {
      const cut = a.write(Buffer.alloc(64 * 1024 * 1024, 7)).catch((error: unknown) => error as NetError);
      const closed = a.close().catch(() => undefined); // A transport that had room for the rest has taken it.
      await b.readFull(10_000);
      b.abort();
      await closed;
      const { bytesWritten = Number.NaN } = (await cut) as NetError;
      assert.ok(bytesWritten < 64 * 1024 * 1024, String(bytesWritten));
    },
  );

  contract("closeRead throws away what arrives, and the peer is not held back", async ({ a, b }) => {
    const waiting = a.read();
    a.closeRead();
    assert.equal(await waiting, null);
    assert.equal(await a.read(), null);
    const block = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 8; i++) await b.write(block);
    await a.write(bytes("still here"));
    assert.equal(text(await b.readFull(10)), "still here");
    await a.close();
    await assert.rejects(a.read(), { code: "closed" });
  });
}
