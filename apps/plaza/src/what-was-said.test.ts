import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanName, folded, lengthOf, NAME_LENGTH, nameOf, readSaid as readSaidOf } from "./what-was-said.ts";

const readSaid = (data: unknown) => readSaidOf({ data, json: JSON.stringify(data) });
const readJson = (json: string) => readSaidOf({ data: JSON.parse(json), json }).text;

test("the text of a message is text, and markup in it stays text", () => {
  const text = "<img src=x onerror=alert(1)>";
  assert.deepEqual(readSaid({ text }), { kind: "text", text });
  assert.deepEqual(readSaid("hola"), { kind: "text", text: "hola" });
});

test("any other data is shown as JSON", () => {
  assert.deepEqual(readSaid({ text: 1 }), { kind: "json", text: '{ "text": 1 }' });
  assert.deepEqual(readSaid(null), { kind: "json", text: "null" });
  assert.deepEqual(readSaid([1, "a"]), { kind: "json", text: '[ 1, "a" ]' });
  assert.deepEqual(readSaid(0), { kind: "json", text: "0" });
});

test("JSON that does not fit on a line has one for each field", () => {
  const said = readSaid({ a: "x".repeat(20), b: "y".repeat(40) });
  assert.equal(said.text, `{\n  "a": "${"x".repeat(20)}",\n  "b": "${"y".repeat(40)}"\n}`);
  assert.equal(readSaid(["a\n  b"]).text, '[ "a\\n  b" ]', "a line break in a string is not layout");
});

test("JSON is laid out and otherwise as it came", () => {
  const texts = ["1688888483063664642", "1e400", "-0", "1.0", '"\\ud800"'];
  for (const json of texts) if (!json.startsWith('"')) assert.equal(readJson(json), json);
  for (const json of texts) assert.equal(readJson(` [${json}\t,${json}] `), `[ ${json}, ${json} ]`);
  assert.equal(readJson('{"a":1,"a":{ },"b":[ ]}'), '{ "a": 1, "a": {}, "b": [] }');
  assert.equal(readJson('["{ \\"[,:]\\\\"]'), '[ "{ \\"[,:]\\\\" ]');
  for (const value of [[], {}, [[]], [{}], { a: [] }, { a: [1, { b: null }], "c d": "x".repeat(60) }]) {
    const line = JSON.stringify(value, null, 2);
    assert.equal(readJson(JSON.stringify(value)), line.length > 60 ? line : line.replaceAll(/\n\s*/g, " "));
  }
});

test("who has no name goes by their id", () => {
  assert.equal(nameOf("guest-1", { name: "Ana" }), "Ana");
  for (const info of [
    undefined,
    null,
    {},
    { name: "" },
    { name: " \u200b " },
    { name: "\u3164\u2800" },
    { name: 7 },
    "Ana",
  ]) {
    assert.equal(nameOf("guest-1", info), "guest-1");
  }
});

test("a name has no control or direction characters, one line and a limit", () => {
  assert.equal(cleanName("  A\u202Ena\n\tMaría  "), "A na María");
  assert.equal(cleanName("x".repeat(NAME_LENGTH)), "x".repeat(NAME_LENGTH));
  assert.equal(cleanName("x".repeat(NAME_LENGTH + 1)), "x".repeat(NAME_LENGTH));
  assert.equal(cleanName("🎺".repeat(NAME_LENGTH + 1)), "🎺".repeat(NAME_LENGTH));
});

test("what joins emoji into one stays in a name, and joins nothing else", () => {
  for (const one of ["👩‍👩‍👧‍👦 Familia", "🏳️‍🌈", "👩🏽‍🚀", "🏴‍☠️"]) assert.equal(cleanName(one), one);
  assert.equal(cleanName("An\u200Da"), "An a");
  assert.equal(cleanName("🎺\u200D\u200D🎺\u200D"), "🎺 🎺");
  assert.equal(cleanName(`${"x".repeat(NAME_LENGTH - 2)}👩‍👧`), `${"x".repeat(NAME_LENGTH - 2)}👩`);
});

test("the length of a message is what people would count", () => {
  assert.equal(lengthOf("año 🎺"), 5);
});

test("a text in which there is nothing to see is shown as the JSON it is", () => {
  assert.deepEqual(readSaid({ text: "" }), { kind: "json", text: '{ "text": "" }' });
  assert.deepEqual(readSaid(""), { kind: "json", text: '""' });
  for (const text of [" ", "\n".repeat(300), "\u200b\u3164", "\u2800", "\u0007"]) {
    assert.equal(readSaid({ text }).kind, "json", JSON.stringify(text));
  }
  for (const text of [".", "🎺", "❤️"]) assert.equal(readSaid({ text }).kind, "text", text);
});

test("a long message is folded, a little too long one is not", () => {
  assert.equal(folded("x".repeat(1_279)), undefined);
  assert.deepEqual(folded("x".repeat(1_280)), {
    start: "x".repeat(1_200),
    showAll: "Show all 1,280 characters",
  });
});

test("a message of many lines is folded, one of a few too many is not", () => {
  const lines = (count: number, end = "\n") => Array.from({ length: count }, () => "a").join(end);
  assert.equal(folded(lines(19)), undefined);
  assert.deepEqual(folded(lines(20)), { start: lines(16), showAll: "Show all 20 lines" });
  for (const end of ["\n", "\r\n", "\r", "\u2028"]) {
    assert.deepEqual(folded(lines(300, end)), { start: lines(16, end), showAll: "Show all 300 lines" });
  }
  assert.equal(folded(`a${"\n".repeat(90)}b`)?.start, `a${"\n".repeat(15)}`);
});

test("a fold by lines that hides much of one line says so in characters", () => {
  const text = `${"a\n".repeat(16)}${"x".repeat(100)}`;
  assert.deepEqual(folded(text), { start: `${"a\n".repeat(15)}a`, showAll: "Show all 132 characters" });
});

test("a fold does not cut a character in half", () => {
  const text = `${"x".repeat(1_199)}${"🎺".repeat(100)}`;
  assert.deepEqual(folded(text), { start: "x".repeat(1_199), showAll: "Show all 1,299 characters" });
});
