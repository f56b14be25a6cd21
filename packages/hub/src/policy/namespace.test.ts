import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS, ProtocolError } from "@zocalo/protocol";
import { allows, Namespaces } from "./namespace.ts";

const user = { user: "ana", isGuest: false };
const guest = { user: "guest-1", isGuest: true };

test("a namespace is what stands before the first colon", () => {
  const namespaces = new Namespaces({ plaza: {} });
  for (const channel of ["plaza", "plaza:a", "plaza:a:b"]) assert.equal(namespaces.of(channel).name, "plaza");
  for (const channel of ["plazas:a", "a:plaza", "__proto__", "constructor:x"]) {
    assert.throws(
      () => namespaces.of(channel),
      (error) => error instanceof ProtocolError && error.code === "unknown_channel",
    );
  }
});

test("where nothing is said, nobody may do anything", () => {
  const { subscribe, publish, presence, retention, maxDataLength } = new Namespaces({ plaza: {} }).of(
    "plaza",
  );
  assert.deepEqual([subscribe, publish, presence], ["nobody", "nobody", false]);
  assert.deepEqual(retention, {
    publications: 1_000,
    bytes: 1_048_576,
    ttlMs: 86_400_000,
    keyMs: 300_000,
  });
  assert.equal(maxDataLength, LIMITS.dataLength);
});

test("permissions are asked of the identity", async () => {
  assert.equal(allows("anyone", guest, "c:1"), true);
  assert.equal(allows("users", guest, "c:1"), false);
  assert.equal(allows("users", user, "c:1"), true);
  assert.equal(allows("nobody", user, "c:1"), false);
  assert.equal(
    await allows(async (who, channel) => who.user === "ana" && channel === "c:1", user, "c:1"),
    true,
  );
});

test("what cannot be is refused by name, value and what is allowed", () => {
  assert.throws(() => new Namespaces({ "a:b": {} }), /"a:b" is no name/);
  assert.throws(
    () => new Namespaces({ plaza: { history: { bytes: -1 } } }),
    /namespaces\.plaza\.history\.bytes -1 is not a whole number from 0 to /,
  );
  assert.throws(
    () => new Namespaces({ plaza: { maxDataLength: LIMITS.largestDataLength + 1 } }),
    /maxDataLength 1048577 is not a whole number from 1 to 1048576/,
  );
  assert.throws(() => new Namespaces({ plaza: { history: { ttlMs: Number.NaN } } }), /ttlMs NaN is not/);
});

test("of large publications fewer are read at once: 3 MiB of text at most", () => {
  const pageOf = (maxDataLength: number) => new Namespaces({ plaza: { maxDataLength } }).of("plaza").pageSize;
  assert.deepEqual([1, 49_152, 49_153, 1_048_576].map(pageOf), [64, 64, 63, 3]);
});
