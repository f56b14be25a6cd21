import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { delimiterCodec } from "./delimiter.ts";
import { NetError } from "../contracts/error.ts";
import { type FrameCodec, FrameFault } from "./frame-codec.ts";
import { lengthPrefixCodec } from "./length-prefix.ts";
import { lineCodec } from "./lines.ts";
import type { Message } from "../contracts/message-conn.ts";

/** What comes out of `chunks`: the messages, then how it stands at the end. */
function decode(codec: FrameCodec, chunks: readonly Uint8Array[], maxMessageBytes = 65_536) {
  const decoder = codec.decoder(maxMessageBytes);
  const messages: Message[] = [];
  try {
    for (const chunk of chunks) {
      decoder.write(chunk);
      for (;;) {
        const message = decoder.next();
        if (message === undefined) break;
        messages.push(typeof message === "string" ? message : Uint8Array.from(message));
        assert.equal(decoder.messageBytes, Buffer.byteLength(message));
      }
    }
  } catch (error) {
    assert.ok(error instanceof FrameFault, String(error));
    return { messages, end: error.closeCode };
  }
  return { messages, end: decoder.isAtBoundary ? "at a boundary" : "in a message" };
}

const bytes = (...values: (number | string)[]): Buffer =>
  Buffer.concat(values.map((value) => (typeof value === "string" ? Buffer.from(value) : Buffer.of(value))));

const cut = (whole: Uint8Array, at: readonly number[]): Uint8Array[] => {
  const marks = [0, ...at.map((mark) => mark % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return marks.slice(1).map((end, i) => whole.slice(marks[i], end));
};

const framings: { name: string; codec: FrameCodec; message: fc.Arbitrary<Message> }[] = [
  { name: "lines", codec: lineCodec, message: fc.string({ unit: "binary" }) },
  { name: "delimiter \\0, text", codec: delimiterCodec("\0", true), message: fc.string({ unit: "binary" }) },
  { name: "delimiter \\r\\n", codec: delimiterCodec("\r\n", false), message: someOf(13, 10, 120) },
  { name: "delimiter aabaa", codec: delimiterCodec("aabaa", false), message: someOf(97, 98) },
  { name: "u16", codec: lengthPrefixCodec("u16", false), message: fc.uint8Array() },
  { name: "u32, text", codec: lengthPrefixCodec("u32", true), message: fc.string({ unit: "binary" }) },
  { name: "varint", codec: lengthPrefixCodec("varint", false), message: fc.uint8Array({ maxLength: 300 }) },
];

function someOf(...values: number[]): fc.Arbitrary<Uint8Array> {
  return fc.array(fc.constantFrom(...values), { maxLength: 12 }).map((list) => Uint8Array.from(list));
}

for (const { name, codec, message } of framings) {
  const sendable = fc.array(message.filter((m) => codec.fault(m) === undefined));

  test(`${name}: what was sent arrives, wherever the stream is cut`, () => {
    fc.assert(
      fc.property(sendable, fc.array(fc.nat()), (messages, marks) => {
        const wire = Buffer.concat(messages.map((m) => codec.encode(m)));
        assert.deepEqual(decode(codec, cut(wire, marks)), { messages, end: "at a boundary" });
      }),
    );
  });

  test(`${name}: every single cut and one-byte segments give the same result`, () => {
    const [messages = []] = fc.sample(sendable, { numRuns: 1, seed: 7 });
    const wire = Buffer.concat(messages.map((m) => codec.encode(m)));
    const whole = decode(codec, [wire]);
    for (let at = 0; at <= wire.length; at++) assert.deepEqual(decode(codec, cut(wire, [at])), whole);
    assert.deepEqual(
      decode(
        codec,
        Array.from(wire, (byte) => Buffer.of(byte)),
      ),
      whole,
    );
  });

  test(`${name}: any bytes give the same messages and the same fault, wherever they are cut`, () => {
    const any = fc.oneof(fc.uint8Array(), someOf(97, 98, 10, 13, 0), someOf(0, 1, 2, 128, 255));
    fc.assert(
      fc.property(any, fc.array(fc.nat()), (wire, marks) => {
        assert.deepEqual(decode(codec, cut(wire, marks), 5), decode(codec, [wire], 5));
      }),
      { numRuns: 300 },
    );
  });

  test(`${name}: header, payload and trailer in parts are the same bytes as in one piece`, () => {
    fc.assert(
      fc.property(sendable, (messages) => {
        for (const m of messages) {
          const payload = Buffer.from(m);
          const parts = [codec.header(payload.length), payload, codec.trailer(payload)];
          assert.deepEqual(Buffer.concat(parts.filter((part) => part !== undefined)), codec.encode(m));
        }
      }),
    );
  });

  test(`${name}: a message at the limit passes, one past it is code 1009`, () => {
    const at = codec.encode("x".repeat(100));
    const past = codec.encode("x".repeat(101));
    for (const size of [1, 7, 1000]) {
      const marks = Array.from({ length: Math.floor(105 / size) }, (_, i) => i * size);
      assert.equal(decode(codec, cut(at, marks), 100).messages.length, 1);
      assert.equal(decode(codec, cut(past, marks), 100).end, 1009);
    }
  });

  test(`${name}: the decoder does not keep what it was given`, () => {
    const wire = Buffer.concat([codec.encode("first"), codec.encode("second")]);
    const decoder = codec.decoder(100);
    const chunk = Buffer.from(wire.subarray(0, 3));
    decoder.write(chunk);
    assert.equal(decoder.next(), undefined);
    chunk.fill(0xff);
    decoder.write(wire.subarray(3));
    assert.equal(String(decoder.next()), "first");
  });
}

test("lines end with \\n or \\r\\n, and only the last \\r is not part of the line", () => {
  const wire = bytes("a\nb\r\n\n\r\nc\r\r\nd\re\n");
  assert.deepEqual(decode(lineCodec, [wire]).messages, ["a", "b", "", "", "c\r", "d\re"]);
  assert.equal(decode(lineCodec, [bytes("a\nrest")]).end, "in a message");
});

test("a line that ends with \\r keeps it", () => {
  assert.deepEqual(decode(lineCodec, [lineCodec.encode("c\r")]).messages, ["c\r"]);
  assert.deepEqual(decode(lineCodec, [lineCodec.encode(bytes("c\r"))]).messages, ["c\r"]);
});

test("the \\r of a line's end does not count, in one piece or at a cut", () => {
  const wire = bytes("x".repeat(100), "\r\n");
  assert.equal(decode(lineCodec, [wire], 100).messages.length, 1);
  assert.equal(decode(lineCodec, cut(wire, [101]), 100).messages.length, 1);
  assert.equal(decode(lineCodec, [bytes("x".repeat(100), "\r")], 100).end, "in a message");
  assert.equal(decode(lineCodec, [bytes("x".repeat(101))], 100).end, 1009, "known before the line has ended");
});

test("good lines before a bad one in the same chunk are delivered, then code 1007", () => {
  const bad: [string, Buffer][] = [
    ["a lone continuation byte", bytes(0x80)],
    ["an overlong form", bytes(0xc0, 0xaf)],
    ["a surrogate", bytes(0xed, 0xa0, 0x80)],
    ["past U+10FFFF", bytes(0xf4, 0x90, 0x80, 0x80)],
    ["a code point cut short", bytes(0xe2, 0x82)],
  ];
  for (const [what, wrong] of bad) {
    const wire = Buffer.concat([bytes("good\n"), wrong, bytes("\nlost\n")]);
    for (const chunks of [[wire], cut(wire, [6]), cut(wire, [2, 5, 6])]) {
      assert.deepEqual(decode(lineCodec, chunks), { messages: ["good"], end: 1007 }, what);
    }
  }
});

test("a byte order mark is a character like any other", () => {
  assert.deepEqual(decode(lineCodec, [bytes("\ufeffx\n")]).messages, ["\ufeffx"]);
});

test("what cannot be framed is refused before it is sent", () => {
  for (const message of ["a\nb", bytes("a\nb"), bytes(0xff)]) {
    assert.throws(() => lineCodec.encode(message), FrameFault);
  }
  const aba = delimiterCodec("aba", false);
  assert.match(aba.fault("xabay") ?? "", /contains the delimiter/);
  assert.match(aba.fault("xab") ?? "", /ends with the beginning of the delimiter/);
  assert.equal(aba.fault("xba"), undefined);
  assert.throws(() => delimiterCodec("\0", true).encode(bytes(0xff)), FrameFault);
  assert.throws(() => lengthPrefixCodec("u16", true).encode(bytes(0xff)), FrameFault);
});

test("a length over the limit is refused before any of the payload", () => {
  assert.equal(decode(lengthPrefixCodec("u16", false), [bytes(0x04, 0x01)], 1024).end, 1009);
  assert.equal(decode(lengthPrefixCodec("u32", false), [bytes(0xff, 0xff, 0xff, 0xff)]).end, 1009);
  assert.equal(decode(lengthPrefixCodec("varint", false), [bytes(0xff, 0xff, 0xff, 0xff, 0x0f)]).end, 1009);
});

test("lengths are written in network order, varints lowest 7 bits first", () => {
  const header = (prefix: "u16" | "u32" | "varint", length: number) => [
    ...(lengthPrefixCodec(prefix, false).header(length) ?? []),
  ];
  assert.deepEqual(header("u16", 258), [1, 2]);
  assert.deepEqual(header("u32", 0x01020304), [1, 2, 3, 4]);
  assert.deepEqual(header("varint", 0), [0]);
  assert.deepEqual(header("varint", 127), [127]);
  assert.deepEqual(header("varint", 128), [128, 1]);
  assert.deepEqual(header("varint", 300), [172, 2]);
  assert.deepEqual(header("varint", 2 ** 32 - 1), [255, 255, 255, 255, 15]);
});

test("a varint that is too long or not the shortest is code 1002", () => {
  const varint = lengthPrefixCodec("varint", false);
  assert.equal(decode(varint, [bytes(0x80, 0x00)]).end, 1002);
  assert.equal(decode(varint, [bytes(0x80, 0x80, 0x80, 0x80, 0x80)]).end, 1002);
  assert.equal(decode(varint, [bytes(0x80, 0x80, 0x80, 0x80, 0x10)]).end, 1009, "2^32: a number, too large");
});

test("a message that was claimed to be large takes no more memory than what came of it", () => {
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 100 }, () => {
    const decoder = lengthPrefixCodec("u32", false).decoder(2 ** 30);
    decoder.write(bytes(0x3f, 0xff, 0xff, 0xff, "some"));
    assert.equal(decoder.next(), undefined);
    return decoder;
  });
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 20);
  assert.equal(decoders.length, 100);
});

test("arguments outside what is allowed are told", () => {
  const isArgument = (error: unknown) => error instanceof NetError && error.code === "invalid_argument";
  assert.throws(() => delimiterCodec("", false), isArgument);
  assert.throws(() => delimiterCodec("x".repeat(65), false), isArgument);
  assert.equal(delimiterCodec("x".repeat(64), false).maxOverheadBytes, 64);
  const prefix: string = "u24";
  assert.throws(() => lengthPrefixCodec(prefix as "u16", false), isArgument);
});

test("equal framings are one codec, so that a prepared message is encoded once", () => {
  assert.equal(delimiterCodec("\0", true), delimiterCodec(Buffer.of(0), true));
  assert.notEqual(delimiterCodec("\0", true), delimiterCodec("\0", false));
  assert.equal(lengthPrefixCodec("u16", true), lengthPrefixCodec("u16", true));
});
