// What a memory engine counts is what the process grows by. `npm run bench -- memory-engine` prints more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { STEADY_HEAP } from "./measure.ts";
import { fill } from "./memory-fillings.ts";

const MAX_BYTES = 128 * 1_048_576;
/** Past the bound: all that was kept first has been replaced. */
const TIMES = 2;

test("a memory engine takes its maxBytes to within a quarter", { concurrency: true }, async (t) => {
  const names = ["16 bytes", "200 B", "20 B, a channel, a key and an address each"];
  const each = names.map((name) =>
    t.test(name, async (t) => {
      const { settled, most, counted, published } = await fill(name, MAX_BYTES, TIMES, STEADY_HEAP);
      t.diagnostic(`${settled.toFixed(2)}, at most ${most.toFixed(2)}, of ${published} publications`);
      assert.ok(settled >= 0.75 && settled <= 1.25, `${settled}`);
      assert.ok(counted <= 1 && counted >= 0.95, `${counted} counted`);
    }),
  );
  await Promise.all(each);
});
