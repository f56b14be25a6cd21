import assert from "node:assert/strict";
import { test } from "node:test";
import { ENGLISH, localeOf, SPANISH } from "./words.ts";

test("the page speaks the first of the reader's languages that it knows, else English", () => {
  assert.equal(localeOf(["es-MX", "en"]), "es-MX");
  assert.equal(localeOf(["de", "ES"]), "ES");
  assert.equal(localeOf(["en-GB", "es"]), "en-GB");
  assert.equal(localeOf(["est", "enm"]), "en");
  assert.equal(localeOf([]), "en");
});

test("nothing is left in English", () => {
  const same = Object.entries(ENGLISH).filter(
    ([name, text]) => typeof text === "string" && text === SPANISH[name as keyof typeof ENGLISH],
  );
  assert.deepEqual(same, []);
});
