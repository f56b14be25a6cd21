import assert from "node:assert/strict";
import { test } from "node:test";
import { shownUrl } from "./shown-url.ts";

test("a URL is shown without user, password, query and fragment, however it is written", () => {
  for (const [url, shown] of [
    ["wss://ana:s3cret@a.example/ws?token=s3cret#s3cret", "wss://a.example/ws?…"],
    ["wss://a.example/#token=s3cret", "wss://a.example/#…"],
    ["wss:ana:s3cret@a.example", "wss://a.example"],
    ["//ana:s3cret@a.example/ws", "//a.example/ws"],
    [" wss:\\/ana:s3\ncret@a.example", "wss://a.example"],
    ["wss://a.example/@ana", "wss://a.example/@ana"],
    ["/ws/ana@a.example", "/ws/ana@a.example"],
    ["not a url", "not a url"],
    ["", ""],
  ] as const) {
    assert.equal(shownUrl(url), shown);
  }
});

test("a URL of a megabyte takes linear time", () => {
  for (const part of [" ", "/", "\\", "a", "a:", "\n", "?"]) {
    const startedAt = process.cpuUsage();
    shownUrl(part.repeat(1_000_000 / part.length));
    // A quadratic pattern takes minutes.
    assert.ok(process.cpuUsage(startedAt).user < 10_000_000, JSON.stringify(part));
  }
});
