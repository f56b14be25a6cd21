import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Conn, NetError } from "@zocalo/net";

/** Two ends of one connection, and what tidies up after a test. */
export interface Pair {
  readonly a: Conn;
  readonly b: Conn;
  tidy(): Promise<void>;
}

/** What differs between implementations, and is documented. */
export interface ContractTraits {
  /** `abort` reaches the peer as `reset`. Default `true`; where there is no reset the stream just ends. */
  readonly hasReset?: boolean;
  /** An end is forgotten once the connection was reset after it. Default `false`. */
  readonly forgetsEnd?: boolean;
  /** How many bytes the big transfers carry in each direction. Default 8 MiB. */
  readonly transferBytes?: number;
  /** Why there is no such connection here; `false`: there is. Default `false`. */
  readonly skip?: string | false;
}

const MANY = 8 * 1024 * 1024;
const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString();
const bytes = (content: string): Uint8Array => Buffer.from(content);
const soon = (): number => Date.now() + 15;

/** Writes until the peer, which does not read, has stopped it. Gives how many bytes were taken in full, and the write that waits. */
async function fill(conn: Conn): Promise<{ readonly written: number; readonly stuck: Promise<void> }> {
  const block = Buffer.alloc(1024 * 1024);
  for (let written = 0; ; written += block.length) {
    let isTaken = false;
    const stuck = conn.write(block);
    const taken = stuck.then(
      () => (isTaken = true),
      () => undefined,
    );
    for (let i = 0; i < 50 && !isTaken; i++) await Promise.race([taken, turn()]);
    if (!isTaken) return { written, stuck };
  }
}

/** Waits until a write that a deadline is to cut short has been; gives how far it had come. */
async function cutByDeadline(conn: Conn, write: Promise<void>): Promise<number> {
  conn.setWriteDeadline(Date.now() - 1);
  const error = await write.then(
    () => undefined,
    (reason: NetError) => reason,
  );
  assert.equal(error?.code, "timeout");
  return error?.bytesWritten ?? Number.NaN;
}

/** What every implementation of `Conn` must do. `makePair` makes two connected ends, `a` and `b`. */
export function testConnContract(
  name: string,
  makePair: () => Promise<Pair>,
  traits: ContractTraits = {},
): void {
  if (typeof traits.skip === "string") return void test(name, { skip: traits.skip });
  const hasReset = traits.hasReset ?? true;
  const transferBytes = traits.transferBytes ?? MANY;

  const contract = (title: string, run: (pair: Pair) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const pair = await makePair();
      try {
        await run(pair);
      } finally {
        pair.a.abort();
        pair.b.abort();
        await pair.tidy();
      }
    });
  };

  contract("ping and pong", async ({ a, b }) => {
    for (let i = 0; i < 50; i++) {
      await a.write(bytes(`ping ${i}`));
      assert.equal(text(await b.readFull(`ping ${i}`.length)), `ping ${i}`);
      await b.write(bytes(`pong ${i}`));
      assert.equal(text(await a.readFull(`pong ${i}`.length)), `pong ${i}`);
    }
  });

  contract("addresses of the two ends mirror each other, also after closing", async ({ a, b }) => {
    const [local, remote] = [String(a.localAddr), String(a.remoteAddr)];
    assert.equal(a.localAddr.network, b.remoteAddr.network);
    assert.equal(remote, String(b.localAddr));
    assert.equal(local, String(b.remoteAddr));
    await Promise.all([a.close(), b.close()]);
    assert.equal(String(a.localAddr), local);
    assert.equal(String(a.remoteAddr), remote);
  });

  contract("iteration gives every byte and ends when the peer ends", async ({ a, b }) => {
    const sent = (async () => {
      for (let i = 0; i < 100; i++) await a.write(bytes(`${i},`));
      await a.closeWrite();
    })();
    let got = "";
    for await (const portion of b) got += text(portion);
    await sent;
    assert.equal(got, Array.from({ length: 100 }, (_, i) => `${i},`).join(""));
    assert.equal(await b.read(), null);
    assert.equal(await b.read(), null);
  });

  contract("leaving an iteration loses nothing", async ({ a, b }) => {
    await a.write(bytes("one two"));
    let got = "";
    for await (const portion of b) {
      got += text(portion);
      break;
    }
    const ended = a.closeWrite();
    for await (const portion of b) got += text(portion);
    assert.equal(got, "one two");
    await ended;
  });

  contract("the reader owns what it was given", async ({ a, b }) => {
    const kept: Uint8Array[] = [];
    for (const letter of ["a", "b", "c"]) {
      await a.write(bytes(letter));
      const got = await b.read();
      assert.ok(got);
      kept.push(got);
    }
    assert.deepEqual(kept.map(text), ["a", "b", "c"]);
  });

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

  contract("readFull gives exactly what it was asked for, however it arrives", async ({ a, b }) => {
    const sent = a.write(bytes("abcdefghij"));
    assert.equal(text(await b.readFull(0)), "");
    assert.equal(text(await b.readFull(1)), "a");
    assert.equal(text(await b.readFull(3)), "bcd");
    const rest = b.readFull(8);
    await a.write(bytes("kl"));
    assert.equal(text(await rest), "efghijkl");
    await sent;
    await a.closeWrite();
    assert.equal(await b.readFull(1), null);
    for (const bad of [-1, 1.5, Number.NaN, 2 ** 53]) {
      await assert.rejects(b.readFull(bad), { code: "invalid_argument" });
    }
  });

  contract("readFull past the end rejects, and what came can still be read", async ({ a, b }) => {
    await a.write(bytes("abc"));
    await a.closeWrite();
    await assert.rejects(b.readFull(4), { code: "end_of_stream", op: "read" });
    assert.equal(text(await b.readFull(3)), "abc");
    assert.equal(await b.read(), null);
  });

  contract("a cancelled or timed-out readFull takes nothing", async ({ a, b }) => {
    const controller = new AbortController();
    const cancelled = b.readFull(10, { signal: controller.signal });
    await a.write(bytes("abcd"));
    const after = b.readFull(2);
    for (let i = 0; i < 20; i++) await turn();
    controller.abort();
    await assert.rejects(cancelled, { code: "canceled" });
    assert.equal(text(await after), "ab");
    const timedOut = b.readFull(10);
    b.setReadDeadline(soon());
    await assert.rejects(timedOut, { code: "timeout", timeout: true });
    b.setReadDeadline(null);
    assert.equal(text(await b.readFull(2)), "cd");
  });

  contract("simultaneous reads are served in call order", async ({ a, b }) => {
    const reads = [b.readFull(2), b.readFull(3), b.readFull(1)];
    await a.write(bytes("112223"));
    assert.deepEqual((await Promise.all(reads)).map(text), ["11", "222", "3"]);
    const atEnd = [b.read(), b.readFull(1), b.read()];
    await a.closeWrite();
    assert.deepEqual(await Promise.all(atEnd), [null, null, null]);
  });

  contract("simultaneous writes are served in call order and never mixed", async ({ a, b }) => {
    const sizes = [1, 200_000, 0, 3, 70_000, 65_536, 65_537, 10];
    const parts = sizes.map((size, i) => Buffer.alloc(size, String(i)));
    const writes = Promise.all(
      parts.map((part, i) =>
        i % 2 === 0 ? a.write(part) : a.writev([part.subarray(0, 5), part.subarray(5)]),
      ),
    );
    const all = Buffer.concat(parts);
    const got = await b.readFull(all.length);
    await writes;
    assert.ok(got && Buffer.compare(got, all) === 0);
  });

  contract(
    "writev sends its parts in order, empty ones too, and refuses what is not bytes",
    async ({ a, b }) => {
      await a.writev([]);
      await a.writev([bytes(""), bytes("a"), bytes(""), bytes("bc")]);
      assert.equal(text(await b.readFull(3)), "abc");
      const many = Array.from({ length: 300 }, (_, i) => Buffer.alloc(1000, String(i % 10)));
      const sent = a.writev(many);
      const got = await b.readFull(300_000);
      await sent;
      assert.ok(got && Buffer.compare(got, Buffer.concat(many)) === 0);
      const notBytes = "text" as unknown as Uint8Array;
      await assert.rejects(a.write(notBytes), { code: "invalid_argument" });
      await assert.rejects(a.writev([bytes("x"), notBytes]), { code: "invalid_argument" });
    },
  );

  contract("only the bytes of a view leave, not its memory", async ({ a, b }) => {
    const memory = Buffer.from("secretvisiblesecret");
    await a.write(new Uint8Array(memory.buffer, memory.byteOffset + 6, 7));
    await a.closeWrite();
    let got = "";
    for await (const portion of b) got += text(portion);
    assert.equal(got, "visible");
  });

  contract("memory that was written may be used again once write resolves", async ({ a, b }) => {
    const memory = Buffer.alloc(100_000);
    const sent = (async () => {
      for (let i = 0; i < 30; i++) {
        memory.fill(i);
        await a.write(memory);
      }
      await a.closeWrite();
    })();
    for (let i = 0; i < 30; i++) {
      const got = await b.readFull(memory.length);
      assert.ok(got && Buffer.compare(got, Buffer.alloc(100_000, i)) === 0, `block ${i}`);
    }
    await sent;
  });

  contract("big transfers in both directions at once arrive whole", async ({ a, b }) => {
    const block = Buffer.alloc(100_003, "zocalo ");
    const send = async (conn: Conn): Promise<string> => {
      const hash = createHash("sha256");
      for (let left = transferBytes; left > 0; left -= block.length) {
        const part = block.subarray(0, left);
        hash.update(part);
        await conn.write(part);
      }
      await conn.closeWrite();
      return hash.digest("hex");
    };
    const receive = async (conn: Conn): Promise<string> => {
      const hash = createHash("sha256");
      for await (const portion of conn) hash.update(portion);
      return hash.digest("hex");
    };
    const [fromA, fromB, atA, atB] = await Promise.all([send(a), send(b), receive(a), receive(b)]);
    assert.equal(atB, fromA);
    assert.equal(atA, fromB);
  });

  contract("a reader that does not read stops the writer, and loses nothing", async ({ a, b }) => {
    const { written, stuck } = await fill(a);
    const accepted = written + (await cutByDeadline(a, stuck));
    a.setWriteDeadline(null);
    const ended = a.closeWrite();
    let received = 0;
    for await (const portion of b) received += portion.length;
    await ended;
    assert.equal(received, accepted);
  });

  contract(
    "a deadline in the past stops calls at once, and clearing it lets them go on",
    async ({ a, b }) => {
      await a.write(bytes("waiting"));
      b.setReadDeadline(Date.now() - 1);
      await assert.rejects(b.read(), { code: "timeout", op: "read" });
      await assert.rejects(b.readFull(1), { code: "timeout" });
      b.setReadDeadline(new Date(Date.now() + 1e7));
      assert.equal(text(await b.readFull(7)), "waiting");
      a.setWriteDeadline(0);
      await assert.rejects(a.write(bytes("x")), { code: "timeout", op: "write", bytesWritten: 0 });
      await assert.rejects(a.writev([bytes("x")]), { code: "timeout", bytesWritten: 0 });
      a.setWriteDeadline(null);
      await a.write(bytes("y"));
      assert.equal(text(await b.readFull(1)), "y");
      assert.throws(() => a.setDeadline(Number.NaN), { code: "invalid_argument" });
    },
  );

  contract(
    "a deadline stops calls that wait, also when it is set or moved while they do",
    async ({ a, b }) => {
      const waiting = b.read();
      b.setReadDeadline(Date.now() + 1e7);
      b.setReadDeadline(soon());
      await assert.rejects(waiting, { code: "timeout" });
      await assert.rejects(b.read(), { code: "timeout" });
      b.setReadDeadline(soon());
      await assert.rejects(b.read(), { code: "timeout" });
      b.setDeadline(null);
      await a.write(bytes("late"));
      assert.equal(text(await b.readFull(4)), "late");
    },
  );

  contract(
    "a write deadline or a signal stops closeWrite too, before and while it waits",
    async ({ a, b }) => {
      const { written, stuck } = await fill(a);
      const accepted = written + (await cutByDeadline(a, stuck));
      await assert.rejects(a.closeWrite(), { code: "timeout", op: "write" });
      a.setWriteDeadline(null);
      await assert.rejects(a.closeWrite({ signal: AbortSignal.abort("why") }), {
        code: "canceled",
        cause: "why",
      });
      await a.write(bytes("")); // It has had no effect.
      const controller = new AbortController();
      const canceled = a.closeWrite({ signal: controller.signal });
      const ending = a.closeWrite();
      controller.abort();
      await assert.rejects(canceled, { code: "canceled", op: "write" });
      a.setWriteDeadline(soon());
      await assert.rejects(ending, { code: "timeout", op: "write" });
      a.setWriteDeadline(null);
      const ended = a.closeWrite();
      let received = 0;
      for await (const portion of b) received += portion.length;
      assert.equal(received, accepted);
      await ended;
    },
  );

  contract(
    "neither a deadline that is set while close flushes nor a signal cuts it short",
    async ({ a, b }) => {
      const { written, stuck } = await fill(a);
      const accepted = written + (await cutByDeadline(a, stuck));
      let isClosed = false;
      const closed = a.close().then(() => (isClosed = true));
      const controller = new AbortController();
      const canceled = a.close({ signal: controller.signal });
      controller.abort("why");
      await assert.rejects(canceled, { code: "canceled", op: "close", cause: "why" });
      await assert.rejects(a.close({ signal: controller.signal }), { code: "canceled", op: "close" });
      assert.equal(isClosed, false);
      a.setDeadline(Date.now() - 1);
      for (let i = 0; i < 20; i++) await turn();
      assert.equal(isClosed, false, "there are bytes that have not left");
      let received = 0;
      for await (const portion of b) received += portion.length;
      await closed;
      assert.equal(received, accepted);
    },
  );

  contract("setDeadline holds for both directions", async ({ a }) => {
    a.setDeadline(soon());
    await assert.rejects(a.read(), { code: "timeout" });
    await assert.rejects(a.write(bytes("x")), { code: "timeout" });
  });

  contract("a deadline passes while bytes keep coming", async ({ a, b }) => {
    let isOver = false;
    const chatter = (async () => {
      while (!isOver) await a.write(bytes("."));
    })();
    b.setReadDeadline(Date.now() + 30);
    await assert.rejects(
      (async () => {
        for (;;) await b.read();
      })(),
      { code: "timeout" },
    );
    isOver = true;
    b.setReadDeadline(null);
    const drained = (async () => {
      for await (const _ of b);
    })();
    await chatter;
    await a.closeWrite();
    await drained;
  });

  contract("a signal cancels one read and no other, and no byte is lost", async ({ a, b }) => {
    const controller = new AbortController();
    const cancelled = b.read({ signal: controller.signal });
    const other = b.readFull(5);
    controller.abort("why");
    await assert.rejects(cancelled, { code: "canceled", cause: "why" });
    await assert.rejects(b.read({ signal: controller.signal }), { code: "canceled" });
    await a.write(bytes("hello"));
    assert.equal(text(await other), "hello");
  });

  contract("cancelling reads again and again loses no byte", async ({ a, b }) => {
    const content = Array.from({ length: 300 }, (_, i) => `${i} `).join("");
    const sent = (async () => {
      for (const word of content.match(/\d+ /g) ?? []) await a.write(bytes(word));
      await a.closeWrite();
    })();
    let got = "";
    for (let i = 0; ; i++) {
      const controller = new AbortController();
      const options = { signal: controller.signal };
      const reading = i % 2 === 0 ? b.read(options) : b.readFull(7, options);
      if (i % 3 !== 0) setImmediate(() => controller.abort());
      try {
        const portion = await reading;
        if (portion === null) break;
        got += text(portion);
      } catch (error) {
        const { code } = error as NetError;
        if (code === "end_of_stream") got += text(await b.read());
        else assert.equal(code, "canceled");
      }
    }
    await sent;
    assert.equal(got, content);
  });

  contract("a cancelled write says how much was accepted, and exactly that arrives", async ({ a, b }) => {
    const controller = new AbortController();
    const block = Buffer.alloc(32 * 1024 * 1024, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
    const cancelled = a.write(block, { signal: controller.signal });
    const later = a.write(bytes("next"));
    for (let i = 0; i < 20; i++) await turn();
    controller.abort();
    let accepted = 0;
    await assert.rejects(cancelled, (error: NetError) => {
      accepted = error.bytesWritten ?? Number.NaN;
      return error.code === "canceled";
    });
    assert.ok(accepted < block.length);
    const got = b.readFull(accepted + 4);
    await later;
    assert.equal(
      Buffer.compare((await got) ?? bytes(""), Buffer.concat([block.subarray(0, accepted), bytes("next")])),
      0,
    );
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
    assert.ok(last === null || (traits.forgetsEnd === true && last === "reset"), String(last));
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

  contract(
    "memory is the writer's again once write has settled, also if it was cut short",
    async ({ a, b }) => {
      const kept = Buffer.alloc(16 * 1024 * 1024, "k");
      const early = a.write(kept);
      const late = Buffer.alloc(300_000, "l");
      const controller = new AbortController();
      const cut = a.write(late, { signal: controller.signal });
      controller.abort();
      await assert.rejects(cut, { code: "canceled" });
      late.fill("!");
      const got = b.readFull(kept.length);
      await early;
      kept.fill("!");
      assert.ok((await got)?.every((byte) => byte === 0x6b));
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

  contract("racing reads, writes and close neither hang nor crash", async ({ a, b }) => {
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i++) {
      calls.push(a.read(), a.write(bytes("a")), b.readFull(2), b.write(bytes("bb")), a.closeWrite());
    }
    calls.push(a.close(), b.close());
    for (let i = 0; i < 20; i++) calls.push(a.read(), b.write(bytes("b")));
    for (const outcome of await Promise.allSettled(calls)) {
      if (outcome.status === "rejected") assert.equal((outcome.reason as NetError).name, "NetError");
    }
  });

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
