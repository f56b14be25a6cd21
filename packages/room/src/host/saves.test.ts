import assert from "node:assert/strict";
import { test } from "node:test";
import type { Data } from "@zocalo/protocol";
import { Saves, type SavesHub } from "./saves.ts";

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
