// The table in README.md names tests that exist.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";

const here = new URL("./", import.meta.url);

test("every test that the table of hostile input names is there", () => {
  const table = readFileSync(new URL("README.md", here), "utf8");
  const cells = [...table.matchAll(/\| `([^`]+)`: ([^|]+?) (?=\|)/g)];
  assert.ok(cells.length > 40);
  const missing = cells.filter(([, file = "", title = ""]) => {
    const path = ["test.ts", "ts"].map((ending) => new URL(`${file}.${ending}`, here)).find(existsSync);
    return path === undefined || !readFileSync(path, "utf8").includes(title);
  });
  assert.deepEqual(
    missing.map(([cell]) => cell),
    [],
  );
});
