// A share of `npm run torture`: one short life of each kind. ZOCALO_SEED=S begins with another one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "./life.ts";
import { liveOnce, type Totals } from "./lives.ts";

const SEED = Number(process.env["ZOCALO_SEED"] ?? Date.now() % 1_000_000);
const FAULTS = { kill: 8, stop: 1, disk: 2, damage: 5, clock: 3 } as const;
/** In one of two clock lives the monotonic clock is set, too. */
const lives = KINDS.flatMap((kind) =>
  (kind === "clock" ? [SEED - (SEED % 2), SEED - (SEED % 2) + 1] : [SEED]).map((seed) => ({ kind, seed })),
);

for (const { kind, seed } of lives) {
  test(`the built server keeps its word: ${kind} (ZOCALO_SEED=${seed})`, { timeout: 180_000 }, async (t) => {
    const totals: Totals = { lives: 0, counts: new Map(), left: new Set() };
    const broken = await liveOnce(kind, seed, totals, { faults: FAULTS[kind] });
    t.diagnostic(JSON.stringify(Object.fromEntries(totals.counts)));
    const [left] = totals.left;
    if (left !== undefined) return t.skip(left);
    assert.equal(broken, undefined, broken);
    // Otherwise it would have proved little.
    assert.ok((totals.counts.get("seen acked") ?? 0) > 50);
  });
}
