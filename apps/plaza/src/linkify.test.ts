import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LINK_LIMIT, linkify } from "./linkify.ts";

const links = (text: string) =>
  linkify(text)
    .filter((piece) => piece.kind === "link")
    .map((piece) => piece.text);

test("http and https addresses are links, nothing else is", () => {
  assert.deepEqual(links("see http://a.example and HTTPS://B.example/x?y=1#z"), [
    "http://a.example",
    "HTTPS://B.example/x?y=1#z",
  ]);
  for (const text of [
    "javascript:alert(1)",
    "data:text/html,x",
    "ftp://a.example",
    "www.a.example",
    "http://",
  ]) {
    assert.deepEqual(links(text), [], text);
  }
});

test("the punctuation of the sentence stays outside", () => {
  assert.deepEqual(links("Go to https://a.example/x."), ["https://a.example/x"]);
  assert.deepEqual(links("(https://a.example/x), really?!"), ["https://a.example/x"]);
  assert.deepEqual(links("'https://a.example/x'…"), ["https://a.example/x"]);
});

test("a bracket that the address opened belongs to it", () => {
  assert.deepEqual(links("(https://a.example/wiki/Plaza_(square))"), [
    "https://a.example/wiki/Plaza_(square)",
  ]);
  assert.deepEqual(links("https://a.example/[x]"), ["https://a.example/[x]"]);
});

test("an address cannot carry markup out of itself", () => {
  assert.deepEqual(linkify('https://a.example/"onmouseover=alert(1)<b>'), [
    { kind: "link", text: "https://a.example/", href: "https://a.example/" },
    { kind: "text", text: '"onmouseover=alert(1)<b>' },
  ]);
});

test("an address has no character that would show it as another", () => {
  assert.deepEqual(links("https://evil.example/\u202emoc.knab//:sptth"), ["https://evil.example/"]);
  assert.deepEqual(links("\u2067https://a.example/x\u2069"), ["https://a.example/x"]);
});

test("a message has a bounded number of links", () => {
  const address = "https://a.example/ ";
  assert.equal(links(address.repeat(LINK_LIMIT)).length, LINK_LIMIT);
  assert.equal(links(address.repeat(LINK_LIMIT + 1)).length, LINK_LIMIT);
});

test("the pieces together are the message, and every href is http or https", () => {
  const bit = fc.constantFrom(
    "http://",
    "https://",
    "a.example",
    ".",
    ")",
    "(",
    " ",
    "@",
    "[::1]",
    "x",
    "\n",
    "é",
  );
  const message = fc.oneof(
    fc.array(bit).map((bits) => bits.join("")),
    fc.string(),
  );
  fc.assert(
    fc.property(message, (text) => {
      const pieces = linkify(text);
      assert.equal(pieces.map((piece) => piece.text).join(""), text);
      for (const piece of pieces) {
        if (piece.kind === "link") assert.match(piece.href, /^https?:\/\//);
      }
    }),
  );
});
