import assert from "node:assert/strict";
import { test } from "node:test";
import { CELL_COST, Cells, HEAD } from "./cells.ts";
import { Content } from "./content.ts";

const FROM = HEAD.fields + 6;

test("records keep what they were given, whatever is removed, and what they take is what is counted", () => {
  const cells = new Cells();
  const content = new Content();
  const kept = new Map<number, { text: string; code: number; number: number }>();
  let most = 0;
  for (let number = 0; number < 30_000; number++) {
    const text = `${number} ñ`.padEnd(5 + ((number * 7_919) % 900), "·");
    const code = content.clear().put(text);
    const ref = cells.add(FROM, content);
    assert.ok(!kept.has(ref));
    for (let at: number = HEAD.fields; at < FROM; at++) assert.equal(cells.word(ref, at), 0);
    cells.setNumber(ref, HEAD.fields, number + 0.5);
    cells.setWord(ref, HEAD.fields + 2, -number);
    kept.set(ref, { text, code, number });
    // In no order: some stay for long.
    for (const [ref, { number: victim }] of kept) {
      if (kept.size <= 500) break;
      if (victim % 97 === 0 && number - victim < 10_000) continue;
      kept.delete(ref);
      cells.remove(ref);
    }
    most = Math.max(most, ...(number % 1_000 === 0 ? kept.keys() : []));
  }
  let bytes = 0;
  for (const [ref, { text, code, number }] of kept) {
    assert.equal(cells.number(ref, HEAD.fields), number + 0.5);
    assert.equal(cells.word(ref, HEAD.fields + 2), -number);
    content.clear().put(text);
    assert.ok(cells.holds(ref, FROM, content));
    cells.read(ref, FROM, content.expect(text.length * 2));
    assert.equal(content.take(code), text);
    assert.equal(cells.cost(ref), CELL_COST * (1 + Math.ceil(Math.max(0, text.length * 2 - 88) / 124)));
    bytes += cells.cost(ref);
  }
  assert.equal(cells.bytes, bytes);
  assert.ok(most < 20_000, `${most}`); // Cells are used again: else there were 250,000.
  for (const ref of kept.keys()) cells.remove(ref);
  assert.equal(cells.bytes, 0);
});

test("a content that ends where a cell does, and one past it", () => {
  const cells = new Cells();
  const content = new Content();
  for (const [length, count] of [
    [0, 1],
    [88, 1],
    [89, 2],
    [88 + 124, 2],
    [88 + 125, 3],
  ] as const) {
    const code = content.clear().put("z".repeat(length));
    const ref = cells.add(FROM, content);
    assert.equal(cells.cost(ref), count * CELL_COST);
    cells.read(ref, FROM, content.expect(length));
    assert.equal(content.take(code), "z".repeat(length));
    content.clear().put(`${"z".repeat(Math.max(0, length - 1))}y`);
    assert.ok(length === 0 || !cells.holds(ref, FROM, content));
  }
});
