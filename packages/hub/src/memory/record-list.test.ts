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

function listed(list: RecordList, owner: number): number[] {
  const refs: number[] = [];
  for (let ref = list.oldest(owner); ref !== 0; ref = list.newer(ref)) refs.push(ref);
  return refs;
}

test("records are given by how long ago they were used, whatever is touched and removed", () => {
  const { list, owner, refs } = make(5);
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = refs;
  for (const ref of [a, b, c]) list.add(owner, ref);
  for (const ref of [d, e]) list.add(0, ref); // Nobody's.
  list.touch(owner, a);
  list.touch(owner, a);
  assert.deepEqual(listed(list, owner), [b, c, a]);
  list.remove(owner, c);
  list.add(owner, c);
  assert.deepEqual(listed(list, owner), [b, a, c]);
  assert.deepEqual(listed(list, 0), [d, e]);
  for (const ref of [a, b, c]) list.remove(owner, ref);
  assert.deepEqual(listed(list, owner), []);
  list.add(owner, b);
  assert.deepEqual(listed(list, owner), [b]);
});
