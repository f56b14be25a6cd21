import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { findTests } from "../scripts/find-tests.ts";

const root = mkdtempSync(join(tmpdir(), "zocalo-find-tests-"));
after(() => rmSync(root, { recursive: true }));

for (const file of [
  "packages/net/src/conn.ts",
  "packages/net/src/conn.test.ts",
  "packages/net/test/deep/er.test.ts",
  "packages/net/dist/conn.test.ts",
  "packages/net/node_modules/x/x.test.ts",
  "apps/plaza/src/view.test.tsx",
  "test/whole.test.ts",
  "other/src/lost.test.ts",
]) {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), "");
}

test("finds the tests of every room and nothing that was built or installed", () => {
  assert.deepEqual(findTests(root), [
    "apps/plaza/src/view.test.tsx",
    "packages/net/src/conn.test.ts",
    "packages/net/test/deep/er.test.ts",
    "test/whole.test.ts",
  ]);
});

test("a pattern names a file, a directory or a part of a path", () => {
  assert.deepEqual(findTests(root, ["packages/net/src"]), ["packages/net/src/conn.test.ts"]);
  assert.deepEqual(findTests(root, ["./test/whole.test.ts"]), ["test/whole.test.ts"]);
  assert.deepEqual(findTests(root, ["view", "er.test"]), [
    "apps/plaza/src/view.test.tsx",
    "packages/net/test/deep/er.test.ts",
  ]);
  assert.deepEqual(findTests(root, ["nowhere"]), []);
});
