import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { NetError } from "@zocalo/net";
import { bytes, text, type Subject } from "./subject.ts";

/** Ends out of order: `abort`, resets, and what is told of what had been written and had arrived. */
export function failuresContract({ contract, makePair, hasReset, forgetsEnd }: Subject): void {
  contract("abort unblocks everything at once and tells the peer", async ({ a, b }) => {
    const block = Buffer.alloc(64 * 1024 * 1024);
    const outcomes = Promise.allSettled([a.read(), a.write(block), a.closeWrite()]);
    const peer = b.read().then(
      (portion) => (portion === null ? "end" : "bytes"),
      (error: NetError) => error.code,
    );
    a.abort();
    a.abort();
    for (const outcome of await outcomes) {
      assert.equal(outcome.status, "rejected");
      assert.equal((outcome.reason as NetError).code, "closed");
    }
    await assert.rejects(a.read(), { code: "closed" });
    await assert.rejects(a.close(), { code: "closed" }); // Not all was taken.
    let last = await peer;
    while (last === "bytes") {
      last = await b.read().then(
        (portion) => (portion === null ? "end" : "bytes"),
        (error: NetError) => error.code,
      );
    }
    assert.ok(hasReset ? last === "reset" : last === "reset" || last === "end", last);
  });

  contract("leaving a block after abort throws nothing, although bytes were dropped", async ({ a }) => {
    const writing = a.write(Buffer.alloc(64 * 1024 * 1024));
    a.abort();
    await assert.rejects(writing, { code: "closed" });
    await a[Symbol.asyncDispose]();
  });

  contract("a reset that was met once is told to every later call", async ({ a, b }) => {
    if (!hasReset) {
      b.abort();
      await a.read().catch((error: NetError) => assert.equal(error.code, "reset"));
      return;
    }
    await a.write(bytes("x"));
    b.abort();
    await assert.rejects(a.read(), { code: "reset", op: "read" });
    await assert.rejects(a.read(), { code: "reset" });
    await assert.rejects(a.readFull(1), { code: "reset" });
    await assert.rejects(a.write(bytes("x")), { code: "reset", op: "write" });
    await assert.rejects(a.closeWrite(), { code: "reset" });
    await a.close();
  });

  contract("writing to a peer that is gone fails in the end", async ({ a, b }) => {
    b.abort();
    const codes = ["reset", "broken_pipe"];
    await assert.rejects(
      (async () => {
        for (;;) {
          await a.write(bytes("anybody?"));
          await turn();
        }
      })(),
      (error: NetError) => codes.includes(error.code) && error.op === "write",
    );
  });

  contract("a write that was cut off by the peer is not taken for written", async ({ a, b }) => {
    for (const isReading of [true, false]) {
      const pair = isReading ? { a, b, tidy: () => Promise.resolve() } : await makePair();
      const reading = isReading ? pair.a.read().catch(() => null) : undefined;
      const block = Buffer.alloc(64 * 1024 * 1024);
      const writing = pair.a.write(block);
      const queued = [pair.a.write(bytes("one")), pair.a.writev([bytes("two"), bytes("three")])];
      await pair.b.readFull(1000);
      pair.b.abort();
      await assert.rejects(writing, (error: NetError) => {
        const { bytesWritten = Number.NaN } = error;
        return bytesWritten < block.length && ["reset", "broken_pipe"].includes(error.code);
      });
      for (const write of queued) await assert.rejects(write, { op: "write", bytesWritten: 0 });
      await assert.rejects(pair.a.closeWrite(), { op: "write" });
      await assert.rejects(pair.a.close(), { op: "close" });
      await reading;
      pair.a.abort();
      await pair.tidy();
    }
  });

  // Elsewhere it is an end.
  if (hasReset) {
    contract("a reset that meets no write is told to a handler as a failure to read", async ({ a, b }) => {
      const closed = new Promise<Error | undefined>((close) => {
        a.serve({ data() {}, end() {}, close });
      });
      b.abort();
      const { code, op } = (await closed) as NetError;
      assert.deepEqual([code, op], ["reset", "read"]);
    });
  }

  contract("no more than was taken counts as written when the connection is aborted", async ({ a, b }) => {
    const block = Buffer.alloc(64 * 1024 * 1024, "b");
    const outcome = a.write(block).then(
      () => undefined,
      (error: NetError) => error,
    );
    let received = (await b.readFull(10_000))?.length ?? 0;
    a.abort();
    const { code, bytesWritten = Number.NaN } = (await outcome) ?? {};
    assert.equal(code, "closed");
    assert.ok(bytesWritten < block.length);
    try {
      for await (const portion of b) received += portion.length;
    } catch (error) {
      assert.equal((error as NetError).code, "reset");
    }
    // What TLS has made of a step nobody knows.
    const step = a.tls === undefined ? 0 : 65_536;
    assert.ok(received <= bytesWritten + step, `${received} came, ${bytesWritten} were taken`);
  });

  contract("what had arrived is read before the failure that came after it", async ({ a, b }) => {
    const writing = a.write(Buffer.alloc(64 * 1024 * 1024));
    await b.write(bytes("too large"));
    b.abort();
    await assert.rejects(writing, { op: "write" });
    await assert.rejects(a.write(bytes("more")), { op: "write" });
    assert.equal(text(await a.readFull(9)), "too large");
    const last = await a.read().catch((error: NetError) => error.code);
    assert.ok(last === "reset" || (!hasReset && last === null), String(last));
  });

  contract("what came before an end is read, and then the end, though a write failed", async ({ a, b }) => {
    const writing = a.write(Buffer.alloc(64 * 1024 * 1024));
    await b.write(bytes("last words"));
    await b.closeWrite();
    b.abort();
    await assert.rejects(writing, { op: "write" });
    assert.equal(text(await a.readFull(10)), "last words");
    const last = await a.read().catch((error: NetError) => error.code);
    // TCP tells both; an end that came before is the truth wherever the system remembers it.
    assert.ok(last === null || (forgetsEnd && last === "reset"), String(last));
  });

  contract("calls that nobody waits for and that fail end nothing but the connection", async ({ a, b }) => {
    const closed = new Promise<Error | undefined>((close) => {
      a.serve({ data() {}, end() {}, close });
    });
    void a.write(Buffer.alloc(64 * 1024 * 1024));
    void a.writev([bytes("one"), bytes("two")]);
    void a.closeWrite();
    void b.readFull(1e9);
    void b.read();
    await b.write(bytes("x"));
    b.abort();
    assert.ok((await closed) instanceof Error);
    void a.close();
    void a.closeWrite();
    void a.write(bytes("x"));
    void a.read();
    void a[Symbol.asyncDispose]();
    for (let i = 0; i < 5; i++) await turn(); // The runner fails a test with an unhandled rejection.
  });
}
