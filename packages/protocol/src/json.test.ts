import assert from "node:assert/strict";
import { test } from "node:test";
import { toOneLine } from "./json.ts";
import { jsonText } from "./json-members.ts";

test("a megabyte of line breaks takes about as long to put on one line as to check", () => {
  const text = Buffer.from(`[${"\n1,".repeat(349_524)}\r1]`).toString(); // As it comes from a socket.
  const least = (run: () => unknown): number => {
    const times = Array.from({ length: 8 }, () => {
      const { user, system } = process.cpuUsage();
      run();
      const end = process.cpuUsage();
      return (end.user + end.system - user - system) / 1_000;
    });
    return Math.min(...times);
  };
  const [checkMs, lineMs] = [least(() => jsonText(text)), least(() => toOneLine(text))];
  console.log(`${checkMs.toFixed(1)} ms of CPU for the check, ${lineMs.toFixed(1)} ms for one line`);
  assert.ok(lineMs < 2 * checkMs, `${lineMs} of ${checkMs}`);
  assert.equal(toOneLine(text), text.replaceAll(/[\r\n]/g, " "));
});
