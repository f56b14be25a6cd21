import assert from "node:assert/strict";
import { test } from "node:test";
import { toOneLine } from "./json.ts";

test("a megabyte of line breaks is put on one line without iterating over its characters", (t) => {
  const text = Buffer.from(`[${"\n1,".repeat(349_524)}\r1]`).toString(); // As it comes from a socket.
  // What is spread has its iterator asked for, which takes ten times as long.
  let asked = 0;
  const restores = [Array.prototype, String.prototype].map((prototype: Iterable<unknown>) => {
    const { [Symbol.iterator]: iterator } = prototype;
    prototype[Symbol.iterator] = function (this: unknown) {
      asked++;
      return iterator.call(this as never);
    };
    return () => {
      prototype[Symbol.iterator] = iterator;
    };
  });
  const before = process.cpuUsage();
  asked = 0;
  const line = toOneLine(text);
  const most = asked;
  for (const restore of restores) restore();
  const { user, system } = process.cpuUsage(before);
  t.diagnostic(`${((user + system) / 1_000).toFixed(1)} ms of CPU, the first time`);
  assert.equal(most, 0);
  assert.equal(line, text.replaceAll(/[\r\n]/g, " "));
});
