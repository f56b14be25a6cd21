import assert from "node:assert/strict";
import { test } from "node:test";
import { missingPrograms, missingSentence, type Program } from "../scripts/ensure-programs.ts";

const node: Program = {
  command: process.execPath,
  debianPackage: "nodejs",
  purpose: "it runs everything",
  probe: ["--version"],
  isRight: (output) => output.startsWith("v"),
};

test("a program that answers its probe is there", () => {
  assert.deepEqual(missingPrograms([node]), []);
});

test("a program that does not exist, or is another one of that name, is missing", () => {
  const absent: Program = { ...node, command: "zocalo-no-such-program" };
  const impostor: Program = { ...node, isRight: (output) => output.includes("OpenBSD") };
  assert.deepEqual(missingPrograms([absent, node, impostor]), [absent, impostor]);
});

test("one sentence says what to install and why", () => {
  const browser: Program = {
    ...node,
    command: "chromium",
    debianPackage: "chromium",
    purpose: "pages are tested",
  };
  assert.equal(
    missingSentence([browser]),
    "The tests need chromium (pages are tested): install it, on Debian with `sudo apt-get install chromium`, and run them again.",
  );
});
