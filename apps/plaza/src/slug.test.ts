import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { channelOf, isSlug, slugOf, slugOfHash, TITLE_LENGTH } from "./slug.ts";

test("a title becomes lower-case letters, digits and single hyphens", () => {
  assert.equal(slugOf("Café del Centro"), "cafe-del-centro");
  assert.equal(slugOf("  --  100 % fun!! "), "100-fun");
  assert.equal(slugOf("x".repeat(TITLE_LENGTH + 1)), "x".repeat(TITLE_LENGTH));
});

test("a title without any such letter gets the same name on every machine, and another title another one", () => {
  assert.equal(slugOf("日本語"), slugOf(" 日本語 "));
  assert.notEqual(slugOf("日本語"), slugOf("한국어"));
  assert.match(slugOf("日本語") ?? "", /^sala-[a-z0-9]+$/);
});

test("nothing has no address", () => {
  assert.equal(slugOf("  \t "), undefined);
});

test("whatever is typed, the result is an address and its own slug", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1 }), (title) => {
      const slug = slugOf(title);
      if (slug === undefined) return assert.equal(title.trim(), "");
      assert.ok(isSlug(slug), slug);
      assert.equal(slugOf(slug), slug);
    }),
  );
});

test("the hash of an address names a room only if it could be one", () => {
  assert.equal(slugOfHash("#help"), "help");
  assert.equal(slugOfHash("#/Help"), "help");
  for (const hash of ["", "#", "#_rooms", "#a b", "#a--b", "#../x", `#${"x".repeat(TITLE_LENGTH + 1)}`]) {
    assert.equal(slugOfHash(hash), undefined, hash);
  }
});

test("a room is a channel of the namespace plaza", () => {
  assert.equal(channelOf("general"), "plaza:general");
});
