import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { NetError } from "../contracts/error.ts";
import { parseProxyHeader } from "./proxy-header.ts";

const line = (text: string): Buffer => Buffer.from(text, "latin1");

/** A version 2 header. */
function v2(versionAndCommand: number, family: number, body: Uint8Array): Buffer {
  const head = Buffer.from("0d0a0d0a000d0a515549540a00000000", "hex");
  head.writeUInt8(versionAndCommand, 12);
  head.writeUInt8(family, 13);
  head.writeUInt16BE(body.length, 14);
  return Buffer.concat([head, body]);
}

const tcp4Body = Buffer.from("c0a80001c0a8000b10e101bb", "hex");
const tcp4Ends = {
  source: { host: "192.168.0.1", port: 4321 },
  destination: { host: "192.168.0.11", port: 443 },
};

test("version 1 lines are read to their last byte, and not past it", () => {
  const text = "PROXY TCP4 192.168.0.1 192.168.0.11 4321 443\r\n";
  assert.deepEqual(parseProxyHeader(line(`${text}GET /`)), { length: text.length, ends: tcp4Ends });
  const v6 = "PROXY TCP6 2001:db8::1 ::1 0 65535\r\n";
  assert.deepEqual(parseProxyHeader(line(v6))?.ends?.source, { host: "2001:db8::1", port: 0 });
  assert.deepEqual(parseProxyHeader(line("PROXY UNKNOWN\r\n")), { length: 15, ends: undefined });
  assert.equal(parseProxyHeader(line("PROXY UNKNOWN ffff::1 x y z\r\n"))?.ends, undefined);
});

test("version 2 headers are read, with extensions passed over", () => {
  assert.deepEqual(parseProxyHeader(v2(0x21, 0x11, tcp4Body)), { length: 28, ends: tcp4Ends });
  const extended = v2(0x21, 0x11, Buffer.concat([tcp4Body, Buffer.alloc(50)]));
  assert.deepEqual(parseProxyHeader(Buffer.concat([extended, line("data")])), { length: 78, ends: tcp4Ends });
  const source = Buffer.from("20010db8000000000000000000000001", "hex");
  const six = parseProxyHeader(
    v2(0x21, 0x21, Buffer.concat([source, Buffer.alloc(16), Buffer.from([0, 80, 1, 0])])),
  );
  assert.deepEqual(six?.ends, {
    source: { host: "2001:db8::1", port: 80 },
    destination: { host: "::", port: 256 },
  });
  assert.deepEqual(parseProxyHeader(v2(0x20, 0x11, tcp4Body)), { length: 28, ends: undefined });
  assert.deepEqual(parseProxyHeader(v2(0x20, 0x00, Buffer.alloc(0))), { length: 16, ends: undefined });
});

test("any cut of a good header asks for more", () => {
  for (const header of [line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), v2(0x21, 0x11, tcp4Body)]) {
    for (let length = 0; length < header.length; length++) {
      assert.equal(parseProxyHeader(header.subarray(0, length)), undefined, String(length));
    }
    assert.ok(parseProxyHeader(header));
  }
});

test("what is not exactly as specified is refused", () => {
  const bad: Buffer[] = [
    ...[
      "GET / HTTP/1.1\r\n",
      "proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
      "PROXY TCP4 ::1 ::2 1 2\r\n",
      "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
      "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
      "PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
      "PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
      "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
      `PROXY UNKNOWN ${"x".repeat(100)}`,
      `PROXY UNKNOWN ${"x".repeat(93)}`,
    ].map(line),
    v2(0x11, 0x11, tcp4Body),
    v2(0x22, 0x11, tcp4Body),
    v2(0x21, 0x41, tcp4Body),
    v2(0x21, 0xf1, tcp4Body),
    v2(0x21, 0x13, tcp4Body),
    v2(0x21, 0x03, tcp4Body),
    v2(0x2f, 0x00, Buffer.alloc(0)),
    v2(0x31, 0x11, tcp4Body),
    v2(0x21, 0x11, tcp4Body.subarray(1)),
    v2(0x21, 0x21, tcp4Body),
    v2(0x21, 0x11, Buffer.alloc(4081)),
  ];
  for (const bytes of bad)
    assert.throws(() => parseProxyHeader(bytes), { code: "bad_frame" }, bytes.toString("latin1"));
  // At the limits: 107 bytes of line, 4096 of header.
  assert.ok(parseProxyHeader(line(`PROXY UNKNOWN ${"x".repeat(91)}\r\n`)));
  assert.ok(parseProxyHeader(v2(0x20, 0x11, Buffer.alloc(4080))));
});

test("any bytes are a header, the beginning of one, or refused with a NetError", () => {
  const start = fc.constantFrom("", "PROXY ", "PROXY TCP4 ", "\r\n\r\n\0\r\nQUIT\n!");
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 120 }), (prefix, tail) => {
      const bytes = Buffer.concat([line(prefix), tail]);
      try {
        const header = parseProxyHeader(bytes);
        assert.ok(header === undefined || header.length <= bytes.length);
      } catch (error) {
        assert.ok(error instanceof NetError);
      }
    }),
  );
});
