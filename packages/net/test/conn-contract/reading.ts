import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { bytes, soon, text, type Subject } from "./subject.ts";

/** What `read`, `readFull` and iteration give. */
export function readingContract({ contract }: Subject): void {
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
}
