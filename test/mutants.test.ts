// Three of the faults in `test/mutants` are put back, chosen by a seed, and the integrity driver has to find each. `npm run mutants` does it with all.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { allMutants, copyTree, hunt, readMutant, shareOf } from "../scripts/mutants.ts";

const mutants = allMutants();
const seed = Math.floor(Math.random() * 2 ** 31);

test("there are the faults that were seen, and some of our own", () => {
  assert.ok(mutants.length >= 12, `${mutants.length} mutants`);
});

test("every mutant still applies to the tree", () => {
  const copy = mkdtempSync(join(tmpdir(), "zocalo-mutants-"));
  try {
    copyTree(copy);
    for (const { patch } of mutants) {
      const { status, stderr } = spawnSync("git", ["apply", "--check", patch], {
        cwd: copy,
        encoding: "utf8",
      });
      assert.equal(status, 0, stderr);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});

test("a share is chosen by its seed, without those that need what not every machine has", () => {
  const names = (share: readonly { name: string }[]) => share.map(({ name }) => name);
  assert.deepEqual(names(shareOf(mutants, 3, 7)), names(shareOf(mutants, 3, 7)));
  assert.equal(new Set(names(shareOf(mutants, 5, 1))).size, 5);
  assert.ok(shareOf(mutants, 100, 1).every(({ needs }) => needs === undefined));
});

test("a patch says what finds it, and what it is", () => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-mutant-"));
  const path = join(directory, "some-fault.patch");
  try {
    writeFileSync(path, "Driver: net\nFault: bytes are lost\n\ndiff --git a/a b/a\nDriver: websocket\n");
    assert.deepEqual(readMutant(path), {
      name: "some-fault",
      driver: "net",
      fault: "bytes are lost",
      needs: undefined,
      patch: path,
    });
    writeFileSync(path, "diff --git a/a b/a\n");
    assert.throws(() => readMutant(path), /does not begin with "Driver: net"/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

for (const mutant of shareOf(mutants, 3, seed)) {
  test(`the driver finds that ${mutant.fault} (${mutant.name}, by seed ${seed})`, () => {
    const found = hunt(mutant, 60);
    assert.match(found ?? "nothing was found", /^FAILED/);
  });
}
