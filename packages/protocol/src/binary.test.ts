import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  BINARY_SUBPROTOCOL,
  decodeBinaryCommand,
  decodeBinaryMessage,
  encodeBinaryCommand,
  encodeBinaryMessage,
  encodeBinaryPublication,
  isBinaryStart,
  toBinaryMessage,
  toJsonMessage,
} from "./binary.ts";
import { MEMBERS, TYPES } from "./binary-members.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { anyCommand, anyServerMessage } from "../test/any-message.ts";
import { decodeServerMessage, encodeCommand, encodePublication, encodeServerMessage } from "./codec.ts";
import { decodeCommand } from "./command.ts";
import { ProtocolError } from "./error.ts";
import { LIMITS } from "./limits.ts";

const MOST = LIMITS.commandBytes;
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));

function isBad(code: ProtocolError["code"], id?: number) {
  return (error: unknown) => error instanceof ProtocolError && error.code === code && error.id === id;
}

describe("the binary form", () => {
  it("carries every command as JSON does", () => {
    fc.assert(
      fc.property(anyCommand, (command) => {
        const bytes = encodeBinaryCommand(command);
        assert.deepEqual(decodeBinaryCommand(bytes, 1e6), decodeCommand(encodeCommand(command), 1e6));
      }),
    );
  });

  it("carries every server message as JSON does", () => {
    fc.assert(
      fc.property(anyServerMessage, (message) => {
        const expected = decodeServerMessage(encodeServerMessage(message));
        assert.deepEqual(decodeBinaryMessage(encodeBinaryMessage(message)), expected);
      }),
    );
  });

  it("is made of the JSON form, too", () => {
    fc.assert(
      fc.property(anyServerMessage, (message) => {
        const text = encodeServerMessage(message);
        assert.deepEqual(toBinaryMessage(text), encodeBinaryMessage(message));
      }),
    );
    const odd = '{"n":1.0,"a":1,"a":2}';
    const page = `{"type":"history","channel":"a","epoch":"e","head":1,"oldest":1,"publications":[{"offset":1,"at":1,"user":"u","info":${odd},"data":${odd}}]}`;
    const list = `{"type":"subscribed","presence":{"version":1,"users":[{"user":"u","connections":1},{"user":"v","info":${odd},"connections":1}]}}`;
    assert.equal(Buffer.from(toBinaryMessage(page)).toString("latin1").split(odd).length, 3);
    assert.ok(Buffer.from(toBinaryMessage(list)).includes(odd));
  });

  it("gives the JSON form back", () => {
    fc.assert(
      fc.property(anyServerMessage, (message) => {
        const text = toJsonMessage(encodeBinaryMessage(message)) ?? "";
        assert.deepEqual(decodeServerMessage(text), decodeServerMessage(encodeServerMessage(message)));
      }),
    );
    fc.assert(
      fc.property(anyCommand, (command) => {
        const text = encodeCommand(command);
        assert.deepEqual(toBinaryMessage(text), encodeBinaryCommand(command));
      }),
    );
    const odd = '{"type":"publication","channel":"a","data":{"n":1.0,"a":1,"a":2}}';
    assert.equal(toJsonMessage(toBinaryMessage(odd)), odd);
  });

  it("passes on what was received as it came", () => {
    const text = '{"type":"publish","channel":"a","data":{"n":1688888483063664642,"z":-0,"a":1,"a":2}}';
    const received = decodeCommand(text);
    assert.deepEqual(decodeBinaryCommand(encodeBinaryCommand(received), MOST), received);
    const [info, data] = ['{"n":1.0}', "1e400"];
    const stored = { offset: 1, at: 2, user: "ana", info, data };
    const bytes = encodeBinaryPublication("a:b", stored);
    assert.deepEqual(decodeBinaryMessage(bytes), decodeServerMessage(encodePublication("a:b", stored)));
    assert.ok(Buffer.from(bytes).includes(info), "the text of info, too");
  });

  it("carries bytes as they are, which JSON has in base64", () => {
    const data = hex("00 ff 80 0a");
    const stored = { offset: 1, at: 2, user: "ana", data };
    const bytes = encodeBinaryPublication("doc:x", stored);
    assert.ok(Buffer.from(bytes).includes(Buffer.from(data)));
    assert.match(encodePublication("doc:x", stored), /"bytes":"AP\+ACg=="/);
    for (const read of [
      decodeBinaryMessage(bytes),
      decodeServerMessage(encodePublication("doc:x", stored)),
    ]) {
      assert.ok(read?.type === "publication");
      assert.deepEqual(new Uint8Array(read.data as Uint8Array), data);
    }
  });

  it("has the bytes that its page says", () => {
    assert.deepEqual(encodeBinaryCommand({ type: "ping", id: 300 }), hex("87 03 02 ac 02"));
    const publish = { type: "publish", channel: "doc:x", data: hex("00 ff") } as const;
    assert.deepEqual(encodeBinaryCommand(publish), hex("84 0b 05 05 64 6f 63 3a 78 0d 02 00 ff"));
    const page = readFileSync(new URL("../../../docs/protocol-binary.md", import.meta.url), "utf8");
    assert.ok(page.includes(BINARY_SUBPROTOCOL));
    const types = [...page.matchAll(/\| (\d+) `(\w+)`/g)].map(([, number, name]) => [name, Number(number)]);
    assert.deepEqual(Object.fromEntries(types), TYPES);
    const members = [...page.matchAll(/\| (\d+) \| `(\w+)` \|/g)].map(([, number, name]) => [
      name,
      Number(number),
    ]);
    const numbers = Object.entries(MEMBERS).map(([name, { number }]) => [name, number]);
    assert.deepEqual(Object.fromEntries(members), Object.fromEntries(numbers));
    assert.equal(new Set(Object.values(TYPES)).size, Object.keys(TYPES).length);
    assert.equal(new Set(numbers.map(([, number]) => number)).size, numbers.length);
  });

  it("carries a page of both JSON and bytes, as a log has where its namespace was changed", () => {
    const entry = { offset: 1, at: 2, user: "ana" };
    const page = {
      type: "history",
      channel: "doc:x",
      epoch: "e",
      head: 3,
      oldest: 1,
      publications: [
        { ...entry, data: hex("00 ff") },
        { ...entry, data: [1] },
        { ...entry, data: hex("") },
      ],
    } as const;
    const text = encodeServerMessage(page);
    for (const read of [
      decodeServerMessage(text),
      decodeBinaryMessage(encodeBinaryMessage(page)),
      decodeBinaryMessage(toBinaryMessage(text)),
    ]) {
      assert.ok(read?.type === "history");
      assert.deepEqual(
        read.publications.map(({ data, json }) => [data, json]),
        [
          [hex("00 ff"), ""],
          [[1], "[1]"],
          [hex(""), ""],
        ],
      );
    }
  });

  it("has 0 for a time before 1970", () => {
    const bytes = encodeBinaryPublication("a", { offset: 1, at: -5, user: "ana", data: "1" });
    assert.match(toJsonMessage(bytes) ?? "", /"at":0,/);
  });

  it("begins as no text in UTF-8 does", () => {
    for (const number of Object.values(TYPES)) assert.ok(isBinaryStart(0x80 + number));
    for (const text of ["{", " ", "\n", "\uFEFF", "é", "P"])
      assert.ok(!isBinaryStart(Buffer.from(text)[0] ?? 0));
  });

  it("has the type of a message before its members only", () => {
    const twice = hex("87 06 53 04 70 6f 6e 67");
    assert.deepEqual(decodeBinaryCommand(twice, MOST), { type: "ping" });
    assert.equal(toJsonMessage(twice), '{"type":"ping"}');
  });

  it("passes over members and messages of later versions", () => {
    const later = hex("87 0a 02 07 d0 0f 05 d1 0f 02 ff ff");
    assert.deepEqual(decodeBinaryCommand(later, MOST), { type: "ping", id: 7 });
    assert.equal(decodeBinaryMessage(hex("bf 00")), undefined);
    assert.throws(() => decodeBinaryCommand(hex("bf 02 02 09"), MOST), isBad("unknown_command", 9));
  });

  for (const [name, bytes] of [
    ["nothing", ""],
    ["a text", "7b 7d"],
    ["no length", "87"],
    ["less than its length", "87 03 02 07"],
    ["more than its length", "87 02 02 07 00"],
    ["a length past all memory", "87 ff ff ff ff ff ff ff 0f"],
    ["a length of 2^53", "87 80 80 80 80 80 80 80 10"],
    ["a length in more bytes than it takes", "87 82 00 02 07"],
    ["a member past all memory", "87 09 1b ff ff ff ff ff ff ff 0f"],
    ["a key past 2^53", "87 09 80 80 80 80 80 80 80 10 00"],
    ["data beside bytes", "84 09 05 01 61 0b 01 31 0d 01 00"],
    ["a member longer than the message", "87 03 1b 7f 61"],
    ["a number of nine bytes", "87 0a 02 80 80 80 80 80 80 80 80 01"],
    ["a number past 2^53", "87 09 02 80 80 80 80 80 80 80 10"],
    ["a number in more bytes than it takes", "87 03 02 87 00"],
    ["a key without a value", "87 01 02"],
    ["a text that is not UTF-8", "83 03 05 01 ff"],
    ["data that is not JSON", "84 06 05 01 61 0b 01 7b"],
    ["a flag of two", "82 05 05 01 61 24 02"],
    ["a channel as a number", "83 02 04 01"],
    ["no id", "87 02 02 00"],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.throws(() => decodeBinaryCommand(hex(bytes), MOST), isBad("bad_command"));
      decodeBinaryMessage(hex(bytes)); // does not throw
    });
  }

  it("refuses what is past the limit, or nests too deep, in itself or in its JSON", () => {
    const padded = (length: number) => {
      const writer = new ByteWriter();
      writer.byte(0x87);
      writer.run(new Uint8Array([0xd1, 0x0f, ...lengthOf(length), ...new Uint8Array(length)]));
      return writer.taken();
    };
    const command = padded(1_000);
    assert.equal(decodeBinaryCommand(command, command.length).type, "ping");
    assert.throws(() => decodeBinaryCommand(command, command.length - 1), isBad("too_large"));
    let since: Uint8Array = new Uint8Array();
    for (let depth = 0; depth < 10_000; depth++) {
      const writer = new ByteWriter();
      writer.number(2 * MEMBERS.since.number + 1);
      writer.run(since);
      since = writer.taken();
    }
    const writer = new ByteWriter();
    writer.byte(0x82);
    writer.run(since);
    assert.throws(() => decodeBinaryCommand(writer.taken(), 1e6), isBad("bad_command"));
    const nested = (depth: number) => JSON.parse("[".repeat(depth) + "]".repeat(depth)) as [];
    const publish = (depth: number) =>
      encodeBinaryCommand({ type: "publish", channel: "a", data: nested(depth) });
    assert.equal(decodeBinaryCommand(publish(64), MOST).type, "publish");
    assert.throws(() => decodeBinaryCommand(publish(65), MOST), isBad("bad_command"));
  });

  it("has spaces for CR and LF between values of JSON", () => {
    const command = { type: "publish", channel: "a", data: [1], json: "[\r\n1]" } as const;
    const read = decodeBinaryCommand(encodeBinaryCommand(command), MOST);
    assert.ok(read.type === "publish");
    assert.equal(read.json, "[  1]");
  });

  it("carries JSON without the space around it, as JSON does", () => {
    const publish = { type: "publish", channel: "a", data: [1], json: "\r\n [ 1 ]\t\n" } as const;
    const read = decodeBinaryCommand(encodeBinaryCommand(publish), MOST);
    assert.ok(read.type === "publish");
    assert.equal(read.json, "[ 1 ]");
    const connect = { type: "connect", info: {}, infoJson: ' {"a":1} ' } as const;
    const begun = decodeBinaryCommand(encodeBinaryCommand(connect), MOST);
    assert.ok(begun.type === "connect");
    assert.equal(begun.infoJson, '{"a":1}');
  });

  it("says which command it was whose data is not JSON", () => {
    const publish = { type: "publish", id: 7, channel: "a", data: 1, json: "[1" } as const;
    const bytes = encodeBinaryCommand(publish);
    assert.throws(() => decodeBinaryCommand(bytes, MOST), isBad("bad_command", 7));
  });

  it("answers any bytes with a message or a ProtocolError", () => {
    const take = (bytes: Uint8Array): void => {
      decodeBinaryMessage(bytes);
      toJsonMessage(bytes);
      try {
        decodeBinaryCommand(bytes, MOST);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), take), { numRuns: 2_000 });
    const inside = fc.tuple(fc.constantFrom(...Object.values(TYPES)), fc.uint8Array({ maxLength: 120 }));
    fc.assert(
      fc.property(inside, ([type, members]) => {
        const writer = new ByteWriter();
        writer.byte(0x80 + type);
        writer.run(members);
        take(writer.taken());
      }),
      { numRuns: 5_000 },
    );
    const broken = fc.tuple(
      fc.oneof(anyCommand.map(encodeBinaryCommand), anyServerMessage.map(encodeBinaryMessage)),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.nat(),
    );
    fc.assert(
      fc.property(broken, ([bytes, changes, cut]) => {
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        take(bytes);
        take(bytes.subarray(0, cut % (bytes.length + 1)));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("numbers", () => {
  it("take as many bytes as they need, and come back", () => {
    const whole = fc.oneof(fc.maxSafeNat(), fc.nat(300));
    fc.assert(
      fc.property(whole, (value) => {
        const bytes = lengthOf(value);
        assert.equal(bytes.length, Math.max(1, Math.ceil(value.toString(2).length / 7)));
        const reader = new ByteReader(bytes);
        assert.equal(reader.number(), value);
        assert.ok(reader.isAtEnd);
      }),
    );
    for (const value of [-1, 1.5, 2 ** 53, Number.NaN]) assert.throws(() => lengthOf(value), RangeError);
  });
});

function lengthOf(value: number): Uint8Array {
  const writer = new ByteWriter();
  writer.number(value);
  return writer.taken();
}
