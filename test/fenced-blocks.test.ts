import assert from "node:assert/strict";
import { test } from "node:test";
import { fencedBlocks } from "./fenced-blocks.ts";

test("blocks come with language, info, line and code", () => {
  const markdown = ["# A", "```ts", "a();", "", "b();", "```", "text", "~~~sh no-run", "ls", "~~~"].join(
    "\n",
  );
  assert.deepEqual(fencedBlocks(markdown), [
    { language: "ts", info: "", line: 3, code: "a();\n\nb();" },
    { language: "sh", info: "no-run", line: 9, code: "ls" },
  ]);
});

test("a block in a list loses its indentation; a longer fence may hold a shorter one", () => {
  const markdown = [
    "1. A",
    "   ```ts",
    "   if (a) {",
    "     b();",
    "   }",
    "   ```",
    "````md",
    "```ts",
    "x",
    "```",
    "````",
  ];
  assert.deepEqual(
    fencedBlocks(markdown.join("\n")).map(({ language, code }) => [language, code]),
    [
      ["ts", "if (a) {\n  b();\n}"],
      ["md", "```ts\nx\n```"],
    ],
  );
});

test("a block that is never closed goes to the end, and code in a line is none", () => {
  assert.deepEqual(fencedBlocks("```js```\n```ts\na"), [{ language: "ts", info: "", line: 3, code: "a" }]);
});
