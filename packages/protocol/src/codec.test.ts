import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeServerMessage, encodeEntry, encodePublication, encodeServerMessage } from "./index.ts";

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

  for (const text of [
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
