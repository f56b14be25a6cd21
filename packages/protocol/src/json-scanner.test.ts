import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { JsonScanner } from "./json-scanner.ts";
import { eachItem } from "./json-walk.ts";

function member(text: string, name = "data"): string | undefined {
  JSON.parse(text); // what is scanned is JSON
  const span = new JsonScanner(text).member(name);
  return span && text.slice(span.start, span.end);
}

function depth(text: string): number {
  JSON.parse(text);
  return new JsonScanner(text).value().depth;
}

describe("JsonScanner", () => {
  const values = [
    "null",
    "true",
    "-0",
    "1e400",
    "1688888483063664642",
    "9".repeat(5_000),
    "0.1234567890123456789",
    '""',
    '"\\""',
    '"\\\\"',
    '"\\\\\\"\\\\"',
    '"}],:{[\\"data\\":1"',
    '"\\ud800"',
    '"\u2028"',
    "[]",
    "{}",
    '{"a":1,"a":2}',
    '{"b":1,"2":1,"1":2}',
    '{"data":[{"data":"]}"}]}',
    '[ 1 ,\t{ "a" : "\\\\" } ]',
    '{"__proto__":{"x":1},"constructor":1}',
  ];
  for (const value of values) {
    it(`finds ${value.slice(0, 40)} in every place`, () => {
      for (const space of ["", " ", "\n", "\t \r\n "]) {
        const data = `"data"${space}:${space}${value}${space}`;
        for (const text of [
          `{${data}}`,
          `${space}{${space}"type":"publish",${data},"key":"k"}${space}`,
          `{"before":[1,{"data":2}],"x":"\\"",${data},"after":{"data":3}}`,
          `{"data":0,"data":"first",${space}${data}}`,
        ]) {
          assert.equal(member(text), value, text);
        }
      }
    });
  }

  it("finds nothing where there is nothing", () => {
    for (const text of [
      "{}",
      ' { "dat" : 1 } ',
      '{"datax":1,"":2,"DATA":3,"\\"data":4}',
      '{"a":{"data":1}}',
    ]) {
      assert.equal(member(text), undefined, text);
    }
  });

  it("takes the last of several members, however their names are written", () => {
    assert.equal(member('{"data":1,"d\\u0061ta":2}'), "2");
    assert.equal(member('{"\\u0064\\u0061\\u0074\\u0061":1,"x":3}'), "1");
    assert.equal(member('{"data":1,"\\u0064ata":2,"data":[3],"dat\\u0041":4}'), "[3]");
    for (const text of ['{"data":1,"d\\u0061ta":2}', '{"d\\u0061ta":2,"data":1}']) {
      assert.equal(Number(member(text)), (JSON.parse(text) as { data: number }).data);
    }
  });

  it("finds one in each object of an array", () => {
    const text = ' [ {"data":1,"x":[]} , {"x":{"data":5}},{"data":" ]" ,"data":[{}]}]';
    const scanner = new JsonScanner(text);
    const found: unknown[] = [];
    eachItem(scanner, () => {
      const span = scanner.member("data");
      found.push(span && text.slice(span.start, span.end));
    });
    assert.deepEqual(found, ["1", undefined, "[{}]"]);
    eachItem(new JsonScanner("[ ]"), () => assert.fail());
  });

  it("says how deep a value is", () => {
    const depths = { 1: 0, '"[[["': 0, "[]": 1, "{}": 1, '[1,[2,{"a":"]"}],[]]': 3, '{"a":[[]],"a":1}': 3 };
    for (const [text, expected] of Object.entries(depths)) assert.equal(depth(text), expected, text);
    assert.equal(depth("[".repeat(30_000) + "]".repeat(30_000)), 30_000);
  });

  it("takes time in proportion to the text", () => {
    const quotes = (count: number) => `{"k\\"":"${'\\"'.repeat(count)}","data":"${"\\\\".repeat(count)}"}`;
    const time = (text: string) => {
      const times = Array.from({ length: 5 }, () => {
        const start = performance.now();
        member(text);
        return performance.now() - start;
      });
      return Math.min(...times);
    };
    time(quotes(1_000));
    // Quadratic, a hundred times the text would take ten thousand times as long.
    assert.ok(time(quotes(1_000_000)) < 2_000 * Math.max(0.05, time(quotes(10_000))));
  });
});
