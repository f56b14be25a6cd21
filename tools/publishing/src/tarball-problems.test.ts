import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tarball } from "./make-tarballs.ts";
import { tarballProblems } from "./tarball-problems.ts";

const MANIFEST = {
  name: "a",
  description: "A package.",
  license: "MIT",
  homepage: "https://host/a",
  bugs: { url: "https://host/a/issues" },
  repository: { url: "https://host/a.git", directory: "packages/a" },
  keywords: ["a"],
  engines: { node: ">=22" },
  publishConfig: { access: "public", provenance: true },
};

const SOUND: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify(MANIFEST),
  "README.md": "[docs](https://host/docs)",
  "CHANGELOG.md": "",
  LICENSE: "MIT",
  NOTICE: "",
  "dist/index.js": "export {};\n//# sourceMappingURL=index.js.map\n",
  "dist/index.js.map": JSON.stringify({ sources: ["../src/index.ts"] }),
  "src/index.ts": "export {};\n",
};

function problemsWith(changes: Readonly<Record<string, string | undefined>>): string[] {
  const files = Object.entries({ ...SOUND, ...changes })
    .filter(([, text]) => text !== undefined)
    .map(([path, text = ""]) => ({ path, content: Buffer.from(text) }));
  const tarball: Tarball = { name: "a", version: "1.0.0", path: "a.tgz", packedBytes: 1, files };
  return tarballProblems(tarball, ["/work/repository"]);
}

test("a sound tarball has no problems, also where maps carry their sources", () => {
  assert.deepEqual(problemsWith({}), []);
  const map = JSON.stringify({ sources: ["../src/index.ts"], sourcesContent: ["export {};"] });
  assert.deepEqual(problemsWith({ "src/index.ts": undefined, "dist/index.js.map": map }), []);
});

test("a map without its source, and code without its map, are told", () => {
  assert.deepEqual(problemsWith({ "src/index.ts": undefined }), [
    "a: dist/index.js.map: is a map of ../src/index.ts, which is not there",
  ]);
  assert.deepEqual(problemsWith({ "dist/index.js.map": undefined }), [
    "a: dist/index.js: names the map index.js.map, which is not there",
  ]);
});

test("each file that has to be there is missed", () => {
  for (const name of ["README.md", "LICENSE", "NOTICE", "CHANGELOG.md"]) {
    assert.deepEqual(problemsWith({ [name]: undefined }), [`a: lacks ${name}`]);
  }
});

test("a folder of a machine is told, in whichever file it stands", () => {
  assert.deepEqual(problemsWith({ "src/index.ts": "// /work/repository/src" }), [
    "a: src/index.ts: names /work/repository, which is of one machine",
  ]);
  for (const home of ["/home/ana/a.ts", "/Users/ana/a.ts", "C:\\Users\\ana\\a.ts"]) {
    assert.match(
      problemsWith({ "dist/index.js.map": JSON.stringify({ sources: [], file: home }) })[0] ?? "",
      /of one machine/,
    );
  }
});

test("tests, build records and hidden files are told", () => {
  for (const path of ["src/a.test.ts", "dist/.tsbuildinfo", "dist/a.tsbuildinfo", ".env"]) {
    assert.deepEqual(problemsWith({ [path]: "" }), [`a: ${path}: is of no use to others`]);
  }
});

test("a link that works in the repository only is told", () => {
  assert.deepEqual(problemsWith({ "README.md": "[docs](../../docs/a.md)" }), [
    "a: README.md: links to ../../docs/a.md, which works in the repository only",
  ]);
});

test("a page that bundles without saying what is told", () => {
  assert.deepEqual(problemsWith({ "pages/plaza/index.html": "" }), [
    "a: pages/plaza: has no NOTICE.txt for what it bundles",
  ]);
});

test("each field of the manifest that npm shows or obeys is missed", () => {
  const without = (key: string) =>
    problemsWith({ "package.json": JSON.stringify({ ...MANIFEST, [key]: undefined }) });
  for (const key of ["description", "license", "homepage", "keywords"]) {
    assert.deepEqual(without(key), [`a: package.json: lacks ${key}`]);
  }
  assert.deepEqual(without("bugs"), ["a: package.json: lacks bugs.url"]);
  assert.deepEqual(without("engines"), ["a: package.json: lacks engines.node"]);
  assert.deepEqual(without("repository"), [
    "a: package.json: lacks repository.url",
    "a: package.json: lacks repository.directory",
  ]);
  assert.deepEqual(without("publishConfig"), [
    'a: package.json: lacks publishConfig.access "public"',
    "a: package.json: lacks publishConfig.provenance true",
  ]);
  assert.deepEqual(
    problemsWith({ "package.json": JSON.stringify({ ...MANIFEST, scripts: {}, devDependencies: {} }) }),
    [
      "a: package.json: has scripts, which are of this repository",
      "a: package.json: has devDependencies, which are of this repository",
    ],
  );
});
