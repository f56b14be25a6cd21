import assert from "node:assert/strict";
import { test } from "node:test";
import { NetError } from "@zocalo/net";
import { ProtocolError } from "@zocalo/protocol";
import { Hub } from "../src/index.ts";

const namespaces = { log: { history: { publications: 5 } }, raw: { data: "bytes" } } as const;

test("the program reads a log: oldest first, from where it likes, with the state it was read in", async () => {
  const hub = new Hub({ namespaces });
  assert.deepEqual((await hub.history("log:a")).publications, []);
  for (let n = 1; n <= 7; n++) await hub.publish("log:a", { n }, { user: "ana", info: { n } });
  const all = await hub.history("log:a");
  assert.deepEqual([all.head, all.oldest], [7, 3]);
  assert.deepEqual(
    all.publications.map(({ offset, data }) => [offset, data]),
    [3, 4, 5, 6, 7].map((n) => [n, { n }]),
  );
  const [first] = all.publications;
  assert.deepEqual([first?.user, first?.info], ["ana", { n: 3 }]);
  const some = await hub.history("log:a", { after: 4, limit: 2 });
  assert.deepEqual(
    some.publications.map(({ offset }) => offset),
    [5, 6],
  );
  assert.equal(some.epoch, all.epoch);
  await hub.close();
});

test("bytes that were read are the caller's own", async () => {
  const hub = new Hub({ namespaces });
  await hub.publish("raw:a", Uint8Array.of(1, 2, 3));
  const read = async (): Promise<Uint8Array> => {
    const data = (await hub.history("raw:a")).publications[0]?.data;
    assert.ok(data instanceof Uint8Array);
    return data;
  };
  (await read()).fill(9);
  assert.deepEqual([...(await read())], [1, 2, 3]);
  await hub.close();
});

test("what cannot be read is refused with a typed error", async () => {
  const hub = new Hub({ namespaces });
  const code = (wanted: string) => (error: unknown) =>
    error instanceof ProtocolError && error.code === wanted;
  await assert.rejects(hub.history("nowhere:a"), code("unknown_channel"));
  await assert.rejects(hub.history("no name"), code("bad_command"));
  const wrong = (error: unknown): boolean => error instanceof NetError && error.code === "invalid_argument";
  for (const options of [{ after: -1 }, { limit: 0 }, { limit: 1_001 }, { after: 0.5 }, { since: 1 }]) {
    await assert.rejects(hub.history("log:a", options), wrong);
  }
  assert.equal((await hub.history("log:a", { limit: 1_000 })).head, 0);
  await hub.close();
});
