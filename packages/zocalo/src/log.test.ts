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

/** What a terminal obeys, or turns around. */
// oxlint-disable-next-line no-control-regex
const DANGER = /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

for (const logFormat of ["text", "json"] as const) {
  test(`whatever is logged as ${logFormat} can be looked at on a terminal`, () => {
    const output = collect();
    const log = createLog({ logLevel: "info", logFormat }, output).child({ peer: "\u202eevil" });
    const cause = new Error("\x9b31mcause\nINFO forged");
    const err = new Error("\x1b]0;pwned\x07", { cause });
    log.error({ err, "\x1b[2J": ["\x7f", { "\u2066": "\r" }] }, "\x1b[2J\n");
    const [line = "", ...more] = output.lines.join("").split("\n");
    assert.doesNotMatch(line, DANGER);
    assert.deepEqual(more, [""]);
  });
}

test("JSON is escaped as JSON has it: what was logged can be read back", () => {
  const output = collect();
  const said = { name: "a\x1b[2J\n\x9b31m\u202e\u{e0041} 👩‍🚀" };
  createLog({ logLevel: "info", logFormat: "json" }, output).info(said, "\u2028");
  const { name, msg } = JSON.parse(output.lines.join("")) as Record<string, unknown>;
  assert.deepEqual({ name, msg }, { ...said, msg: "\u2028" });
});

test("a detail cannot pass itself off as two", () => {
  const output = collect();
  const log = createLog({ logLevel: "info", logFormat: "text" }, output);
  log.info({ reason: "no peer=10.0.0.1", name: 'a"b', plain: "one" }, "refused");
  assert.match(output.lines.join(""), / reason="no peer=10\.0\.0\.1" name="a\\"b" plain=one\n$/);
});

test("a text at the bound is logged whole, and one past it is cut", () => {
  for (const logFormat of ["text", "json"] as const) {
    const output = collect();
    const log = createLog({ logLevel: "info", logFormat }, output);
    log.info({ a: "x".repeat(16_384), b: "y".repeat(16_385) }, "z".repeat(1_000_000));
    const line = output.lines.join("");
    assert.match(line, /x{16384}(?!…)/);
    assert.match(line, /y{16384}…/);
    assert.ok(line.length < 60_000, String(line.length));
  }
});

test("secrets never reach the log, wherever they stand", () => {
  const cause = new Error("https://ana:s3cret@a.example/");
  const failure = Object.assign(new Error("GET /ws?token=s3cret failed", { cause }), {
    token: "s3cret",
    request: { headers: { cookie: "sid=s3cret" } },
  });
  for (const logFormat of ["text", "json"] as const) {
    const output = collect();
    const session = { Password: "s3cret" };
    const log = createLog({ logLevel: "debug", logFormat }, output).child({ session });
    const req = {
      url: "/ws?room=1&access_token=s3cret#id_token=s3cret",
      headers: {
        Authorization: "Bearer s3cret",
        "set-cookie": ["sid=s3cret"],
        "proxy-authorization": "Basic s3cret",
        "sec-websocket-protocol": "chat, bearer.s3cret",
      },
      rawHeaders: ["Host", "a.example", "Cookie", "sid=s3cret", "Sec-WebSocket-Protocol", "bearer, s3cret"],
    };
    log.info({ req, err: failure, list: [[{ a: { b: { c: { apiKey: "s3cret" } } } }]] }, "?token=s3cret");
    log.error(failure);
    const header = { name: "X-Auth-Token", value: "s3cret" };
    log.info({ key: "s3cret", header }, "authorization: Bearer s3cret");
    const logged = output.lines.join("");
    assert.doesNotMatch(logged, /s3cret/);
    assert.match(logged, /a\.example/, "the rest is there");
    assert.match(logged, /room=1/);
    assert.match(logged, /chat/);
  }
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
