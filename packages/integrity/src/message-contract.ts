// What every connection of messages promises, whatever carries it: see `MessageConn` of `@zocalo/net`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { codeOf } from "./failure.ts";

type Text = string | Uint8Array;

/** How a connection ended. */
interface Ending {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  readonly error?: Error;
}

/** What the suite needs of a `MessageConn`; `Prepared` is its `PreparedMessage`. This package imports no other. */
export interface ContractConn<Prepared> extends AsyncIterable<Text>, AsyncDisposable {
  readonly peer: {
    readonly transport: string;
    readonly addr: { readonly network: string };
    readonly verification?: unknown;
  };
  readonly localAddr: { readonly network: string };
  readonly maxSendBytes: number;
  readonly bufferedAmount: number;
  receive(options?: { signal?: AbortSignal }): Promise<Text | null>;
  serve(handler: {
    message(message: Text): void | Promise<void>;
    drain?(): void;
    close?(info: Ending): void;
  }): void;
  send(message: Text | Prepared, options?: { signal?: AbortSignal }): Promise<void>;
  trySend(message: Text | Prepared): "sent" | "buffered" | "refused";
  flush(options?: { signal?: AbortSignal }): Promise<void>;
  close(code?: number, reason?: string): Promise<void>;
  abort(): void;
  unref(): void;
  ref(): void;
}

/** A connection under test, and how the other side speaks with it. */
export interface MessagePair<Prepared> {
  readonly conn: ContractConn<Prepared>;
  prepare(this: void, message: Text): Prepared;
  /** The peer sends a text; resolves once it is on its way. */
  say(this: void, text: string): Promise<void>;
  /** The next message that the peer receives, as text. */
  hear(this: void): Promise<string>;
  /** Ends everything that is left. */
  end(this: void): Promise<void>;
}

/** What differs between transports, and is documented. */
export interface MessageTraits {
  /** What `peer.transport` says. */
  readonly transport: string;
  /** Of its addresses. Default: `transport`. */
  readonly network?: string;
  /** Datagrams: there is no backpressure. `send` rejects with `no_room` where others wait, and what is too large is dropped. Default `false`. */
  readonly isLossy?: boolean;
  /** `maxSendBytes` is a bound of the platform's that a test does not reach. Default `false`. */
  readonly hasHugeLimit?: boolean;
}

/** What a pair is made with. */
export interface PairOptions {
  /** Largest message that the connection under test receives. */
  readonly maxMessageBytes: number;
  /** Of the connection under test, with the limit behind it four times as high. */
  readonly sendHighWaterBytes: number;
}

const DEFAULTS: PairOptions = { maxMessageBytes: 65_536, sendHighWaterBytes: 65_536 };

const isCode = (code: string) => (error: unknown) => {
  assert.equal(codeOf(error), code);
  assert.equal((error as Error).name, "NetError", "there is one family of errors");
  return true;
};

/** True once it has settled, as far as some turns of the event loop tell. */
async function settles(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settled = promise.then(
    () => (isSettled = true),
    () => (isSettled = true),
  );
  for (let i = 0; i < 20 && !isSettled; i++) await Promise.race([settled, turn()]);
  return isSettled;
}

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
      const closed = new Promise<Ending>((close) => {
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
      const { code, wasClean, error } = await new Promise<Ending>((close) => {
        conn.serve({ message: () => assert.fail("it was received"), close });
      });
      assert.deepEqual([code, wasClean, codeOf(error)], [1009, false, "too_large"]);
    },
    { maxMessageBytes: 100 },
  );

  // --- sending

  contract("what is sent arrives, plain and prepared", async ({ conn, hear, prepare }) => {
    await conn.send("plain");
    assert.equal(conn.trySend("tried"), "sent");
    const prepared = prepare("prepared");
    await conn.send(prepared);
    assert.equal(conn.trySend(prepared), "sent");
    const heard: string[] = [];
    while (heard.length < 4) heard.push(await hear());
    assert.deepEqual(heard, ["plain", "tried", "prepared", "prepared"]);
    assert.equal(conn.bufferedAmount, 0);
  });

  contract("text and bytes are sent alike, and of a view what it shows", async ({ conn, hear, prepare }) => {
    const memory = new TextEncoder().encode("xxAlpha!xx");
    const shown = memory.subarray(2, 8);
    const views = [
      "Alpha!",
      shown,
      Buffer.from(shown),
      new DataView(memory.buffer, 2, 6),
      new Uint16Array(memory.buffer, 2, 3),
      memory.slice(2, 8).buffer,
    ] as Text[];
    for (const view of views) {
      await conn.send(view);
      assert.equal(conn.trySend(view), "sent");
      await conn.send(prepare(view));
    }
    await conn.flush();
    for (let i = 0; i < 3 * views.length; i++) assert.equal(await hear(), "Alpha!");
  });

  contract("what is no message is refused, and costs nothing else", async ({ conn, hear }) => {
    for (const wrong of [5, null, undefined, {}, ["x"]]) {
      await assert.rejects(conn.send(wrong as never), isCode("invalid_argument"));
      assert.equal(conn.trySend(wrong as never), "refused");
    }
    await conn.send("fine");
    assert.equal(await hear(), "fine");
  });

  for (const size of [1, 300, 20_000, 60_000]) {
    contract(
      `the caller may write over a message of ${size} bytes once its call is over`,
      async ({ conn, hear }) => {
        const heard = (async () => [await hear(), await hear(), await hear()])();
        const memory = Buffer.alloc(size);
        assert.notEqual(conn.trySend(memory.fill("a")), "refused");
        memory.fill("!");
        await conn.send(memory.fill("b"));
        memory.fill("!");
        await conn.send(memory.fill("c"), { signal: new AbortController().signal });
        memory.fill("!");
        await conn.flush();
        assert.deepEqual(
          await heard,
          ["a", "b", "c"].map((letter) => letter.repeat(size)),
        );
        const last = hear();
        const { buffer } = new Uint8Array(size).fill(0x64);
        await conn.send(buffer as unknown as Uint8Array);
        new Uint8Array(buffer).fill(0x21);
        assert.equal(await last, "d".repeat(size));
      },
    );
  }

  contract("a signal that was aborted before stops every call that waits", async ({ conn, say }) => {
    const options = { signal: AbortSignal.abort() };
    await say("here");
    await assert.rejects(conn.send("x", options), isCode("canceled"));
    await assert.rejects(conn.flush(options), isCode("canceled"));
    await assert.rejects(conn.receive(options), isCode("canceled"));
    assert.equal(await conn.receive(), "here");
  });

  if (!hasHugeLimit) {
    contract("a message at maxSendBytes is taken, one past it is not", async ({ conn }) => {
      await assert.rejects(conn.send("x".repeat(conn.maxSendBytes + 1)), isCode("too_large"));
      assert.equal(conn.trySend("x".repeat(conn.maxSendBytes + 1)), "refused");
      assert.notEqual(conn.trySend("x".repeat(conn.maxSendBytes)), "refused");
    });
  }

  if (!isLossy) {
    /** Sends until there is no room, while the peer does not read. Gives how many messages were taken. */
    const fill = async (conn: ContractConn<Prepared>, block: string): Promise<number> => {
      let taken = 0;
      for (let idle = 0; idle < 10; ) {
        const outcome = conn.trySend(block);
        if (outcome !== "refused") taken += 1;
        idle = outcome === "refused" ? idle + 1 : 0;
        if (outcome !== "sent") await turn();
      }
      return taken;
    };
    const block = "b".repeat(16_384);
    const marks = { sendHighWaterBytes: 32_768 };

    contract(
      "send waits for room, trySend answers refused, and nobody overtakes",
      async ({ conn, hear }) => {
        let isDrained = false;
        let told: () => void = () => undefined;
        const drained = new Promise<void>((resolve) => (told = resolve));
        conn.serve({
          message() {},
          drain() {
            isDrained = true;
            told();
          },
        });
        const taken = await fill(conn, block);
        isDrained = false;
        const waiting = conn.bufferedAmount;
        assert.ok(waiting > 3 * 32_768 && waiting <= 4 * 32_768, `${waiting} bytes wait`);
        const sends = ["first", block, "third"].map((text) => conn.send(text));
        for (const send of sends) assert.equal(await settles(send), false);
        assert.equal(conn.trySend("refused"), "refused");
        assert.ok(conn.bufferedAmount <= 4 * 32_768, "what waits with its sender is not in the buffer");
        assert.equal(isDrained, false);
        for (let i = 0; i < taken; i++) assert.equal(await hear(), block);
        for (const text of ["first", block, "third"]) assert.equal(await hear(), text);
        await Promise.all(sends);
        await drained;
        assert.equal(conn.trySend("again"), "sent");
      },
      marks,
    );

    contract(
      "what is no message is refused as such where there is no room, too",
      async ({ conn, prepare }) => {
        await fill(conn, block);
        const waiting = conn.send(block);
        for (const wrong of [5, null, undefined, {}, ["x"]]) {
          await assert.rejects(conn.send(wrong as never), isCode("invalid_argument"));
          assert.equal(conn.trySend(wrong as never), "refused");
        }
        for (const wrong of [5, null, undefined]) {
          await assert.rejects(async () => conn.send(prepare(wrong as never)), isCode("invalid_argument"));
        }
        conn.abort();
        await assert.rejects(waiting, isCode("closed"));
      },
      marks,
    );

    contract(
      "a send that is canceled while it waits is not sent, and those behind it are",
      async ({ conn, hear }) => {
        const taken = await fill(conn, block);
        const controller = new AbortController();
        const canceled = conn.send(block, { signal: controller.signal });
        const behind = conn.send("behind");
        controller.abort(new Error("enough"));
        await assert.rejects(canceled, isCode("canceled"));
        for (let i = 0; i < taken; i++) assert.equal(await hear(), block);
        assert.equal(await hear(), "behind");
        await behind;
      },
      marks,
    );

    contract(
      "flush and close wait for what waits for room",
      async ({ conn, hear }) => {
        const taken = await fill(conn, block);
        const sent = conn.send("in flush");
        const flushed = conn.flush();
        assert.equal(await settles(flushed), false);
        for (let i = 0; i < taken; i++) assert.equal(await hear(), block);
        assert.equal(await hear(), "in flush");
        await Promise.all([sent, flushed]);
        const again = await fill(conn, block);
        const last = conn.send("in close");
        const closed = conn.close();
        for (let i = 0; i < again; i++) assert.equal(await hear(), block);
        assert.equal(await hear(), "in close");
        await Promise.all([last, closed]);
      },
      marks,
    );

    contract(
      "abort ends every call that waits",
      async ({ conn }) => {
        await fill(conn, block);
        const calls = [conn.send("x"), conn.send(block), conn.flush(), conn.receive()];
        assert.equal(await settles(Promise.race(calls)), false);
        conn.abort();
        for (const call of calls) await assert.rejects(call, isCode("closed"));
      },
      marks,
    );
  }

  contract("flush resolves once nothing waits, at once if nothing did", async ({ conn, hear }) => {
    await conn.flush();
    void conn.send("1");
    conn.trySend("2");
    await conn.flush();
    assert.equal(conn.bufferedAmount, 0);
    assert.equal(await hear(), "1");
    assert.equal(await hear(), "2");
    await conn.flush();
  });

  contract("calls that nobody waits for end no process when they fail", async ({ conn }) => {
    void conn.send(5 as never);
    void conn.send("canceled", { signal: AbortSignal.abort() });
    void conn.send("dropped");
    void conn.flush();
    void conn.close(999);
    conn.abort();
    void conn.send("late");
    void conn.flush();
    void conn.close();
    await turn();
    await turn(); // An unhandled rejection would have failed this test.
  });

  // --- the end

  contract("close resolves once all that was sent has left", async ({ conn, hear }) => {
    for (const text of ["1", "2", "3"]) conn.trySend(text);
    const heard = (async () => [await hear(), await hear(), await hear()])();
    await conn.close();
    assert.equal(conn.bufferedAmount, 0);
    assert.deepEqual(await heard, ["1", "2", "3"]);
    await conn.flush();
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
