import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Printer, shapeFor } from "./shape.ts";

const flags = { maxMessage: 1_000_000 } as const;

/** All that is written for these portions. */
function printed(printer: Printer, portions: readonly (Uint8Array | string)[]): string {
  const written = portions.map((portion) => printer.print(portion));
  return Buffer.concat([...written, printer.end()]).toString("latin1");
}

const SAID = Buffer.from("é\x1b[2J👩‍🚀\u202e\ttab\r\nline\rover\x9b\x00\r");
const SHOWN = Buffer.from(
  `é${String.raw`\x1b[2J`}👩‍🚀${String.raw`\u202e`}\ttab\nline${String.raw`\rover\x9b\x00\r`}`,
).toString("latin1");

test("a stream is shown the same on a terminal wherever it is cut", () => {
  assert.equal(printed(new Printer(shapeFor("tcp", flags, true)), [SAID]), SHOWN);
  const bytewise = Array.from(SAID, (byte) => Uint8Array.of(byte));
  assert.equal(printed(new Printer(shapeFor("tcp", flags, true)), bytewise), SHOWN);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.nat({ max: 50 }), (said, at) => {
      const bytes = Buffer.from(said);
      const whole = printed(new Printer(shapeFor("tcp", flags, true)), [bytes]);
      const halves = [bytes.subarray(0, at), bytes.subarray(at)];
      assert.equal(printed(new Printer(shapeFor("tcp", flags, true)), halves), whole);
    }),
  );
});

test("of no bytes a terminal gets anything to obey but line ends and tabs", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 }), (portions) => {
      const shown = Buffer.from(printed(new Printer(shapeFor("tcp", flags, true)), portions), "latin1");
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(shown.toString(), /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
    }),
  );
});

test("what is no UTF-8 is shown as U+FFFD on a terminal, a lone byte of C1 among it", () => {
  const printer = new Printer(shapeFor("tcp", flags, true));
  const shown = printed(printer, [Uint8Array.of(0x9b, 0x61, 0xc3)]);
  assert.equal(Buffer.from(shown, "latin1").toString(), "\ufffda\ufffd");
});

test("a byte order mark is shown on a terminal, at the very beginning as anywhere", () => {
  const shown = printed(new Printer(shapeFor("tcp", flags, true)), ["\ufeffa\ufeff"]);
  assert.equal(shown, "\\ufeffa\\ufeff");
});

test("messages are lines on a terminal, and each is whole", () => {
  const printer = new Printer(shapeFor("ws", flags, true));
  const shown = printed(printer, ["a\x1b[2J\rb", "c\nd", Uint8Array.of(0xc3), Uint8Array.of(0xa9)]);
  assert.equal(Buffer.from(shown, "latin1").toString(), "a\\x1b[2J\\rb\nc\nd\n\ufffd\n\ufffd\n");
});

test("elsewhere, and with --raw, every byte is as it came", () => {
  for (const shape of [shapeFor("tcp", flags, false), shapeFor("tcp", { ...flags, raw: true }, true)]) {
    const written = printed(new Printer(shape), [SAID, Uint8Array.of(0x9b, 0xff)]);
    assert.equal(written, `${SAID.toString("latin1")}\x9b\xff`);
  }
  for (const shape of [shapeFor("ws", flags, false), shapeFor("ws", { ...flags, raw: true }, true)]) {
    assert.equal(printed(new Printer(shape), ["\x1b[2J"]), "\x1b[2J\n");
  }
});

test("--hex is digits everywhere", () => {
  const printer = new Printer(shapeFor("tcp", { ...flags, hex: true }, true));
  assert.equal(printed(printer, [Uint8Array.of(0x1b, 0x5b)]), "1b 5b\n");
});
