import assert from "node:assert/strict";
import { test } from "node:test";
import { Cells, HEAD } from "./cells.ts";
import { Content } from "./content.ts";
import { RecordList } from "./record-list.ts";

function make(count: number): { list: RecordList; owner: number; refs: number[] } {
  const cells = new Cells();
  const { fields } = HEAD;
  const list = new RecordList(cells, {
    older: fields,
    newer: fields + 1,
    oldest: fields + 2,
    newest: fields + 3,
  });
  const add = (): number => cells.add(fields + 4, new Content());
  return { list, owner: add(), refs: Array.from({ length: count }, add) };
}

test("records are given by how long ago they were used, whatever is touched and removed", () => {
  const { list, owner, refs } = make(5);
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = refs;
  for (const ref of [a, b, c]) list.add(owner, ref);
  for (const ref of [d, e]) list.add(0, ref); // Nobody's.
  list.touch(owner, a);
  list.touch(owner, a);
  assert.deepEqual([...list.of(owner)], [b, c, a]);
  list.remove(owner, c);
  list.add(owner, c);
  assert.deepEqual([...list.of(owner)], [b, a, c]);
  assert.deepEqual([...list.of(0)], [d, e]);
  for (const ref of [a, b, c]) list.remove(owner, ref);
  assert.deepEqual([...list.of(owner)], []);
  list.add(owner, b);
  assert.deepEqual([...list.of(owner)], [b]);
});

test("the current one may be removed on the way, and put at the end", () => {
  const { list, owner, refs } = make(4);
  for (const ref of refs) list.add(owner, ref);
  const seen: number[] = [];
  for (const ref of list.of(owner)) {
    seen.push(ref);
    list.remove(owner, ref);
    if (seen.length === 1) list.add(owner, ref);
  }
  assert.deepEqual(seen, [...refs, refs[0]]);
  assert.deepEqual([...list.of(owner)], []);
});
