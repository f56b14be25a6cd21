import assert from "node:assert/strict";
import { test } from "node:test";
import { Content, NONE, sizeOf } from "./content.ts";

const TEXTS = [
  "",
  "a",
  "hola",
  "\0",
  "\x7f",
  "é",
  `${"a".repeat(999)}漢`,
  "😀",
  "\ud800",
  "\udc00\ud800",
  "x".repeat(100_000),
  "ñ".repeat(70_001),
];

test("texts are taken as they were put, in their order, whatever is in them", () => {
  const from = new Content();
  const to = new Content();
  for (const shift of TEXTS.keys()) {
    const texts = [...TEXTS.slice(shift), undefined, ...TEXTS.slice(0, shift)];
    from.clear();
    const codes = texts.map((text) => from.put(text));
    to.expect(from.length);
    to.words.set(from.words.subarray(0, (from.length + 3) >> 2));
    for (const [index, text] of texts.entries()) assert.equal(to.take(codes[index] ?? NONE), text);
  }
});

test("plain text takes a byte a character, any other two, and counts as UTF-8", () => {
  const content = new Content();
  for (const text of TEXTS) {
    const size = sizeOf(content.clear().put(text));
    const utf8Length = Buffer.byteLength(text);
    const expected = utf8Length === text.length ? text.length : text.length * 2;
    assert.deepEqual([size, content.length], [expected, expected]);
    assert.equal(content.utf8Length, utf8Length);
  }
});

test("what is no text is refused", () => {
  for (const each of [7, null, {}, ["a"]]) {
    assert.throws(() => new Content().put(each as never), TypeError);
  }
});
