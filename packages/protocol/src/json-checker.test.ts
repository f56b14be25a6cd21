import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import fc from "fast-check";
import { anyCommand } from "../test/any-message.ts";
import { decodeBinaryCommand, encodeBinaryCommand, toBinaryMessage } from "./binary.ts";
import { encodeCommand } from "./codec.ts";
import { decodeCommand } from "./command.ts";
import { checkValue, NotJson, passSpace } from "./json-checker.ts";
import { JsonScanner } from "./json-scanner.ts";
import type { Publish } from "./message.ts";

const anyJson = fc.oneof(
  fc.json(),
  fc.jsonValue().map((value) => JSON.stringify(value, null, "\t ")),
  fc
    .double()
    .map(String)
    .filter((text) => /\d$/.test(text)),
  fc.constantFrom(
    "-0",
    "1e400",
    "1E+5",
    "0.10e-02",
    '"\\ud800\\/\\b\\u00e9"',
    ' { "a" :\r[ 1 , { } ] } ',
    "[[],{}]",
  ),
);

/** How deep it is; `undefined` for what is no JSON. */
function checked(text: string): number | undefined {
  try {
    const { end, depth } = checkValue(text, 0);
    return passSpace(text, end) === text.length ? depth : undefined;
  } catch (error) {
    assert.ok(error instanceof NotJson);
    return undefined;
  }
}

function parsed(text: string): number | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  return new JsonScanner(text).value().depth;
}

describe("a check of JSON", () => {
  it("takes what JSON.parse takes, and nothing else", () => {
    fc.assert(fc.property(anyJson, (text) => assert.equal(checked(text), parsed(text))));
    const change = fc.tuple(
      fc.nat(),
      fc.nat(2),
      fc.constantFrom(...'[]{},:"\\/0123-+.eEtfnu \n\u0000\u00a0é'.split("")),
    );
    fc.assert(
      fc.property(anyJson, fc.array(change, { minLength: 1, maxLength: 3 }), (text, changes) => {
        let changed = text;
        for (const [place, length, character] of changes) {
          const at = place % (changed.length + 1);
          changed = changed.slice(0, at) + character + changed.slice(at + length);
        }
        assert.equal(checked(changed), parsed(changed), changed);
      }),
      { numRuns: 5_000 },
    );
  });

  for (const text of [
    ...["", " ", "[", "{", "]", "}", "[1", "[1,", "[1,]", "[,1]", "[1 1]", "[1}", "{1:1}", '{"a"}', '{"a":}'],
    ...['{"a":1,}', '{"a":1]', '{,"a":1}', '{"a" 1}', "01", "-", "+1", "1.", ".1", "1e", "1e+", "-01", "--1"],
    ...["1x", "tru", "truee", "nul", "nulll", "True", "NaN", "Infinity", "undefined", "'a'", '"', '"\\"'],
    ...['"\\x"', '"\\u12"', '"\\u123g"', '"\\u-123"', '"\n"', '"\u001f"', "1 2", "\ufeff1", "1\u00a0", "\v1"],
    ...[
      "//1",
      "[1]]",
      "{}{}",
      `${"[".repeat(40)}1${"]".repeat(39)}}`,
      `${'{"":'.repeat(40)}1${"}".repeat(39)}]`,
    ],
  ]) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.equal(parsed(text), undefined);
      assert.equal(checked(text), undefined);
    });
  }

  it("knows what closes at any depth", () => {
    const kinds = fc.array(fc.boolean(), { maxLength: 200 });
    fc.assert(
      fc.property(kinds, fc.option(fc.nat()), (objects, wrong) => {
        const open = objects.map((isObject) => (isObject ? '{"":' : "[")).join("");
        const ends: string[] = objects.toReversed().map((isObject) => (isObject ? "}" : "]"));
        if (wrong !== null && ends.length > 0) ends[wrong % ends.length] = "x";
        const text = `${open}1${ends.join("")}`;
        assert.equal(checked(text), wrong === null || ends.length === 0 ? objects.length : undefined);
      }),
    );
  });
});

describe("a long command", () => {
  const padding = `"padding":[${"[],".repeat(2_000)}[]]`;

  it("is read as a short one", () => {
    fc.assert(
      fc.property(anyCommand, fc.boolean(), (command, isBehind) => {
        const short = encodeCommand(command);
        const long = isBehind ? `${short.slice(0, -1)},${padding}}` : `{${padding},${short.slice(1)}`;
        assert.deepEqual(decodeCommand(long), decodeCommand(short));
      }),
    );
    fc.assert(
      fc.property(anyJson, (json) => {
        const short = `{"\\u0074ype":"publish","channel":"a","data":0,"d\\u0061ta" :${json} }`;
        const spaced = ` {${padding} , ${short.slice(1)}`;
        assert.deepEqual(decodeCommand(spaced), decodeCommand(short));
      }),
    );
  });

  it("may have space and members of later versions in its objects", () => {
    const since = `{"since":{"later":[${"{},".repeat(2_000)}1],"epoch":"e",${" ".repeat(5_000)}"offset":7},`;
    const read = decodeCommand(`${since}"type":"subscribe","channel":"a"}`);
    assert.deepEqual(read, { type: "subscribe", channel: "a", since: { epoch: "e", offset: 7 } });
  });

  for (const [name, text, code] of [
    ["that is cut short", `{${padding}`, "bad_json"],
    ["with more behind it", `{${padding}}}`, "bad_json"],
    ["that is an array", `[{${padding}}]`, "bad_json"],
    ["without a comma", `{${padding} "type":"ping"}`, "bad_json"],
    ["with a comma too many", `{${padding},}`, "bad_json"],
    ["without a type", `{${padding}}`, "bad_command"],
    ["with a type that is an array", `{"type":[${padding.slice(10)}]}`, "bad_command"],
    ["with an info too long", `{"type":"connect","info":{${padding}}}`, "too_large"],
    ["with an info that is an array", `{"type":"connect","info":[{${padding}}]}`, "bad_command"],
    [
      "with a position that is an array",
      `{"type":"subscribe","channel":"a","since":[{${padding}}]}`,
      "bad_command",
    ],
  ] as const) {
    it(`${name} is refused`, () => assert.throws(() => decodeCommand(text), { code }));
  }

  for (const part of ["[],", "{},", '{"a":1},', "1,", '"",']) {
    it(`of parts such as ${part} is not made a value of`, () => {
      const list = `[${part.repeat(Math.floor(1_048_570 / part.length)).slice(0, -1)}]`;
      const texts = [
        `{"type":"publish","id":1,"channel":"a","data":${list}}`,
        `{"type":"ping","id":1,"later":${list}}`,
        `{"type":"ping","id":1,"key":${list}}`,
        `{"type":"publish","id":1,"channel":"a","data":1,"since":{"epoch":${list}}}`,
      ].map((text) => Buffer.from(text).toString()); // as it comes from a socket
      const publish = { type: "publish", channel: "a", data: 0, json: list } satisfies Publish & {
        json: string;
      };
      const bytes = [encodeBinaryCommand(publish)];
      const page = `{"type":"history","channel":"a","publications":[{"offset":1,"info":${list},"data":${list}}]}`;
      const parse = mock.method(JSON, "parse");
      try {
        const began = process.cpuUsage();
        for (const text of texts) assert.ok(decodeCommand(text, 2 ** 21).type);
        for (const message of bytes) assert.ok(decodeBinaryCommand(message, 2 ** 21).type);
        toBinaryMessage(page);
        const { user, system } = process.cpuUsage(began);
        const ms = (user + system) / 1_000 / (texts.length + 2);
        console.log(`${ms.toFixed(1)} ms of CPU for each message of 1 MiB of ${part}`);
        for (const { arguments: given } of parse.mock.calls) assert.ok(given[0].length <= 4_096);
      } finally {
        parse.mock.restore();
      }
    });
  }
});
