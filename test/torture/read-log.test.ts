import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { Texts } from "../simulation/texts.ts";
import { readLog } from "./read-log.ts";

/** The answer that a server would give. */
function pageOf(epoch: string, head: number, from: number, to: number): string {
  const publications = [];
  for (let offset = from; offset <= to; offset++) publications.push({ offset, data: offset });
  return JSON.stringify({ type: "history", id: 1, channel: "c", epoch, head, oldest: 1, publications });
}

for (const [what, answers, epoch, offsets] of [
  ["in pages", [pageOf("e", 5, 4, 5), pageOf("e", 5, 2, 3), pageOf("e", 5, 1, 1)], "e", [1, 2, 3, 4, 5]],
  ["that has nothing", [pageOf("e", 0, 1, 0)], "e", []],
  [
    "that is gone at the second page",
    [pageOf("e", 5, 4, 5), pageOf("f", 0, 1, 0), pageOf("f", 0, 1, 0)],
    "f",
    [],
  ],
  [
    "in the place of which another one begins between two pages",
    [pageOf("e", 5, 4, 5), pageOf("f", 4, 1, 3), pageOf("f", 4, 3, 4), pageOf("f", 4, 1, 2)],
    "f",
    [1, 2, 3, 4],
  ],
] as const) {
  test(`a log ${what} is read as one log`, async (t) => {
    const left: string[] = [...answers];
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", () => socket.write(`${left.shift()}\n`)); // One line comes at a time.
    });
    t.after(() => server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const page = await readLog((server.address() as AddressInfo).port, "c", new Texts());
    assert.equal(page.epoch, epoch);
    assert.deepEqual(
      page.publications.map(({ offset }) => offset),
      offsets,
    );
    assert.deepEqual(left, []);
  });
}
