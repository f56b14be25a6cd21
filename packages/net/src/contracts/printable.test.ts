import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { NetError } from "./error.ts";
import { printable, printableJson, printableLines } from "./printable.ts";

/**
 * What a terminal obeys or turns around, by number, told without the tables that the code uses (ECMA-48, UAX
 * #9, RFC 3629).
 */
const DANGEROUS: readonly (readonly [first: number, last: number])[] = [
  [0x00, 0x1f], // C0
  [0x7f, 0x9f], // DEL, C1
  [0xad, 0xad], // soft hyphen
  [0x61c, 0x61c], // Arabic letter mark
  [0x180e, 0x180e], // Mongolian vowel separator
  [0x200b, 0x200b], // zero width space
  [0x200e, 0x200f], // left-to-right and right-to-left marks
  [0x2028, 0x2029], // line and paragraph separators
  [0x202a, 0x202e], // bidirectional embeddings and overrides
  [0x2060, 0x2064], // word joiner, invisible operators
  [0x2066, 0x206f], // bidirectional isolates, deprecated format characters
  [0xd800, 0xdfff], // halves of surrogate pairs
  [0xfeff, 0xfeff], // byte order mark
  [0xfff9, 0xfffb], // interlinear annotations
  [0xe0001, 0xe0001], // language tag
  [0xe0020, 0xe007f], // tags
];

function dangerIn(text: string): string | undefined {
  return Array.from(text).find((char) => {
    const code = char.codePointAt(0) ?? 0;
    return DANGEROUS.some(([first, last]) => code >= first && code <= last);
  });
}

/**
 * Every kind of text: code points of all planes, loose halves of pairs, and what is dangerous more often than
 * chance has it.
 */
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
      fc
        .constantFrom(...DANGEROUS)
        .chain(([min, max]) => fc.integer({ min, max }))
        .map((code) => String.fromCodePoint(code)),
      fc.constantFrom("\x1b]0;pwned\x07", "\x1b[2J", "\x9b31m", "\u202eevil", "\r\n", "\\x1b", "👩‍🚀"),
    ),
  )
  .map((parts) => parts.join(""));

test("of no code point that moves a cursor or turns text around anything is left", () => {
  for (const [first, last] of DANGEROUS) {
    for (let code = first; code <= last; code++) {
      const shown = printable(`a${String.fromCodePoint(code)}b`);
      assert.match(shown, /^a\\(?:n|r|t|x[\da-f]{2}|u[\da-f]{4}|u\{[\da-f]{5}\})b$/, code.toString(16));
    }
  }
});

test("no text gets through with a control or bidirectional character", () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 0, max: 50 }), (said, maxLength) => {
      assert.equal(dangerIn(printable(said)), undefined);
      assert.equal(dangerIn(printable(said, maxLength)), undefined);
      assert.equal(dangerIn(printableLines(said).replace(/[\n\t]/g, "")), undefined);
      assert.equal(dangerIn(printableJson(JSON.stringify(said))), undefined);
    }),
  );
});

test("what is harmless stays as it is, in whatever script, with its joiners", () => {
  for (const said of [
    "hola, señor: 100 %",
    "こんにちは",
    "שלום עולם",
    "می‌خواهم",
    "👩‍🚀 🏳️‍🌈 🇲🇽",
    "é e\u0301",
    "\\x1b",
    "",
  ]) {
    assert.equal(printable(said), said);
    assert.equal(printableLines(said), said);
    assert.equal(printableJson(JSON.stringify(said)), JSON.stringify(said));
  }
});

test("what is not, can be read", () => {
  assert.equal(
    printable("\x1b]0;pwned\x07 \x9b31m\r\n\t\x7f \u202eevil\u2066 \ud83d \u{e0041}"),
    String.raw`\x1b]0;pwned\x07 \x9b31m\r\n\t\x7f \u202eevil\u2066 \ud83d \u{e0041}`,
  );
});

test("a text at the bound is shown whole, and one past it is cut with a mark", () => {
  assert.equal(printable("x".repeat(1_024)), "x".repeat(1_024));
  assert.equal(printable("x".repeat(1_025)), `${"x".repeat(1_024)}…`);
  assert.equal(printable("abc", 3), "abc");
  assert.equal(printable("abcd", 3), "abc…");
  assert.equal(printable("ab😀", 3), "ab…", "half of a pair is not shown as one");
  assert.equal(printable("\x1b".repeat(4), 3), String.raw`\x1b\x1b\x1b…`);
});

test("lines stay lines, and a carriage return that ends none is shown", () => {
  assert.equal(printableLines("a\tb\r\nc\n\rd\x1b[K\n"), "a\tb\nc\n\\rd\\x1b[K\n");
  assert.equal(printableLines("x".repeat(2_000)), "x".repeat(2_000));
});

test("JSON that has passed stands for the same value", () => {
  fc.assert(
    fc.property(text, text, (key, value) => {
      const json = JSON.stringify({ [key]: [value] });
      assert.deepEqual(JSON.parse(printableJson(json)), JSON.parse(json));
    }),
  );
});

test("an error quotes what others said so that a terminal does not obey it", () => {
  const error = new NetError({
    op: "dial",
    code: "tls",
    network: "tls",
    reason: "TLS: the names are \x1b[2J\u202e\x9b31m\nread tcp: all is well",
    cause: new Error("\x1b[2J"),
  });
  assert.equal(
    error.message,
    String.raw`dial tls: TLS: the names are \x1b[2J\u202e\x9b31m\nread tcp: all is well`,
  );
  assert.equal(`${error.op} ${error.network ?? ""}: ${error.reason}`, error.message);
  assert.equal(dangerIn((error.stack ?? "").split("\n")[0] ?? ""), undefined);
  const long = new NetError({ op: "read", code: "unknown", reason: "x".repeat(1_000_000) });
  assert.ok(long.message.length <= 1_025 && long.reason.length <= 1_025);
});
