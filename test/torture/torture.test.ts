// A share of `npm run torture`: one short life of each kind. ZOCALO_SEED=S begins with another one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "./life.ts";
import { liveOnce, type Totals } from "./lives.ts";

const SEED = Number(process.env["ZOCALO_SEED"] ?? Date.now() % 1_000_000);
const FAULTS = { kill: 8, stop: 1, disk: 2, damage: 5, clock: 4 } as const;

for (const kind of KINDS) {
  test(`the built server keeps its word: ${kind} (ZOCALO_SEED=${SEED})`, { timeout: 180_000 }, async (t) => {
    const totals: Totals = { lives: 0, counts: new Map(), left: new Set() };
    const broken = await liveOnce(kind, SEED, totals, { faults: FAULTS[kind] });
    t.diagnostic(JSON.stringify(Object.fromEntries(totals.counts)));
    const [left] = totals.left;
    if (left !== undefined) return t.skip(left);
    assert.equal(broken, undefined, broken);
    // Otherwise it would have proved little.
    assert.ok((totals.counts.get("seen acked") ?? 0) > 50);
  });
}
