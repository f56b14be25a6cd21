import assert from "node:assert/strict";
import { test } from "node:test";
import { docExamples } from "./doc-examples.ts";

test("an example comes with its first line of code, without the stars, and ends at the next tag", () => {
  const source = [
    "/**",
    " * Says it.",
    " *",
    " * @example",
    " * if (a) {",
    " *   b();",
    " * }",
    " * @returns nothing",
    " */",
    "class A {",
    "  /**",
    "   * @example one();",
    "   */",
    "  one() {}",
    "}",
  ];
  assert.deepEqual(docExamples(source.join("\n")), [
    { line: 5, code: "if (a) {\n  b();\n}" },
    { line: 12, code: "one();" },
  ]);
});
