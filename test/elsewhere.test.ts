import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { forPlatform, LEFT_OUT } from "../scripts/elsewhere.ts";
import { findTests } from "../scripts/find-tests.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

test("a file is left out where its entry says so, with the reason, and nowhere else", () => {
  const table = [{ platforms: ["win32"], reason: "sockets in files", files: ["a/unix"] }] as const;
  const files = ["a/unix-file.test.ts", "b/a/unix.test.ts"];
  const windows = forPlatform(files, "win32", table);
  assert.deepEqual(windows.files, ["b/a/unix.test.ts"]);
  assert.deepEqual([...windows.leftOut], [["sockets in files", ["a/unix-file.test.ts"]]]);
  assert.deepEqual(forPlatform(files, "darwin", table).files, files);
});

test("Linux runs everything", () => {
  const files = findTests(root);
  assert.deepEqual(forPlatform(files, "linux").files, files);
});

test("each entry names files that are there, and CONTRIBUTING.md has its reason", () => {
  const files = findTests(root);
  const guide = readFileSync(new URL("../CONTRIBUTING.md", import.meta.url), "utf8");
  for (const { files: parts, reason } of LEFT_OUT) {
    for (const part of parts)
      assert.ok(
        files.some((file) => file.startsWith(part)),
        part,
      );
    assert.ok(guide.includes(reason), reason);
  }
});
