import assert from "node:assert/strict";
import { test } from "node:test";
import { comparison } from "./against.ts";

function linesOf(now: number, isLessBetter = true): string {
  const rows = [
    { name: "before", values: { echo: 98 } },
    { name: "before, again", values: { echo: 102 } },
    { name: "now", values: { echo: now } },
  ];
  return comparison({ title: "CPU", unit: "µs", isLessBetter, columns: ["echo"], rows }, "now");
}

test("a figure is worse beyond the tolerance and beyond what the build before differs from itself by", () => {
  assert.match(linesOf(106), /^echo: 98 and 102 → 106 \(\+6\.0 %, spread \+4\.0 %\) WORSE$/m);
  for (const [now, isLessBetter] of [
    [104, true],
    [80, true],
    [96, false],
    [130, false],
  ] as const) {
    assert.doesNotMatch(linesOf(now, isLessBetter), /WORSE/);
  }
  assert.match(linesOf(80, false), /WORSE/);
});

test("what differs from itself by more proves nothing", () => {
  const rows = [
    { name: "before", values: { echo: 90 } },
    { name: "before, again", values: { echo: 110 } },
    { name: "now", values: { echo: 115 } },
  ];
  const text = comparison({ title: "CPU", unit: "µs", isLessBetter: true, columns: ["echo"], rows }, "now");
  assert.doesNotMatch(text, /WORSE/);
});
