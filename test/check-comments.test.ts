import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { checkComments, COMMENT_COLUMNS, longComments } from "../scripts/check-comments.ts";

const columns = (text: string, length: number) =>
  text + " word".repeat(length).slice(0, length - text.length);

test("a comment is too long from one column past the limit on, whatever its form", () => {
  const within = COMMENT_COLUMNS;
  const past = COMMENT_COLUMNS + 1;
  for (const start of ["// ", "  /** ", "const a = 1; // ", "/* "]) {
    assert.deepEqual(longComments(columns(start, within)), [], start);
    assert.deepEqual(longComments(columns(start, past)), [{ line: 1, columns: past }], start);
  }
  assert.deepEqual(longComments(`/**\n${columns(" * ", past)}\n */\nlet a;`), [{ line: 2, columns: past }]);
});

test("columns are characters, not units of UTF-16", () => {
  assert.deepEqual(longComments(`// a ${"😀".repeat(COMMENT_COLUMNS - 5)}`), []);
});

test("code, and what looks like a comment in a string or template, may be longer", () => {
  const long = columns("// ", 200);
  assert.deepEqual(
    longComments([`a("${long}");`, `b(\`\n${long}\n\`);`, `c(/${"x".repeat(200)}/);`].join("\n")),
    [],
  );
});

test("what cannot be wrapped may be longer: directives, fenced code, tables, a single word", () => {
  const long = columns("", 200);
  const word = "x".repeat(200);
  const lines = [
    `// oxlint-disable-next-line no-console --${long}`,
    `// ${word}`,
    "/**",
    ` * - ${word}`,
    ` * | a |${long}`,
    " * ```ts",
    ` * call(${long});`,
    " * ```",
    ` * @see ${word}`,
    " */",
  ];
  assert.deepEqual(longComments(lines.join("\n")), []);
  assert.deepEqual(longComments([...lines, columns("// ", 120)].join("\n")), [{ line: 11, columns: 120 }]);
});

test("all sources are looked at, in folders and in tests too, and what was built or installed is not", (t) => {
  const root = mkdtempSync(join(tmpdir(), "zocalo-comments-"));
  t.after(() => rmSync(root, { recursive: true }));
  const long = columns("// ", 120);
  const looked = ["src/deep/part.test.ts", "src/deep/part.ts", "src/face.tsx", "src/page.mts"];
  for (const file of [...looked, "src/dist/part.d.ts", "src/node_modules/other/part.ts", "src/part.js"]) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), `let a;\n${long}\n`);
  }
  assert.deepEqual(
    checkComments(root, ["src"]),
    looked.map((file) => `${file}:2 has 120 columns; comments are wrapped at 110`),
  );
});
