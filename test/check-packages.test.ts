import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  browserBytes,
  checkPackages,
  engineProblems,
  policyProblems,
  versionProblems,
} from "../scripts/check-packages.ts";
import { completeLock, type Lock } from "../scripts/complete-lock.ts";

test("one version everywhere, asked for exactly", () => {
  const manifests = [
    { name: "a", version: "1.0.0" },
    { name: "b", version: "1.0.0", dependencies: { a: "1.0.0", other: "^7.1.0" } },
    { name: "c", version: "1.0.1", dependencies: { a: "^1.0.0" } },
  ];
  assert.deepEqual(versionProblems(manifests.slice(0, 2)), []);
  assert.deepEqual(versionProblems(manifests), [
    "c: version 1.0.1, not 1.0.0",
    "c: depends on a ^1.0.0, not 1.0.0",
  ]);
});

test("one range of Nodes everywhere", () => {
  const engines = { node: ">=24" };
  const root = { name: "root", version: "1.0.0", engines };
  const manifests = [
    { name: "a", version: "1.0.0", engines },
    { name: "b", version: "1.0.0" },
    { name: "c", version: "1.0.0", private: true },
    { name: "d", version: "1.0.0", private: true, engines: { node: ">=20" } },
  ];
  assert.deepEqual(engineProblems(root, manifests), [
    "b: engines.node is undefined, not >=24 as in the root",
    "d: engines.node is >=20, not >=24 as in the root",
  ]);
  assert.deepEqual(policyProblems(root, "Node `>=24`."), []);
  assert.deepEqual(policyProblems(root, "Node `>=20`, or >=24."), [
    "docs/support.md: does not name the Nodes >=24",
  ]);
});

test("a package whose exports lead nowhere is told, a sound one is not", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "zocalo-packages-"));
  t.after(() => rmSync(root, { recursive: true }));
  const manifest = { version: "1.0.0", type: "module", license: "MIT", files: ["dist"], sideEffects: false };
  for (const [name, entry] of [
    ["sound", "./dist/index.js"],
    ["broken", "./dist/nowhere.js"],
  ] as const) {
    const directory = join(root, "packages", name);
    mkdirSync(join(directory, "dist"), { recursive: true });
    writeFileSync(join(directory, "package.json"), JSON.stringify({ name, ...manifest, exports: entry }));
    writeFileSync(join(directory, "dist/index.js"), "export const a = 1;\n");
  }
  const problems = await checkPackages(root);
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /^broken: .*nowhere\.js/);
});

test("the size of a bundle counts what it imports and nothing it does not", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-size-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const words = Array.from({ length: 400 }, (_, i) => `"${(i * 7919).toString(36)}"`).join();
  writeFileSync(
    join(directory, "big.js"),
    `export const used = [${words}];\nexport const idle = [${words}, 1];`,
  );
  writeFileSync(join(directory, "small.js"), `console.log("hola"); // ${words}`);
  writeFileSync(join(directory, "index.js"), `import { used } from "./big.js";\nconsole.log(used);`);
  const small = await browserBytes(join(directory, "small.js"));
  const whole = await browserBytes(join(directory, "index.js"));
  assert.ok(small < 100, `${small}`);
  assert.ok(whole > 500 && whole < words.length, `${whole}`);
});

test("a lock without another platform's binary gets it, marked for that platform", () => {
  const lock: Lock = {
    packages: {
      "": {},
      "node_modules/tool": {
        version: "2.0.0",
        license: "MIT",
        dev: true,
        optionalDependencies: {
          "@tool/darwin-arm64": "2.0.0",
          "@tool/linux-x64-musl": "2.0.0",
          "@tool/linux-x64": "2.0.0",
        },
      },
      "node_modules/@tool/linux-x64": { version: "2.0.0" },
    },
  };
  assert.deepEqual(completeLock(lock), ["@tool/darwin-arm64", "@tool/linux-x64-musl"]);
  assert.deepEqual(lock.packages["node_modules/@tool/darwin-arm64"], {
    version: "2.0.0",
    cpu: ["arm64"],
    dev: true,
    license: "MIT",
    optional: true,
    os: ["darwin"],
  });
  assert.deepEqual(Object.keys(lock.packages).slice(0, 2), ["", "node_modules/@tool/darwin-arm64"]);
  assert.deepEqual(completeLock(lock), []);
});

test("the lock file of this repository is complete", () => {
  const lock = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8")) as Lock;
  assert.deepEqual(completeLock(lock), []);
});
