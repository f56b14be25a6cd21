import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Recency, type RecencyEntry } from "./recency.ts";

test("keeps the order of use, whatever is added, used and removed", () => {
  const step = fc.record({ act: fc.constantFrom("add", "touch", "remove"), at: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const recency = new Recency<number>();
      const model: RecencyEntry<number>[] = [];
      for (const [index, { act, at }] of steps.entries()) {
        const entry = model[at % Math.max(1, model.length)];
        if (act === "add") model.push(recency.add(index));
        else if (entry) {
          model.splice(model.indexOf(entry), 1);
          if (act === "remove") recency.remove(entry);
          else {
            recency.touch(entry);
            model.push(entry);
          }
        }
        assert.deepEqual(
          [...recency],
          model.map(({ value }) => value),
        );
      }
    }),
  );
});

test("what is looked at may be removed meanwhile", () => {
  const recency = new Recency<RecencyEntry<string>[]>();
  const seen: RecencyEntry<string>[][] = [];
  const entries = [0, 1, 2].map(() => recency.add([]));
  for (const value of recency) {
    seen.push(value);
    for (const entry of entries) if (entry.value === value) recency.remove(entry);
  }
  assert.equal(seen.length, 3);
  assert.deepEqual([...recency], []);
});
