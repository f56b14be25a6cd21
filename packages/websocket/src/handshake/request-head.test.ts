import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_HEAD_BYTES, MAX_HEAD_HEADERS, readRequestHead } from "./request-head.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const LINES = [
  "Host: example.org:8080",
  "Upgrade: websocket",
  "Connection: Upgrade",
  `Sec-WebSocket-Key: ${KEY}`,
  "Sec-WebSocket-Version: 13",
];

function head(lines: readonly string[] = LINES, first = "GET /ws?x=1 HTTP/1.1"): string {
  return `${[first, ...lines].join("\r\n")}\r\n\r\n`;
}

function read(text: string) {
  return readRequestHead(Buffer.from(text, "latin1"));
}

/** The usual lines, with the one that has this name replaced; `undefined`: left out. */
function instead(name: string, ...others: string[]): string {
  return head(LINES.flatMap((line) => (line.startsWith(`${name}:`) ? others : [line])));
}

test("the head of an upgrade is read, and told from what follows", () => {
  const request = read(`${head()}\u0081\u0080\0\r\n\r\n`);
  assert.deepEqual(request, {
    method: "GET",
    url: "/ws?x=1",
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    rawHeaders: LINES.flatMap((line) => line.split(/: (.*)/, 2)),
    byteLength: head().length,
  });
});

const taken: readonly (readonly [what: string, text: string])[] = [
  ["names in any case", head(LINES.map((line) => line.replace(/^[^:]+/, (name) => name.toUpperCase())))],
  ["a proxy's connection", instead("Connection", "connection: upgrade")],
  ["Firefox' connection", instead("Connection", "Connection: keep-alive, Upgrade")],
  ["spaces in a value", head([...LINES, "User-Agent: a (b; c)  d"])],
  ["a value of one character", head([...LINES, "DNT: 1"])],
  ["a header twice", head([...LINES, "X-A: 1", "X-A: 2"])],
  ["every character of a name", head([...LINES, "!#$%&'*+-.^_`|~09AZaz: x"])],
  ["every character of a target", head(LINES, "GET /-._~!$&'()*+,;=:@%20//?a=b&c?/ HTTP/1.1")],
  ["a target of two slashes", head(LINES, "GET // HTTP/1.1")],
];
for (const [what, text] of taken) {
  test(`${what}: read`, () => assert.notEqual(read(text), undefined));
}

const left: readonly (readonly [what: string, text: string])[] = [
  ["nothing", ""],
  ["no end", head().slice(0, -1)],
  ["an end of bare line feeds", head().replaceAll("\r\n", "\n")],
  ["an end of mixed lines", head().replace("\r\n\r\n", "\r\n\n")],
  ["one bare line feed", head().replace("org:8080\r\n", "org:8080\n")],
  ["a bare carriage return in a value", head([...LINES, "X: a\rb"])],
  ["an empty line before", `\r\n${head()}`],
  ["a space before", ` ${head()}`],
  ["another method", head(LINES, "POST / HTTP/1.1")],
  ["a method in lower case", head(LINES, "get / HTTP/1.1")],
  ["HTTP/1.0", head(LINES, "GET / HTTP/1.0")],
  ["HTTP/1.10", head(LINES, "GET / HTTP/1.10")],
  ["another protocol", head(LINES, "GET / HTTQ/1.1")],
  ["two spaces in the first line", head(LINES, "GET  / HTTP/1.1")],
  ["a space behind the first line", head(LINES, "GET / HTTP/1.1 ")],
  ["a space in the target", head(LINES, "GET /a b HTTP/1.1")],
  ["an absolute target", head(LINES, "GET http://a/ HTTP/1.1")],
  ["the target *", head(LINES, "GET * HTTP/1.1")],
  ["a fragment", head(LINES, "GET /#a HTTP/1.1")],
  ["a backslash in the target", head(LINES, "GET /\\ HTTP/1.1")],
  ["a target outside ASCII", head(LINES, "GET /\u00f1 HTTP/1.1")],
  ["HTTP/0.9", "GET /\r\n\r\n"],
  ["no headers", "GET / HTTP/1.1\r\n\r\n"],
  ["a space before the colon", instead("Host", "Host : a")],
  ["no space behind the colon", instead("Host", "Host:a")],
  ["two spaces behind the colon", instead("Host", "Host:  a")],
  ["a tab behind the colon", instead("Host", "Host:\ta")],
  ["a tab in a value", head([...LINES, "X: a\tb"])],
  ["a space behind a value", instead("Host", "Host: a ")],
  ["an empty value", head([...LINES, "X: "])],
  ["a folded line", head([...LINES, "X: a", " b"])],
  ["a line without a colon", head([...LINES, "X"])],
  ["a name that is no token", head([...LINES, "X(: a"])],
  ["no name", head([...LINES, ": a"])],
  ["a zero byte", head([...LINES, "X: a\0b"])],
  ["a value outside ASCII", head([...LINES, "X: \u00f1"])],
  ["a DEL", head([...LINES, "X: a\u007fb"])],
  ["Content-Length", head([...LINES, "Content-Length: 0"])],
  ["content-length", head([...LINES, "content-length: 5"])],
  ["Transfer-Encoding", head([...LINES, "Transfer-Encoding: chunked"])],
  ["Expect", head([...LINES, "Expect: 100-continue"])],
  ["Trailer", head([...LINES, "Trailer: a"])],
  ["TE", head([...LINES, "TE: trailers"])],
  ["Keep-Alive", head([...LINES, "Keep-Alive: 5"])],
  ["Proxy-Connection", head([...LINES, "Proxy-Connection: close"])],
  ["HTTP2-Settings", head([...LINES, "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"])],
  ["another protocol to upgrade to", instead("Upgrade", "Upgrade: h2c")],
  ["two protocols to upgrade to", instead("Upgrade", "Upgrade: websocket, h2c")],
  ["a connection that closes", instead("Connection", "Connection: close, Upgrade")],
  ["a connection that names a header", instead("Connection", "Connection: Upgrade, Sec-WebSocket-Key")],
  ["another version", instead("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8")],
  ["a list of hosts", instead("Host", "Host: a,b")],
  ...LINES.flatMap((line): [string, string][] => {
    const name = line.slice(0, line.indexOf(":"));
    return [
      [`no ${name}`, instead(name)],
      [`two of ${name}`, instead(name, line, line)],
      [`two of ${name} in different case`, instead(name, line, line.toLowerCase())],
      [`two of ${name}, and no Host`, head([...LINES.slice(1), line.replace(/^Host.*/, "X: y")])],
    ];
  }),
];
for (const [what, text] of left) {
  test(`${what}: left to others`, () => assert.equal(read(text), undefined));
}

test("a head at the limit is read, and one byte past it is not", () => {
  const empty = head([...LINES, "X: "]).length;
  const padded = (length: number): string => head([...LINES, `X: ${"x".repeat(length - empty)}`]);
  assert.equal(read(padded(MAX_HEAD_BYTES))?.byteLength, MAX_HEAD_BYTES);
  assert.equal(read(padded(MAX_HEAD_BYTES + 1)), undefined);
  const bytes = Buffer.from(head());
  assert.notEqual(readRequestHead(bytes, bytes.length), undefined);
  assert.equal(readRequestHead(bytes, bytes.length - 1), undefined);
  assert.equal(readRequestHead(Buffer.from(padded(MAX_HEAD_BYTES + 1)), MAX_HEAD_BYTES * 2), undefined);
});

test("headers at the limit are read, and one more is not", () => {
  const many = (count: number): string =>
    head([...LINES, ...Array.from({ length: count - LINES.length }, (_, i) => `X-${i}: ${i}`)]);
  assert.equal(read(many(MAX_HEAD_HEADERS))?.rawHeaders.length, 2 * MAX_HEAD_HEADERS);
  assert.equal(read(many(MAX_HEAD_HEADERS + 1)), undefined);
});

test("a head that is cut anywhere is left to others", () => {
  const text = head();
  for (let length = 0; length < text.length; length++)
    assert.equal(read(text.slice(0, length)), undefined, `${length} bytes`);
});
