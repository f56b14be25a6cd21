import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_ANSWER_HEAD_BYTES, readResponseHead } from "./http-connect.ts";

const read = (text: string) => readResponseHead(Buffer.from(text, "latin1"));

test("a head is read when all of it is there, and no byte behind it", () => {
  const text = "HTTP/1.1 200 Connection established\r\nVia: 1.1 ñ\r\nX-Empty:\r\n\r\n";
  for (let length = 0; length < text.length; length++)
    assert.equal(read(text.slice(0, length)), undefined, String(length));
  const head = { status: 200, reason: "Connection established", byteLength: text.length };
  assert.deepEqual(read(text), head);
  assert.deepEqual(read(`${text}\n\nbehind`), head);
});

test("a status line without words, and HTTP/1.0, are answers", () => {
  assert.deepEqual(read("HTTP/1.1 204\r\n\r\n"), { status: 204, reason: "", byteLength: 16 });
  assert.deepEqual(read("HTTP/1.0 200 \r\n\r\n"), { status: 200, reason: "", byteLength: 17 });
});

for (const [what, text] of [
  ["another protocol", "SSH-2.0"],
  ["another version of HTTP", "HTTP/2 200\r\n\r\n"],
  ["a line feed of its own", "HTTP/1.1 200 OK\nVia"],
  ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["a field without a name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"],
  ["a field without a colon", "HTTP/1.1 200 OK\r\nVia\r\n\r\n"],
  ["a folded field", "HTTP/1.1 200 OK\r\nVia: a\r\n b\r\n\r\n"],
  ["a control character", "HTTP/1.1 200 OK\r\nVia: a\0b\r\n\r\n"],
  ["no end", `HTTP/1.1 200 OK\r\nVia: ${"a".repeat(MAX_ANSWER_HEAD_BYTES)}`],
] as const) {
  test(`${what} is a fault`, () => {
    const head = read(text);
    assert.ok(head !== undefined && "fault" in head && head.fault !== "");
  });
}
