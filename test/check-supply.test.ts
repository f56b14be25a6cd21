import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  checkSupply,
  integrityProblems,
  scriptProblems,
  type SuppliedPackages,
  unpinned,
} from "../scripts/check-supply.ts";
import { sbomOf } from "../scripts/sbom.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const integrity = `sha512-${"A".repeat(86)}==`;

test("what this repository takes from others is held fast", () => {
  assert.deepEqual(checkSupply(root), []);
});

test("an entry of the lock without its hash, or from elsewhere than the registry, is told", () => {
  const registry = "https://registry.npmjs.org/";
  const packages: SuppliedPackages = {
    "": {},
    "packages/net": { version: "1.0.0" },
    "node_modules/@zocalo/net": { link: true, resolved: "packages/net" },
    "node_modules/sound": { version: "1.0.0", integrity },
    "node_modules/also": { version: "1.0.0", integrity, resolved: `${registry}also/-/also-1.0.0.tgz` },
    "node_modules/bare": { version: "1.0.0" },
    "node_modules/a/node_modules/weak": { version: "2.0.0", integrity: "sha1-AAAA" },
    "node_modules/cut": { version: "1.0.0", integrity: integrity.slice(0, -4) },
    "node_modules/tool-darwin": { version: "3.0.0" },
    "node_modules/away": {
      version: "1.0.0",
      integrity,
      resolved: "https://registry.npmjs.org.example/a.tgz",
    },
    "node_modules/git": { version: "1.0.0", integrity, resolved: "git+ssh://git@github.com/a/b.git#abc" },
    "node_modules/alias": { name: "real", version: "1.0.0", integrity, resolved: "file:a.tgz" },
    "node_modules/linked": { link: true, resolved: "../elsewhere" },
  };
  assert.deepEqual(integrityProblems(packages), [
    "package-lock.json: bare@1.0.0 has no SHA-512 integrity",
    "package-lock.json: weak@2.0.0 has no SHA-512 integrity",
    "package-lock.json: cut@1.0.0 has no SHA-512 integrity",
    "package-lock.json: tool-darwin@3.0.0 has no SHA-512 integrity",
    `package-lock.json: away@1.0.0 comes from https://registry.npmjs.org.example/a.tgz, not from ${registry}`,
    `package-lock.json: git@1.0.0 comes from git+ssh://git@github.com/a/b.git#abc, not from ${registry}`,
    `package-lock.json: real@1.0.0 comes from file:a.tgz, not from ${registry}`,
    "package-lock.json: linked is a link to no workspace: ../elsewhere",
  ]);
});

test("an install script that nobody named is told, and so is a name without a script", () => {
  const packages: SuppliedPackages = {
    "node_modules/named": { hasInstallScript: true },
    "node_modules/a/node_modules/sneaky": { hasInstallScript: true },
    "node_modules/quiet": {},
    "node_modules/b/node_modules/named": { name: "masked", hasInstallScript: true },
  };
  assert.deepEqual(scriptProblems(packages, { named: true, quiet: true }), [
    "package-lock.json: sneaky has an install script and no line under allowScripts",
    "package-lock.json: masked has an install script and no line under allowScripts",
    "package.json: allowScripts names quiet, which has no install script",
  ]);
});

test("an action by its tag and an image by its name are told, those by their content are not", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const commit = "a".repeat(40);
  const unheld = [
    "    - uses: actions/checkout@v4",
    `    - uses: "actions/checkout@${commit}0"`,
    "      uses: docker://node:24",
    "    container: node:24",
    "    image: 'node:24'",
    "# syntax=docker/dockerfile:1",
    "FROM node:24 AS build",
    "FROM --platform=linux/amd64 node AS other",
    "COPY --chown=node --from=nginx:1 /etc /etc",
    "FROM \\\n  node:24",
    "RUN --mount=type=bind,from=golang:1,target=/a true",
    "    - { uses: actions/checkout@v4 }",
    '    - { name: a, "uses": "actions/checkout@v4" }',
    "    - uses : actions/checkout@v4",
    "    container: { image: node:24 }",
    '  "image": "node:24",',
  ];
  const held = [
    `    - uses: actions/checkout@${commit} # v4`,
    "    - uses: ./.github/own",
    `      uses: docker://node@${digest}`,
    `    image: node:24@${digest}`,
    `FROM node:24@${digest} AS build`,
    "FROM build",
    "FROM scratch",
    "RUN --mount=type=cache,target=/a --mount=from=build,target=/b true",
    `    container: { image: node@${digest} }`,
    `    - { uses: actions/checkout@${commit} }`,
    "  image: Dockerfile",
    "# reuses: nothing",
    "COPY --from=build /a /a",
    "COPY --from=0 /a /a",
    "# it uses: nothing, FROM nowhere",
  ];
  for (const line of unheld) assert.equal(unpinned(line).length, 1, line);
  assert.deepEqual(unpinned(held.join("\n")), []);
});

test("they are looked for in workflows and in build files, wherever those lie, and in nothing that was installed", (t) => {
  const copy = mkdtempSync(join(tmpdir(), "zocalo-supply-"));
  t.after(() => rmSync(copy, { recursive: true }));
  const files = {
    "package.json": "{}",
    "package-lock.json": '{ "packages": {} }',
    ".github/workflows/ci.yml": "    - uses: actions/checkout@v4",
    "packages/a/Dockerfile": "FROM node:24",
    "packages/a/node_modules/b/Dockerfile": "FROM node:25",
    "compose.yaml": "    image: node:26",
    "actions/own/action.yml": "    - uses: a/b@main",
    "deploy/app.dockerfile": "FROM node:28",
    ".devcontainer/devcontainer.json": '{ "image": "node:29" }',
    "README.md": "    image: node:27",
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(copy, name)), { recursive: true });
    writeFileSync(join(copy, name), content);
  }
  assert.deepEqual(checkSupply(copy).sort(), [
    ".devcontainer/devcontainer.json: node:29 is not pinned by digest",
    ".github/workflows/ci.yml: actions/checkout@v4 is not pinned by digest",
    "actions/own/action.yml: a/b@main is not pinned by digest",
    "compose.yaml: node:26 is not pinned by digest",
    "deploy/app.dockerfile: node:28 is not pinned by digest",
    "packages/a/Dockerfile: node:24 is not pinned by digest",
  ]);
});

test("the SBOM names all that a released zocalo brings, in its pages too, each with its hash, and no tool", () => {
  const sbom = sbomOf(root);
  assert.equal(sbom.bomFormat, "CycloneDX");
  assert.match(sbom.specVersion, /^1\.\d$/);
  assert.equal(sbom.metadata.component.purl, `pkg:npm/zocalo@${sbom.metadata.component.version}`);
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<
      string,
      {
        dependencies?: Record<string, string>;
        optionalDependencies?: Record<string, string>;
        integrity?: string;
      }
    >;
  };
  // What the manifests of the lock file ask for, beginning with the command and its pages.
  const needed = new Set<string>();
  const need = (path: string): void => {
    const { dependencies, optionalDependencies } = packages[path] ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (needed.has(name)) continue;
      needed.add(name);
      need(
        name.startsWith("@zocalo/") ? `packages/${name.slice("@zocalo/".length)}` : `node_modules/${name}`,
      );
    }
  };
  need("packages/zocalo");
  need("apps/plaza");
  need("apps/arena");
  // Each is reached from the command: a reader of the document asks for whose sake something is there.
  const reached = new Set<string>();
  const reach = (ref: string): void => {
    if (reached.has(ref)) return;
    reached.add(ref);
    for (const each of sbom.dependencies.find((entry) => entry.ref === ref)?.dependsOn ?? []) reach(each);
  };
  reach(sbom.metadata.component["bom-ref"]);
  const refs = [sbom.metadata.component, ...sbom.components].map((component) => component["bom-ref"]);
  assert.deepEqual([...reached].sort(), refs.sort());
  for (const { "bom-ref": ref, name, version } of sbom.components) assert.equal(ref, `${name}@${version}`);
  const named = sbom.components.map((component) => component["bom-ref"].replace(/@[^@]+$/, ""));
  assert.deepEqual(named.sort(), [...needed, "@zocalo/plaza", "@zocalo/arena"].sort());
  for (const { "bom-ref": ref, hashes } of sbom.components) {
    if (ref.startsWith("@zocalo/")) continue;
    const integrity512 = packages[`node_modules/${ref.replace(/@[^@]+$/, "")}`]?.integrity ?? "";
    const hex = Buffer.from(integrity512.replace("sha512-", ""), "base64").toString("hex");
    assert.deepEqual(hashes, [{ alg: "SHA-512", content: hex }], ref);
  }
});

test("the release command checks, writes the SBOM, and only then publishes", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  assert.match(
    scripts["release"] ?? "",
    /^npm run check\b.* && npm run sbom\b.* && tsx tools\/publishing\/src\/release\.ts$/,
  );
});
