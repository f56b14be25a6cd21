import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Conn } from "@zocalo/net";
import { bytes, cutByDeadline, fill, text, type Subject } from "./subject.ts";

/** What `write` and `writev` take, when they have taken it, and whose the memory is. */
export function writingContract({ contract, transferBytes }: Subject): void {
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
}
