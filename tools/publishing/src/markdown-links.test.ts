import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isRelative, markdownLinks, withAbsoluteLinks } from "./markdown-links.ts";

test("relative links lead to the repository at the tag; others, fragments and code stay", (t) => {
  const root = mkdtempSync(join(tmpdir(), "zocalo-links-"));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "docs/decisions"), { recursive: true });
  mkdirSync(join(root, "packages/net"), { recursive: true });
  writeFileSync(join(root, "docs/a.md"), "");
  writeFileSync(join(root, "docs/a.png"), "");
  const place = { root, directory: "packages/net", repository: "https://host/z", reference: "v1.0.0" };
  const markdown = [
    "[a](../../docs/a.md) and [b](../../docs/a.md#part), ![p](../../docs/a.png)",
    "[folder](../../docs/decisions/), [here](#part), [away](https://other/a.md)",
    "`[code](../../docs/none.md)`",
    "```md",
    "[code](../../docs/none.md)",
    "```",
    '[`name`](../../docs/a.md "a title")',
    "[defined]: ../../docs/a.md",
  ];
  assert.deepEqual(withAbsoluteLinks(markdown.join("\n"), place).split("\n"), [
    "[a](https://host/z/blob/v1.0.0/docs/a.md) and [b](https://host/z/blob/v1.0.0/docs/a.md#part), ![p](https://host/z/raw/v1.0.0/docs/a.png)",
    "[folder](https://host/z/tree/v1.0.0/docs/decisions), [here](#part), [away](https://other/a.md)",
    "`[code](../../docs/none.md)`",
    "```md",
    "[code](../../docs/none.md)",
    "```",
    '[`name`](https://host/z/blob/v1.0.0/docs/a.md "a title")',
    "[defined]: https://host/z/blob/v1.0.0/docs/a.md",
  ]);
});

test("a link to what is not there, or is outside of the repository, is refused", () => {
  const place = { root: tmpdir(), directory: ".", repository: "https://host/z", reference: "v1.0.0" };
  for (const target of ["nowhere-at-all.md", "../outside.md"]) {
    assert.throws(
      () => withAbsoluteLinks(`[a](${target})`, place),
      new RegExp(target.replaceAll(".", "\\.")),
    );
  }
});

test("mail, protocol-relative and data links are no files of the repository", () => {
  const links = markdownLinks("[a](mailto:a@b) [b](//host/a) [c](data:,x) [d](d.md)");
  assert.deepEqual(
    links.filter(isRelative).map(({ target }) => target),
    ["d.md"],
  );
});
