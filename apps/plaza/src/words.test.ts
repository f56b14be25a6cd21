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
  const texts = (words: object): [name: string, text: string][] =>
    Object.entries(words).flatMap(([name, text]: [string, unknown]) => {
      if (typeof text === "string") return [[name, text]];
      return typeof text === "object" && text !== null ? texts(text) : [];
    });
  const spanish = texts(SPANISH).map(([, text]) => text);
  assert.deepEqual(
    texts(ENGLISH).filter(([, text], i) => text === spanish[i]),
    [],
  );
});

test("one is one, and two are two", () => {
  assert.deepEqual([1, 2].map(SPANISH.left), ["queda 1", "quedan 2"]);
  assert.deepEqual([1, 2].map(SPANISH.tooMany), ["sobra 1", "sobran 2"]);
  assert.deepEqual(["1", "2"].map(ENGLISH.newMessages), ["1 new message", "2 new messages"]);
});
