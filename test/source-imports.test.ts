import assert from "node:assert/strict";
import { test } from "node:test";
import { sourceImports } from "../scripts/source-imports.ts";

function specifiers(source: string): string[] {
  return sourceImports(source).map(({ specifier, line }) => `${specifier}:${line}`);
}

test("every form of import is seen, with its line", () => {
  const source = [
    `import "a";`,
    `import b, { type B } from "b";`,
    `import {`,
    `  c,`,
    `} from 'c';`,
    `export * from "d";`,
    `export { e } from "e";`,
    `const f = await import("f");`,
    `let g: import("g").G = require("h");`,
    `import.meta.resolve("i");`,
  ].join("\n");
  assert.deepEqual(specifiers(source), ["a:1", "b:2", "c:5", "d:6", "e:7", "f:8", "g:9", "h:9", "i:10"]);
});

test("an import of types only is told from one that stays", () => {
  const isTypeOnly = (source: string) => sourceImports(source).map((found) => found.isTypeOnly);
  assert.deepEqual(isTypeOnly(`import type { A } from "a";\nexport type * from "b";`), [true, true]);
  assert.deepEqual(isTypeOnly(`import { type A } from "a";\nimport type from "b";`), [false, false]);
});

test("what looks like an import in a comment, string, template or regular expression is none", () => {
  const source = [
    `// import "a";`,
    `/* import "a";`,
    `import "b"; */`,
    "const c = `",
    `import "c";`,
    'import "c${`import "d";`}";',
    "`;",
    `const e = "import('e')";`,
    `const f = /["'\`]/; const slash = /[/"]/;`,
    `import "real";`,
  ].join("\n");
  assert.deepEqual(specifiers(source), ["real:10"]);
});

test("code inside a template is code", () => {
  assert.deepEqual(specifiers('const a = `${{ b: await import("b") }} import("c")`;\nimport("d");'), [
    "b:1",
    "d:2",
  ]);
});

test("an apostrophe in the text of a page and the end of a tag do not hide what follows", () => {
  const source = `const a = <p title="x">don't <b>look</b> <i a={1} /></p>;\nimport("b");`;
  assert.deepEqual(specifiers(source), ["b:2"]);
});
