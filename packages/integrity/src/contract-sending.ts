import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { type ContractConn, isCode, settles, type Subject, type Text } from "./contract-subject.ts";

/** Of the message contract: what is sent arrives, and what happens where there is no room. */
export function sendingContract<Prepared>({ contract, isLossy, hasHugeLimit }: Subject<Prepared>): void {
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
      "it is congested while the system has not taken what earlier turns sent, and else not",
      async ({ conn, hear }) => {
        assert.equal(conn.isCongested, false);
        conn.trySend("in this turn");
        assert.equal(conn.isCongested, false, "nobody has had a chance to take it");
        await conn.flush();
        assert.equal(await hear(), "in this turn");
        assert.equal(conn.isCongested, false);
        const taken = await fill(conn, block);
        assert.equal(conn.isCongested, true);
        for (let i = 0; i < taken; i++) assert.equal(await hear(), block);
        await conn.flush();
        assert.equal(conn.isCongested, false);
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
}
