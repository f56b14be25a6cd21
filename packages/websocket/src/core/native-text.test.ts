import assert from "node:assert/strict";
import { test } from "node:test";
import { asciiText, plain, utf8Text, writeUtf8 } from "./native-text.ts";

const texts = ["", "a", "hola", "ñandú €", "\u{1f600}", "a\ud800b", "x".repeat(70_000), "ñ€".repeat(300_000)];

test("text is written and read as by the documented methods", () => {
  for (const text of texts) {
    const length = Buffer.byteLength(text);
    for (const at of [0, 3]) {
      for (const room of [length, length * 3, Math.max(0, length - 1)]) {
        const bytes = Buffer.alloc(at + room + 2, 0x2e);
        const expected = Buffer.from(bytes);
        assert.equal(writeUtf8(bytes, text, at, room), plain.write(expected, text, at, room));
        assert.ok(bytes.equals(expected));
      }
    }
    const bytes = Buffer.from(`..${text}..`);
    const end = 2 + length;
    assert.equal(utf8Text(bytes, 2, end), plain.utf8(bytes, 2, end));
    if (length === text.length) assert.equal(asciiText(bytes, 2, end), text);
  }
});
