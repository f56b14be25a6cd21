import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { NetError } from "@zocalo/net";
import { bytes, cutByDeadline, fill, soon, text, type Subject } from "./subject.ts";

/** What deadlines and signals stop, and that they lose no byte. */
export function deadlinesContract({ contract }: Subject): void {
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
}
