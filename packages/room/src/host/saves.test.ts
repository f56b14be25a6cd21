import assert from "node:assert/strict";
import { test } from "node:test";
import type { Data } from "@zocalo/protocol";
import { MAX_SAVE_BYTES, Saves, type SavesHub } from "./saves.ts";

test("a save that was cut off leaves the one before, and its number is not used again", async () => {
  const kept: { readonly offset: number; readonly data: Data }[] = [];
  let left = Number.POSITIVE_INFINITY;
  const hub: SavesHub = {
    async publish(_channel, data) {
      if (left-- <= 0) throw new Error("killed");
      kept.push({ offset: kept.length + 1, data });
    },
    history: async (_channel, { after, limit }) => {
      return { head: kept.length, publications: kept.slice(after, after + limit) };
    },
  };
  const saves = new Saves(hub);
  await saves.write("room", 1, new Uint8Array(100_000).fill(1));
  for (left = 0; left < 4; left++) {
    const chunks = left;
    const cut = saves.write("room", 2 + chunks, new Uint8Array(100_000).fill(2));
    await assert.rejects(cut, /killed/);
    const read = await saves.read("room");
    assert.deepEqual(new Set(read?.bytes), new Set([1]));
    assert.equal(read?.save, chunks === 0 ? 1 : 2 + chunks);
    left = chunks;
  }
});

test("1,048,192 bytes are kept beside as many of the save before; of one byte more nothing is said", async () => {
  assert.equal(MAX_SAVE_BYTES, 1_048_192);
  const log: Data[] = [];
  const hub: SavesHub = {
    publish: async (_channel, data) => log.push(data),
    history: async (_channel, { after, limit }) => {
      const publications = log.map((data, index) => ({ offset: index + 1, data }));
      return { head: log.length, publications: publications.slice(after, after + limit) };
    },
  };
  const saves = new Saves(hub);
  for (const save of [1, 2, 3]) await saves.write("room", save, new Uint8Array(MAX_SAVE_BYTES).fill(save));
  const published = log.length;
  await assert.rejects(saves.write("room", 4, new Uint8Array(MAX_SAVE_BYTES + 1).fill(4)), {
    name: "RangeError",
    message: "a room of 1048193 bytes is not kept; allowed: 1048192",
  });
  assert.equal(log.length, published);
  const read = await saves.read("room");
  assert.deepEqual([read?.save, read?.bytes.length, new Set(read?.bytes)], [3, MAX_SAVE_BYTES, new Set([3])]);
  // The last chunk of the next one is lost: as many publications as are kept have the one before whole.
  await saves.write("room", 4, new Uint8Array(MAX_SAVE_BYTES).fill(4));
  log.pop();
  const before = await saves.read("room");
  assert.deepEqual([before?.save, new Set(before?.bytes)], [4, new Set([3])]);
});
