import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { checkArrows, ROOMS, type Room } from "../scripts/check-arrows.ts";

const rooms: readonly Room[] = [
  { directory: "packages/low", name: "@x/low", mayImport: [], hasNoDependencies: true },
  { directory: "packages/high", name: "high", mayImport: ["@x/low"], browserEntries: ["src/index.ts"] },
  { directory: "packages/bare", name: "bare", mayImport: [], testsMayImport: ["@x/low"] },
];

const sound = {
  "packages/low/package.json": `{\n  "name": "@x/low"\n}`,
  "packages/low/src/index.ts": `import { readFileSync } from "node:fs";\nimport "./part.ts";`,
  "packages/low/src/part.test.ts": `import test from "node:test";\nimport fc from "fast-check";\nimport "./part.ts";`,
  "packages/high/package.json": `{\n  "name": "high",\n  "dependencies": {\n    "@x/low": "1",\n    "zod": "4"\n  }\n}`,
  "packages/high/src/index.ts": `import { low } from "@x/low";\nimport "zod";\nexport * from "./deep/part.ts";`,
  "packages/high/src/deep/part.ts": `import "../other.ts";\nimport type { Socket } from "node:net";`,
  "packages/high/src/node.ts": `import "node:fs";\nimport "high";\nimport "@x/low/part";`,
  "packages/bare/package.json": `{\n  "name": "bare",\n  "devDependencies": {\n    "@x/low": "1"\n  }\n}`,
  "packages/bare/src/part.test.ts": `import "@x/low";`,
  "packages/bare/test/deep/whole.ts": `import type { low } from "@x/low";`,
  "test/whole.test.ts": `import "high";\nimport "../scripts/check.ts";\nimport "../packages/bare/test/deep/whole.ts";`,
};

/** The violations in the sound tree with some files put in place of others. */
function violations(
  t: TestContext,
  files: Readonly<Record<string, string>> = {},
  table: readonly Room[] = rooms,
): string[] {
  const root = mkdtempSync(join(tmpdir(), "zocalo-arrows-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [file, text] of Object.entries({ ...sound, ...files })) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  return checkArrows(root, table).map(({ file, line, message }) => `${file}:${line} ${message}`);
}

test("a sound tree has no violations", (t) => {
  assert.deepEqual(violations(t), []);
});

test("this repository has no violations, and the table names rooms that exist", () => {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const found = checkArrows(root).map(({ file, line, message }) => `${file}:${line} ${message}`);
  assert.deepEqual(found, []);
  assert.ok(
    ROOMS.every((room) => room.mayImport.every((name) => ROOMS.some((other) => other.name === name))),
  );
});

test("another room by path is a violation, whatever the form", (t) => {
  const files = {
    "packages/high/src/index.ts": `import type { Low } from "../../low/src/index.ts";\nawait import("../../low/dist/index.js");`,
    "test/whole.test.ts": `import "../packages/high/src/index.ts";`,
  };
  assert.deepEqual(violations(t, files), [
    "packages/high/src/index.ts:1 imports ../../low/src/index.ts by path; another room is imported by its name",
    "packages/high/src/index.ts:2 imports ../../low/dist/index.js by path; another room is imported by its name",
    "test/whole.test.ts:1 imports ../packages/high/src/index.ts by path; another room is imported by its name",
  ]);
});

test("an arrow that points up is a violation, also for types and in tests", (t) => {
  const files = {
    "packages/low/src/part.ts": `\nimport type { High } from "high";`,
    "packages/low/src/part.test.ts": `import { high } from "high/deep";`,
  };
  assert.deepEqual(violations(t, files), [
    "packages/low/src/part.test.ts:1 imports high; @x/low may import no other room",
    "packages/low/src/part.ts:2 imports high; @x/low may import no other room",
  ]);
});

test("what only tests may import is a violation in the source, also for types, and as a dependency", (t) => {
  const files = {
    "packages/bare/package.json": `{\n  "name": "bare",\n  "dependencies": {\n    "@x/low": "1"\n  }\n}`,
    "packages/bare/src/part.ts": `import { low } from "@x/low";\nimport type { Low } from "@x/low";`,
  };
  const allowed = "bare may import no other room, and its tests @x/low";
  assert.deepEqual(violations(t, files), [
    `packages/bare/package.json:4 lists @x/low; ${allowed}`,
    `packages/bare/src/part.ts:1 imports @x/low; ${allowed}`,
    `packages/bare/src/part.ts:2 imports @x/low; ${allowed}`,
  ]);
});

test("nothing that is shipped may import what the integrity drivers share", () => {
  assert.deepEqual(
    ROOMS.filter(({ mayImport }) => mayImport.includes("@zocalo/integrity")),
    [],
  );
});

test("an arrow that points up in package.json is a violation", (t) => {
  const files = {
    "packages/low/package.json": `{\n  "name": "@x/low",\n  "devDependencies": {\n    "high": "1"\n  }\n}`,
  };
  assert.deepEqual(violations(t, files), [
    "packages/low/package.json:4 lists high; @x/low may import no other room",
  ]);
});

test("a runtime dependency where there are none is a violation, in the source and in package.json", (t) => {
  const files = {
    "packages/low/package.json": `{\n  "name": "@x/low",\n  "dependencies": {\n    "zod": "4"\n  }\n}`,
    "packages/low/src/index.ts": `import { z } from "zod/mini";`,
  };
  assert.deepEqual(violations(t, files), [
    "packages/low/package.json:4 lists zod; @x/low has no runtime dependencies",
    "packages/low/src/index.ts:1 imports zod; @x/low has no runtime dependencies",
  ]);
});

test("a dependency that package.json does not list is a violation", (t) => {
  const files = {
    "packages/high/package.json": `{ "name": "high" }`,
    "packages/high/src/index.ts": `import { low } from "@x/low";\nimport "pino";`,
    "packages/high/src/node.ts": "",
  };
  assert.deepEqual(violations(t, files), [
    "packages/high/src/index.ts:1 imports @x/low, which is not in the dependencies of its package.json",
    "packages/high/src/index.ts:2 imports pino, which is not in the dependencies of its package.json",
  ]);
});

test("a module of Node's within reach of a browser entry is a violation", (t) => {
  const files = { "packages/high/src/other.ts": `\n\nimport { createHash } from "node:crypto";` };
  assert.deepEqual(violations(t, files), [
    "packages/high/src/other.ts:3 imports node:crypto; packages/high/src/index.ts runs in a browser",
  ]);
});

test("a module of Node's without node: is a violation", (t) => {
  const files = { "packages/low/src/index.ts": `import { readFileSync } from "fs";` };
  assert.deepEqual(violations(t, files), [
    "packages/low/src/index.ts:1 imports fs; a module of Node's is written node:fs",
  ]);
});

test("a room that the table does not know is a violation", (t) => {
  assert.deepEqual(violations(t, { "apps/arena/package.json": "{}" }), [
    "apps/arena:1 is a room the table of scripts/check-arrows.ts does not know",
  ]);
});

test("files that import each other in a circle are a violation in every room, be it for a type", (t) => {
  const files = {
    "packages/high/src/deep/part.ts": `import type { High } from "../other.ts";`,
    "packages/high/src/other.ts": `import { low } from "@x/low";\nimport "./deep/part.ts";`,
    "packages/high/src/other.test.ts": `import "./other.ts";`,
  };
  assert.deepEqual(violations(t, files), [
    "packages/high/src/other.ts:2 closes a circle: packages/high/src/deep/part.ts -> packages/high/src/other.ts -> packages/high/src/deep/part.ts",
  ]);
});

test("a folder above, the face, a folder that is not listed, and a circle are violations; tests may look up", (t) => {
  const layered: readonly Room[] = [
    { directory: "packages/low", name: "@x/low", mayImport: [], folders: ["roof", "cellar"] },
    ...rooms.slice(1),
  ];
  const files = {
    "packages/low/src/index.ts": `export * from "./roof/tile.ts";\nexport * from "./cellar/wine.ts";`,
    "packages/low/src/part.ts": "",
    "packages/low/src/roof/tile.ts": `import "../cellar/wine.ts";\nimport "./beam.ts";`,
    "packages/low/src/roof/beam.ts": `import type { Tile } from "./tile.ts";`,
    "packages/low/src/cellar/wine.ts": `import type { Tile } from "../roof/tile.ts";\nimport "../part.ts";`,
    "packages/low/src/cellar/wine.test.ts": `import "../index.ts";`,
    "packages/low/src/attic/box.ts": "",
  };
  assert.deepEqual(violations(t, files, layered), [
    "packages/low/src/attic/box.ts:1 is in a folder the table of scripts/check-arrows.ts does not know",
    "packages/low/src/cellar/wine.ts:1 imports roof/tile.ts, which stands above; arrows point down: roof, cellar",
    "packages/low/src/cellar/wine.ts:2 imports part.ts, which stands above; arrows point down: roof, cellar",
    "packages/low/src/roof/tile.ts:1 closes a circle: packages/low/src/cellar/wine.ts -> packages/low/src/roof/tile.ts -> packages/low/src/cellar/wine.ts",
    "packages/low/src/roof/beam.ts:1 closes a circle: packages/low/src/roof/tile.ts -> packages/low/src/roof/beam.ts -> packages/low/src/roof/tile.ts",
  ]);
});

test("a file with more lines than the table says is a violation, shipped or a test", (t) => {
  const short: readonly Room[] = [
    { directory: "packages/low", name: "@x/low", mayImport: [], maxLines: 3 },
    ...rooms.slice(1),
  ];
  const files = {
    "packages/low/src/index.ts": "//\n//\n//\n",
    "packages/low/src/part.ts": "//\n//\n//\n//\n",
    "packages/low/src/part.test.ts": "//\n//\n//\n//\n",
    "packages/low/test/low.test.ts": "//\n//\n//\n",
    "packages/low/test/peers.ts": "//\n//\n//\n//\n",
  };
  assert.deepEqual(violations(t, files, short), [
    "packages/low/src/part.test.ts:4 is past the end of what is read in one sitting: the file has 4 lines, and may have 3",
    "packages/low/src/part.ts:4 is past the end of what is read in one sitting: the file has 4 lines, and may have 3",
    "packages/low/test/peers.ts:4 is past the end of what is read in one sitting: the file has 4 lines, and may have 3",
  ]);
});

test("what net, websocket, hub, client, room and arena are made of, and their tests, may have 400 lines a file", () => {
  const limits = ROOMS.filter(({ maxLines }) => maxLines !== undefined).map(({ name, maxLines }) => [
    name,
    maxLines,
  ]);
  assert.deepEqual(limits, [
    ["@zocalo/net", 400],
    ["@zocalo/websocket", 400],
    ["@zocalo/hub", 400],
    ["@zocalo/client", 400],
    ["@zocalo/room", 400],
    ["@zocalo/arena", 400],
  ]);
});
