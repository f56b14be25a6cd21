import assert from "node:assert/strict";
import { test } from "node:test";
import { Cells } from "./cells.ts";
import { AFTER_NAME, Names } from "./names.ts";

test("each name is found, of each record, and none that was removed or never was", () => {
  const cells = new Cells();
  const names = new Names(cells, AFTER_NAME + 1, AFTER_NAME);
  const refs = new Map<string, number>();
  for (let number = 0; number < 20_000; number++) {
    const of = number % 3;
    refs.set(`${of} name-${number >> 1}`, names.add(`name-${number >> 1}`, of));
    if (number % 4 !== 3) continue;
    const [[text, ref] = ["", 0]] = refs;
    names.remove(ref);
    refs.delete(text);
  }
  assert.equal(names.size, refs.size);
  for (let number = 0; number < 20_000; number++) {
    for (const of of [0, 1, 2]) {
      const text = `name-${number >> 1}`;
      assert.equal(names.find(text, of), refs.get(`${of} ${text}`) ?? 0, `${text} of ${of}`);
    }
  }
});

test("names that are the same bytes in another form are others", () => {
  const names = new Names(new Cells(), AFTER_NAME);
  const texts = ["ab", "扡", "\ud800", "\udc00", "", "\0", "\0\0", "é", "e\u0301"];
  const refs = texts.map((text) => names.add(text));
  for (const [index, text] of texts.entries()) assert.equal(names.find(text), refs[index]);
  assert.equal(names.find("a"), 0);
});
