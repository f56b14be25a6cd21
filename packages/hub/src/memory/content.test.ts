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
  // At and past the length up to which the package writes texts itself.
  "s".repeat(48),
  "s".repeat(49),
  `${"s".repeat(47)}é`,
  `${"s".repeat(48)}é`,
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

test("bytes are taken as they were put, between texts that look the same, and are nobody else's", () => {
  const content = new Content();
  for (const size of [0, 1, 3, 4, 255, 70_001]) {
    const mine = Uint8Array.from({ length: size }, (_, at) => at % 256);
    const copy = mine.slice();
    content.clear();
    const codes = ["漢", mine, "abc"].map((each) => content.put(each));
    assert.equal(content.utf8Length, 3 + size + 3);
    mine.fill(7);
    const { length } = content;
    content.expect(length);
    const taken = codes.map((code) => content.take(code));
    content.clear().put("x".repeat(length));
    assert.deepEqual(taken, ["漢", copy, "abc"]);
  }
});

test("what is neither text nor bytes is refused", () => {
  for (const each of [7, null, {}, ["a"], new ArrayBuffer(3), new Int32Array(1)]) {
    assert.throws(() => new Content().put(each as never), TypeError);
  }
});
