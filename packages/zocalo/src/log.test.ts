import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog, type LogOutput } from "./log.ts";

/** Collects what is written. */
function collect(isTTY = false): LogOutput & { readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, isTTY, write: (line) => void lines.push(line) };
}

test("writes one JSON object per line with level, time and message", () => {
  const output = collect();
  createLog({ logLevel: "info", logFormat: "auto" }, output).info({ door: "tcp" }, "listening");
  const { time, ...rest } = JSON.parse(output.lines.join("")) as Record<string, unknown>;
  assert.deepEqual(rest, { level: "info", door: "tcp", msg: "listening" });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test("writes lines for people on a terminal, or when asked to", () => {
  for (const [logFormat, isTTY] of [
    ["auto", true],
    ["text", false],
  ] as const) {
    const output = collect(isTTY);
    createLog({ logLevel: "info", logFormat }, output).warn({ door: "tcp", port: 7000 }, "listening");
    // oxlint-disable-next-line no-control-regex
    const bare = output.lines.join("").replace(/\x1b\[\d+m/g, "");
    assert.match(bare, /^\d\d:\d\d:\d\d WARN {2}listening door=tcp port=7000\n$/);
  }
});

test("what a stranger sent cannot move the cursor of a terminal", () => {
  const output = collect();
  createLog({ logLevel: "info", logFormat: "text" }, output).info({ url: "/\x1b[2J\r\nfake" }, "request");
  const line = output.lines.join("");
  assert.equal(line.includes("\x1b"), false);
  assert.equal(line.indexOf("\n"), line.length - 1);
});

test("tokens and cookies never reach the log", () => {
  const output = collect();
  const log = createLog({ logLevel: "debug", logFormat: "json" }, output);
  log.info(
    { token: "s3cret", command: { token: "s3cret" }, headers: { authorization: "s3cret", cookie: "s3cret" } },
    "x",
  );
  assert.equal(output.lines.join("").includes("s3cret"), false);
});

test("says nothing below its level", () => {
  const output = collect();
  createLog({ logLevel: "warn", logFormat: "json" }, output).info("quiet");
  createLog({ logLevel: "silent", logFormat: "json" }, output).error("quiet");
  assert.deepEqual(output.lines, []);
});
