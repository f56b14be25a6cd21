import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  checkJson,
  decodeServerMessage,
  encodeEntry,
  encodePublication,
  encodeServerMessage,
  LIMITS,
} from "./index.ts";

describe("server messages", () => {
  it("a stored publication is spliced into the same JSON as serializing it whole would give", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(),
        fc.string(),
        fc.option(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), { nil: undefined }),
        fc.jsonValue(),
        (offset, at, user, info, data) => {
          const stored = {
            offset,
            at,
            user,
            data: JSON.stringify(data),
            ...(info && { info: JSON.stringify(info) }),
          };
          const whole = { offset, at, user, ...(info && { info }), data };
          assert.equal(encodeEntry(stored), JSON.stringify(whole));
          assert.equal(
            encodePublication("plaza:general", stored),
            JSON.stringify({ type: "publication", channel: "plaza:general", ...whole }),
          );
        },
      ),
    );
  });

  it("reads what the encoder wrote", () => {
    const message = { type: "error", id: 4, code: "forbidden", message: "no" } as const;
    assert.deepEqual(decodeServerMessage(encodeServerMessage(message)), message);
  });

  it("gives the text of a publication beside its value", () => {
    const json = '{"id":1688888483063664642,"a":-0,"a":1e400}';
    const stored = { offset: 1, at: 2, user: "ana", info: '{"data":1}', data: json };
    const push = decodeServerMessage(encodePublication("a", stored));
    assert.ok(push?.type === "publication");
    assert.equal(push.json, json);
    assert.deepEqual(push.data, JSON.parse(json));
  });

  it("gives the text of each publication of a page", () => {
    const texts = ["1e400", '{"data":[1.0]}', '"]}"'];
    const entries = texts.map((data, index) => encodeEntry({ offset: index + 1, at: 2, user: "ana", data }));
    const page = decodeServerMessage(`{"type":"history","publications":[${entries.join(" ,\n")}],"head":3}`);
    assert.ok(page?.type === "history");
    assert.deepEqual(
      page.publications.map(({ json }) => json),
      texts,
    );
  });

  for (const text of [
    '{"type":"publication","channel":"a","offset":1}',
    '{"type":"history","publications":{"data":1}}',
    '{"type":"history","publications":[1]}',
    '{"type":"history","publications":[{"data":1},{"offset":2}]}',
    "",
    "nonsense",
    "[]",
    "null",
    "{}",
    '{"type":7}',
    '{"type":"later"}',
    '{"type":"toString"}',
  ]) {
    it(`ignores ${text || "an empty text"}`, () => assert.equal(decodeServerMessage(text), undefined));
  }
});

describe("the answers to a call", () => {
  it("have what JSON can say as the text that came, bytes, or nothing", () => {
    const read = (text: string) => ({ ...decodeServerMessage(text) }) as Record<string, unknown>;
    const json = '{"n":1688888483063664642}';
    assert.equal(read(`{"type":"result","id":7,"data":${json}}`)["json"], json);
    assert.deepEqual(read('{"type":"result","id":7}'), { type: "result", id: 7 });
    const bytes = new Uint8Array([0, 255]);
    const failed = { type: "failed", id: 7, code: "sold", message: "the last one", data: bytes } as const;
    const text = encodeServerMessage(failed);
    assert.equal(text, '{"type":"failed","id":7,"code":"sold","message":"the last one","bytes":"AP8="}');
    assert.deepEqual(read(text), { ...failed, json: "" });
  });
});

describe("checkJson", () => {
  it("takes JSON text", () => {
    for (const json of ["1e400", " [1]\t", '"\\ud800"', '"😀\u2028"']) checkJson(json);
    const deepest = "[".repeat(LIMITS.depth) + "]".repeat(LIMITS.depth);
    checkJson(deepest);
  });

  for (const [what, json] of [
    ["what is none", "{a:1}"],
    ["nothing", ""],
    ["two values", "1 2"],
    ["a member more", '1,"key":"k"'],
    ["a string that does not end", '"a'],
    ["a line break in a string", '"a\nb"'],
    ["what is too deep", `[${"[".repeat(LIMITS.depth)}${"]".repeat(LIMITS.depth)}]`],
    ["half of a surrogate pair", '"\ud800"'],
  ] as const) {
    it(`refuses ${what}`, () =>
      assert.throws(() => checkJson(json), { name: "ProtocolError", code: "bad_command" }));
  }
});
