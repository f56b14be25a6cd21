import assert from "node:assert/strict";
import { test } from "node:test";
import { UsedTickets } from "./ticket.ts";

test("as many used tickets are remembered as allowed, and with one more the oldest is forgotten", () => {
  const used = new UsedTickets(3);
  assert.deepEqual(
    ["a", "b", "c"].map((id) => used.take(id)),
    [true, true, true],
  );
  assert.deepEqual(
    ["a", "b", "c"].map((id) => used.take(id)),
    [false, false, false],
  );
  assert.equal(used.take("d"), true);
  assert.deepEqual(
    ["b", "c", "d"].map((id) => used.take(id)),
    [false, false, false],
  );
  assert.equal(used.take("a"), true);
});
