import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkDecisions, DECISION_WORDS } from "../scripts/check-decisions.ts";

test("a decision is too long from one word past the limit on; its appendix and the list are not counted", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-decisions-"));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, "figures"));
  const words = (count: number) => `# Title\n${"word\n".repeat(count - 2)}`;
  writeFileSync(join(directory, "0001-within.md"), words(DECISION_WORDS));
  writeFileSync(join(directory, "0002-past.md"), words(DECISION_WORDS + 1));
  writeFileSync(join(directory, "README.md"), words(2 * DECISION_WORDS));
  writeFileSync(join(directory, "figures", "0001-within.md"), words(2 * DECISION_WORDS));
  assert.deepEqual(checkDecisions(directory), [
    "0002-past.md has 301 words of 300: move its figures to figures/0002-past.md",
  ]);
});
