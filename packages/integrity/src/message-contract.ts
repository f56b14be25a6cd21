// What every connection of messages promises, whatever carries it: see `MessageConn` of `@zocalo/net`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { sendingContract } from "./contract-sending.ts";
import {
  type CloseInfo,
  isCode,
  type MessagePair,
  type MessageTraits,
  type PairOptions,
  type Text,
} from "./contract-subject.ts";
import { codeOf } from "./failure.ts";

const DEFAULTS: PairOptions = { maxMessageBytes: 65_536, sendHighWaterBytes: 65_536 };

/** What every `MessageConn` must do. `makePair` makes a connection, and a peer that reads only in `hear`. */
export function testMessageContract<Prepared>(
  name: string,
  makePair: (options: PairOptions) => Promise<MessagePair<Prepared>>,
  { transport, network = transport, isLossy = false, hasHugeLimit = false }: MessageTraits,
): void {
  const contract = (
    title: string,
    run: (pair: MessagePair<Prepared>) => Promise<void>,
    options: Partial<PairOptions> = {},
  ): void => {
    test(`${name}: ${title}`, async () => {
      const pair = await makePair({ ...DEFAULTS, ...options });
      try {
        await run(pair);
      } finally {
        await pair.end();
      }
    });
  };

  // --- receiving

  contract("messages arrive in order, with receive and with iteration", async ({ conn, say }) => {
    for (const text of ["1", "dos", "", "señal 4"]) await say(text);
    assert.equal(await conn.receive(), "1");
    const seen: Text[] = [];
    for await (const message of conn) if (seen.push(message) === 2) break;
    assert.deepEqual(seen, ["dos", ""]);
    assert.equal(await conn.receive(), "señal 4", "leaving the loop closed nothing");
  });

  contract(
    "simultaneous receives are served in call order, a canceled one takes nothing",
    async ({ conn, say }) => {
      const controller = new AbortController();
      const canceled = conn.receive({ signal: controller.signal });
      const first = conn.receive();
      const second = conn.receive();
      controller.abort();
      await assert.rejects(canceled, isCode("canceled"));
      await say("1");
      await say("2");
      assert.deepEqual(await Promise.all([first, second]), ["1", "2"]);
    },
  );

  contract("a connection is received from or served, not both", async ({ conn }) => {
    conn.serve({ message() {} });
    assert.throws(() => conn.serve({ message() {} }), isCode("invalid_argument"));
    await assert.rejects(conn.receive(), isCode("invalid_argument"));
  });

  contract("a handler gets messages one by one, and close exactly once, last", async ({ conn, say }) => {
    await say("before");
    const log: string[] = [];
    let told: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => (told = resolve));
    conn.serve({
      async message(message) {
        log.push(`+${String(message)}`);
        await turn();
        log.push(`-${String(message)}`);
        if (message === "last") conn.abort();
      },
      close({ code, wasClean, error }) {
        log.push(`${code} ${wasClean} ${codeOf(error)}`);
        told();
      },
    });
    await say("last");
    await closed;
    await turn();
    assert.deepEqual(log, ["+before", "-before", "+last", "-last", "1006 false closed"]);
  });

  contract(
    "what a handler throws ends the connection with 1011, and comes to close",
    async ({ conn, say }) => {
      const thrown = new Error("thrown");
      const closed = new Promise<CloseInfo>((close) => {
        conn.serve({ message: () => Promise.reject(thrown), close });
      });
      await say("x");
      const { code, wasClean, error } = await closed;
      assert.deepEqual([code, wasClean], [1011, false]);
      assert.equal(error, thrown);
      assert.equal(conn.trySend("late"), "refused");
    },
  );

  contract(
    "a message at maxMessageBytes is received, one past it is not",
    async ({ conn, say }) => {
      await say("x".repeat(100));
      assert.equal(await conn.receive(), "x".repeat(100));
      await say("y".repeat(101));
      if (isLossy) {
        await say("next");
        assert.equal(await conn.receive(), "next");
        return;
      }
      const { code, wasClean, error } = await new Promise<CloseInfo>((close) => {
        conn.serve({ message: () => assert.fail("it was received"), close });
      });
      assert.deepEqual([code, wasClean, codeOf(error)], [1009, false, "too_large"]);
    },
    { maxMessageBytes: 100 },
  );

  sendingContract({ contract, isLossy, hasHugeLimit });

  // --- the end

  contract("close resolves once all that was sent has left", async ({ conn, hear }) => {
    for (const text of ["1", "2", "3"]) conn.trySend(text);
    const heard = (async () => [await hear(), await hear(), await hear()])();
    await conn.close();
    assert.equal(conn.bufferedAmount, 0);
    assert.deepEqual(await heard, ["1", "2", "3"]);
    await conn.flush();
  });

  contract("a peer that ends its side is still told what is under way, and then the end", async (pair) => {
    const { conn, say, hear, endSide } = pair;
    if (!endSide) return;
    const log: string[] = [];
    const work: Promise<void>[] = [];
    const answer = async (text: string): Promise<void> => {
      for (let i = 0; i < 5; i++) await turn();
      await conn.send(text);
    };
    conn.serve({
      message: (message) => void work.push(answer(`re: ${String(message)}`)),
      async end() {
        log.push("end");
        await Promise.all(work);
        log.push("done");
      },
      close: ({ code, wasClean }) => log.push(`${code} ${wasClean}`),
    });
    await say("1");
    await say("2");
    await endSide();
    assert.deepEqual([await hear(), await hear()], ["re: 1", "re: 2"]);
    assert.equal(await hear(), "null");
    assert.deepEqual(log, ["end", "done", "1000 true"]);
  });

  contract("what end throws ends the connection with 1011, and comes to close", async ({ conn, endSide }) => {
    if (!endSide) return;
    const thrown = new Error("thrown");
    const closed = new Promise<CloseInfo>((close) => {
      conn.serve({ message() {}, end: () => Promise.reject(thrown), close });
    });
    await endSide();
    const { code, wasClean, error } = await closed;
    assert.deepEqual([code, wasClean, error], [1011, false, thrown]);
  });

  contract("a connection that breaks while end is pending is over at once", async ({ conn, endSide }) => {
    if (!endSide) return;
    const closed = new Promise<CloseInfo>((close) => {
      conn.serve({
        message() {},
        end: () => {
          setImmediate(() => conn.abort());
          return new Promise<void>(() => undefined);
        },
        close,
      });
    });
    await endSide();
    const { code, wasClean, error } = await closed;
    assert.deepEqual([code, wasClean, codeOf(error)], [1006, false, "closed"]);
    assert.equal(conn.trySend("late"), "refused");
  });

  contract("who receives may answer the last message for a while after its peer's end", async (pair) => {
    const { conn, say, hear, endSide } = pair;
    if (!endSide) return;
    await say("1");
    await endSide();
    for await (const message of conn) {
      for (let i = 0; i < 5; i++) await turn();
      await conn.send(`re: ${String(message)}`);
    }
    assert.equal(await hear(), "re: 1");
    assert.equal(await hear(), "null");
  });

  contract("after close nothing is sent or received", async ({ conn, hear }) => {
    const receiving = conn.receive();
    void hear().catch(() => undefined); // A peer that reads sees the end, and answers it where one does.
    await conn.close(1001, "going away");
    assert.equal(await receiving, null);
    assert.equal(await conn.receive(), null);
    assert.equal(conn.trySend("late"), "refused");
    await assert.rejects(conn.send("late"), isCode("closed"));
    await conn.close();
    await conn[Symbol.asyncDispose]();
  });

  contract("close takes the codes and reasons of a WebSocket, and no others", async ({ conn, say }) => {
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, Number.NaN]) {
      await assert.rejects(conn.close(code), isCode("invalid_argument"), String(code));
    }
    await assert.rejects(conn.close(1000, "é".repeat(62)), isCode("invalid_argument"));
    await say("still open");
    assert.equal(await conn.receive(), "still open");
    await conn.close(4999, `${"é".repeat(61)}!`);
  });

  contract("abort makes receiving throw, and all that follows", async ({ conn }) => {
    const receiving = conn.receive();
    conn.abort();
    await assert.rejects(receiving, isCode("closed"));
    await assert.rejects(conn.receive(), isCode("closed"));
    await assert.rejects(conn.send("late"), isCode("closed"));
    assert.equal(conn.trySend("late"), "refused");
    conn.abort();
    await conn.close();
    await conn[Symbol.asyncDispose]();
  });

  for (const isAborted of [false, true]) {
    const how = isAborted ? "an abort" : "a close";
    contract(`a handler that comes after ${how} was received is told it, once`, async (pair) => {
      const { conn, hear } = pair;
      void hear().catch(() => undefined);
      if (isAborted) conn.abort();
      else await conn.close();
      const received = await conn.receive().catch(() => "broken");
      assert.equal(received, isAborted ? "broken" : null);
      const told: boolean[] = [];
      await new Promise<void>((resolve) => {
        conn.serve({
          message: () => assert.fail("nothing came"),
          close: ({ wasClean }) => {
            told.push(wasClean);
            setImmediate(resolve);
          },
        });
      });
      assert.deepEqual(told, [!isAborted]);
    });
  }

  contract("whether it holds the process can be changed at any time, and messages go on", async (pair) => {
    const { conn, say, hear } = pair;
    conn.unref();
    conn.unref();
    await say("in");
    assert.equal(await conn.receive(), "in");
    conn.ref();
    await conn.send("out");
    assert.equal(await hear(), "out");
    conn.abort();
    conn.unref(); // Too late: nothing happens.
    conn.ref();
  });

  contract("the peer is known", async ({ conn }) => {
    assert.equal(conn.peer.transport, transport);
    assert.equal(conn.peer.addr.network, network);
    assert.equal(conn.localAddr.network, network);
    assert.equal(conn.peer.verification, undefined);
  });
}
