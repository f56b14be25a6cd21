// Three of the faults in `test/mutants` are put back, chosen by a seed, and the integrity driver or the
// simulation has to find each. `npm run mutants` does it with all. ZOCALO_MUTANTS_SEED makes the choice of an
// earlier run again.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  allMutants,
  copyTree,
  findingOf,
  hunt,
  type Mutant,
  readMutant,
  shareOf,
  OtherFinding,
} from "../scripts/mutants.ts";

const mutants = allMutants();
const seed = Number(process.env["ZOCALO_MUTANTS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

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
    const head = "Driver: net\nFault: bytes are lost\nExpect: of \\d+ bytes\n";
    writeFileSync(path, `${head}\ndiff --git a/a b/a\nDriver: websocket\n`);
    assert.deepEqual(readMutant(path), {
      name: "some-fault",
      driver: "net",
      fault: "bytes are lost",
      expect: /of \d+ bytes/,
      needs: undefined,
      patch: path,
    });
    for (const bad of ["", "Driver: net\nFault: bytes are lost\n", "Driver: hub\nFault: x\nExpect: x\n"]) {
      writeFileSync(path, `${bad}diff --git a/a b/a\nExpect: x\n`);
      assert.throws(() => readMutant(path), /does not begin with "Driver: net"/);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

const mutant: Mutant = {
  name: "some-fault",
  driver: "net",
  fault: "bytes are lost",
  expect: /of \d+ bytes/,
  needs: undefined,
  patch: "",
};

test("a finding is what the driver says of this fault, on its first line or below it", () => {
  const head = "integrity net: seed 1, Node v24\n";
  assert.equal(findingOf(mutant, 0, head), undefined);
  const found = "FAILED with seed 1: of 7 bytes came 6";
  assert.equal(findingOf(mutant, 1, `${head}${found}\ndrawn:  {}\nshrunk: {}\n`), found);
  const slow = "FAILED with seed 1: in a slow network: integrity net";
  assert.equal(findingOf(mutant, 1, `${head}${slow}\nFAILED of 7 bytes came 6\n`), slow);
});

test("a driver that crashes, or finds something else, has not found the fault", () => {
  for (const status of [1, null]) {
    assert.throws(
      () => findingOf(mutant, status, "SyntaxError: of 7 bytes\n"),
      /the driver crashed: SyntaxError/,
    );
    assert.throws(() => findingOf(mutant, status, ""), /the driver crashed/);
  }
  const other = "FAILED with seed 1: a hang\ndrawn:  of 7 bytes\n";
  assert.throws(
    () => findingOf(mutant, 1, other),
    /something else than \/of .+: FAILED with seed 1: a hang$/,
  );
});

test("a file that is deleted in the working tree is not in the copy, nor does it stop the copying", () => {
  const [from, copy] = [1, 2].map(() => mkdtempSync(join(tmpdir(), "zocalo-mutants-")));
  assert.ok(from !== undefined && copy !== undefined);
  try {
    for (const name of ["gone.ts", "here.ts"]) writeFileSync(join(from, name), name);
    for (const args of [
      ["init", "-q"],
      ["add", "."],
    ]) {
      assert.equal(spawnSync("git", args, { cwd: from }).status, 0);
    }
    rmSync(join(from, "gone.ts"));
    writeFileSync(join(from, "here.ts"), "changed");
    writeFileSync(join(from, "new.ts"), "new");
    copyTree(copy, from);
    assert.equal(existsSync(join(copy, "gone.ts")), false);
    const read = (name: string) => readFileSync(join(copy, name), "utf8");
    assert.deepEqual([read("here.ts"), read("new.ts")], ["changed", "new"]);
  } finally {
    for (const directory of [from, copy]) rmSync(directory, { recursive: true, force: true });
  }
});

for (const chosen of shareOf(mutants, 3, seed)) {
  test(`the driver finds that ${chosen.fault} (${chosen.name}, by ZOCALO_MUTANTS_SEED=${seed})`, (t) => {
    try {
      assert.match(hunt(chosen, 60) ?? "nothing was found", /^FAILED/);
    } catch (error) {
      // `npm run mutants` demands the words, too; here a fault that shows another face is none of the tree's.
      if (!(error instanceof OtherFinding)) throw error;
      t.diagnostic(error.message);
    }
  });
}
