// What a memory engine counts is what the process grows by. `npm run bench -- memory-engine` prints more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { STEADY_HEAP } from "./measure.ts";
import { FILLINGS, fill } from "./memory-fillings.ts";

const MAX_BYTES = 32 * 1_048_576;
/** At the bound, and long past it: all that was kept first has been replaced. */
const TIMES = 4;

for (const name of Object.keys(FILLINGS)) {
  test(`a memory engine takes its maxBytes to within a quarter: ${name}`, async (t) => {
    const { full, most, end, counted, published } = await fill(name, MAX_BYTES, TIMES, STEADY_HEAP);
    t.diagnostic(`full ${full.toFixed(2)}, most ${most.toFixed(2)}, end ${end.toFixed(2)} of ${published}`);
    assert.ok(full >= 0.75 && full <= 1.25, `${full} when it is full first`);
    assert.ok(most <= 1.25, `${most} at most`);
    assert.ok(end >= 0.75, `${end} in the end`);
    assert.ok(counted <= 1 && counted >= 0.95, `${counted} counted`);
  });
}
