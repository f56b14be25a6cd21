import assert from "node:assert/strict";
import { test } from "node:test";
import { docExamples, docFences } from "./doc-examples.ts";

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

test("a fenced block in a doc comment comes without the stars, and one in code is none", () => {
  const source = [
    "const markdown = `",
    "```ts",
    "no();",
    "```",
    "`;",
    "/**",
    " * Says it.",
    " *",
    " * ```ts no-run",
    " * if (a) {",
    " *   b();",
    " * }",
    " * ```",
    " * ```sh",
    " * ls",
    " * ```",
    " */",
  ];
  assert.deepEqual(docFences(source.join("\n")), [{ line: 10, code: "if (a) {\n  b();\n}" }]);
});
