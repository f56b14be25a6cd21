import assert from "node:assert/strict";
import type { NetError } from "@zocalo/net";
import { bytes, text, type Subject } from "./subject.ts";

/** Calls at once. */
export function concurrencyContract({ contract }: Subject): void {
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
}
