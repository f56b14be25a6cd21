import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { Conn, NetError } from "@zocalo/net";
import { bytes, soon, text, type Subject } from "./subject.ts";

/** A connection with a handler. */
export function servingContract({ contract, makePair, transferBytes }: Subject): void {
  contract(
    "an end that was told while a handler is busy waits for it, also where it came before serve",
    async ({ a, b }) => {
      await b.write(bytes("12345"));
      await b.closeWrite();
      await assert.rejects(a.readFull(10), { code: "end_of_stream" });
      const told: string[] = [];
      await new Promise<void>((resolve) => {
        a.serve({
          async data(portion) {
            const kept = Buffer.from(portion).toString();
            await turn();
            await a.write(bytes("answer"));
            told.push(kept);
          },
          end() {
            told.push("end");
            void a.close();
            resolve();
          },
        });
      });
      assert.deepEqual(told, ["12345", "end"]);
      assert.equal(text(await b.readFull(6)), "answer");
    },
  );

  contract("bytes that a handler passes on without waiting are never another's", async () => {
    const pairs = await Promise.all([1, 2, 3].map(makePair));
    const size = Math.min(transferBytes, 1024 * 1024);
    const status = Buffer.alloc(70_000, 0x2e);
    const echoed = pairs.map(async ({ a, b }, index) => {
      let isSaying = false;
      b.serve({
        data(portion) {
          // Something else waits before it.
          if (!isSaying) void b.write(status).then(() => (isSaying = false));
          isSaying = true;
          void b.write(portion);
          void b.writev([portion.subarray(0, 1), portion.subarray(1)]);
        },
      });
      const letter = 0x41 + index;
      const sent = a.write(Buffer.alloc(size, letter)).then(() => a.closeWrite());
      let own = 0;
      for await (const portion of a) {
        for (const byte of portion) {
          if (byte === letter) own++;
          else if (byte !== 0x2e) assert.fail(`${byte} is nobody's or another's byte`);
        }
        await turn();
      }
      await sent;
      assert.equal(own, size * 2);
    });
    await Promise.all(echoed);
    await Promise.all(pairs.map((pair) => pair.tidy()));
  });

  contract(
    "a handler without `end` sends all that was written before it closes, however slowly it is taken",
    async ({ a, b }) => {
      const block = Buffer.alloc(4 * 1024 * 1024, "z");
      const closed = new Promise<Error | undefined>((close) => {
        b.serve({
          data() {
            void b.write(block);
          },
          close,
        });
      });
      await a.write(bytes("x"));
      await a.closeWrite();
      for (let i = 0; i < 20; i++) await turn();
      const got = await a.readFull(block.length);
      assert.ok(got && Buffer.compare(got, block) === 0);
      assert.equal(await a.read(), null);
      assert.equal(await closed, undefined);
    },
  );

  contract("serve hands over every byte, then the end, then the closing", async ({ a, b }) => {
    const log: string[] = [];
    let got = "";
    await a.write(bytes("early "));
    const closed = new Promise<Error | undefined>((resolve) => {
      b.serve({
        data(portion) {
          got += text(portion);
          return b.write(portion);
        },
        end() {
          log.push("end");
          void b.close();
        },
        close(error) {
          log.push("close");
          resolve(error);
        },
      });
    });
    assert.throws(() => b.serve({ data() {} }), { code: "invalid_argument" });
    await assert.rejects(b.read(), { code: "invalid_argument" });
    await a.write(bytes("late"));
    await a.closeWrite();
    assert.equal(text(await a.readFull(10)), "early late");
    assert.equal(await a.read(), null);
    assert.equal(await closed, undefined);
    assert.equal(got, "early late");
    assert.deepEqual(log, ["end", "close"]);
  });

  contract("a busy handler holds the peer back and gets one portion after the other", async ({ a, b }) => {
    let isBusy = false;
    let received = 0;
    const size = 3 * 1024 * 1024;
    const done = new Promise<void>((resolve) => {
      b.serve({
        async data(portion) {
          assert.equal(isBusy, false);
          isBusy = true;
          received += portion.length;
          await turn();
          isBusy = false;
        },
        end: resolve,
      });
    });
    await a.write(Buffer.alloc(size));
    await a.closeWrite();
    await done;
    assert.equal(received, size);
  });

  contract("the end is told once the handler is done with what came before it", async ({ a, b }) => {
    const log: string[] = [];
    const closed = new Promise<void>((close) => {
      b.serve({
        async data() {
          log.push("data");
          for (let i = 0; i < 20; i++) await turn();
          log.push("done");
        },
        end() {
          log.push("end");
          void b.close();
        },
        close: () => close(),
      });
    });
    await a.write(bytes("x"));
    await a.closeWrite();
    await closed;
    assert.deepEqual(log.slice(-3), ["data", "done", "end"]);
  });

  contract("a handler's close is called once, behind the promise that data returned", async ({ a, b }) => {
    const log: string[] = [];
    let goOn = (): void => {};
    const closed = new Promise<void>((close) => {
      b.serve({
        async data() {
          log.push("data");
          await new Promise<void>((resolve) => (goOn = resolve));
          log.push("done");
        },
        close() {
          log.push("close");
          close();
        },
      });
    });
    await a.write(bytes("x"));
    while (log.length === 0) await turn();
    a.abort();
    b.abort();
    for (let i = 0; i < 5; i++) await turn();
    goOn();
    await closed;
    void b.close(); // It rejects, and nobody need wait for it.
    for (let i = 0; i < 5; i++) await turn();
    assert.deepEqual(log, ["data", "done", "close"]);
  });

  contract("a handler without `end` closes when the peer ends", async ({ a, b }) => {
    const closed = new Promise<Error | undefined>((close) => {
      b.serve({ data() {}, close });
    });
    await a.closeWrite();
    assert.equal(await a.read(), null);
    assert.equal(await closed, undefined);
  });

  contract(
    "what a handler throws or rejects with aborts the connection and comes to `close`",
    async ({ a, b }) => {
      const thrown = new Error("thrown");
      const rejected = new Error("rejected");
      const closed = (conn: Conn, data: () => void | Promise<void>): Promise<Error | undefined> =>
        new Promise((close) => {
          conn.serve({ data, close });
        });
      const atB = closed(b, () => {
        throw thrown;
      });
      await a.write(bytes("x"));
      assert.equal(await atB, thrown);
      const other = await makePair();
      const atD = closed(other.b, () => Promise.reject(rejected));
      await other.a.write(bytes("x"));
      assert.equal(await atD, rejected);
      other.a.abort();
      await other.tidy();
    },
  );

  contract("what `end` rejects with comes to `close`, and ends no process", async ({ a, b }) => {
    const rejected = new Error("rejected");
    const closed = new Promise<Error | undefined>((close) => {
      b.serve({ data() {}, end: () => Promise.reject(rejected), close });
    });
    void a.closeWrite(); // It may meet the abort that follows.
    assert.equal(await closed, rejected);
  });

  contract("a read deadline that passes ends a served connection", async ({ b }) => {
    const closed = new Promise<Error | undefined>((close) => {
      b.serve({ data() {}, close });
    });
    b.setReadDeadline(soon());
    assert.equal(((await closed) as NetError).code, "timeout");
  });

  contract("serve after the end still tells all of it", async ({ a, b }) => {
    await a.write(bytes("all"));
    await a.closeWrite();
    assert.equal(text(await b.readFull(3)), "all");
    assert.equal(await b.read(), null);
    await new Promise<void>((end) => {
      b.serve({ data() {}, end });
    });
    await b.close();
    const closed = new Promise<Error | undefined>((close) => {
      a.serve({ data() {}, close });
    });
    assert.equal(await closed, undefined);
  });
}
