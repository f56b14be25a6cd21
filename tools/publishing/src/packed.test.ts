import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import { resolutionProblems } from "./check-resolution.ts";
import { compilations } from "./consumers.ts";
import { installTarballs } from "./install-tarballs.ts";
import { makeTarballs, type Tarball } from "./make-tarballs.ts";
import { publishedPackages, readManifest } from "./packages.ts";
import { readTarball } from "./read-tarball.ts";
import { releaseTable } from "./release-table.ts";
import { tarballProblems } from "./tarball-problems.ts";

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const consumers = join(root, "tools/publishing/consumers");
const work = realpathSync(mkdtempSync(join(tmpdir(), "zocalo-packed-")));
/** Where a stranger has installed the tarballs. */
const project = join(work, "project");
let tarballs: readonly Tarball[] = [];

before(() => {
  tarballs = makeTarballs(root, join(work, "tarballs"));
  installTarballs(root, project, tarballs);
});
after(() => rmSync(work, { recursive: true }));

test("every package that is published is packed, after those it needs", () => {
  const names = publishedPackages(root).map(({ manifest }) => manifest.name);
  assert.deepEqual(
    tarballs.map(({ name }) => name),
    names,
  );
  assert.deepEqual(
    new Set(names),
    new Set([
      ...["protocol", "net", "websocket", "hub", "client", "room"].map((name) => `@zocalo/${name}`),
      "zocalo",
    ]),
  );
  names.forEach((name, i) => {
    const needed = Object.keys(publishedPackages(root)[i]?.manifest.dependencies ?? {});
    for (const other of needed.filter((each) => names.includes(each)))
      assert.ok(names.indexOf(other) < i, name);
  });
});

test("no tarball has a problem", () => {
  for (const tarball of tarballs) assert.deepEqual(tarballProblems(tarball, [root, homedir() + sep]), []);
});

test("what the page bundles is in the NOTICE, with the text of its licence; a library has nothing of others", () => {
  const notice = (name: string) =>
    tarballs
      .find((tarball) => tarball.name === name)
      ?.files.find(({ path }) => path === "NOTICE")
      ?.content.toString() ?? "";
  for (const name of ["preact", "@preact/signals", "@preact/signals-core"]) {
    assert.match(notice("zocalo"), new RegExp(`^## ${name} - `, "m"));
  }
  assert.match(
    notice("zocalo"),
    /Copyright \(c\) 2015-present Jason Miller\n[^]*WITHOUT WARRANTY OF ANY KIND/,
  );
  assert.match(notice("@zocalo/net"), /Nothing of others is in this package/);
});

/**
 * Runs a program where the tarballs are installed.
 *
 * @returns what it printed, and what it says that it prints.
 */
function run(name: string): { readonly printed: string; readonly promised: string } {
  const code = readFileSync(join(consumers, name), "utf8");
  const format = name.endsWith(".cts") ? "cjs" : "esm";
  const program = name.replace(/ts$/, "js");
  writeFileSync(join(project, program), transformSync(code, { loader: "ts", format, target: "node20" }).code);
  const printed = execFileSync(process.execPath, ["--no-warnings", program], {
    cwd: project,
    encoding: "utf8",
  });
  return { printed: printed.trim(), promised: /\/\/ (.*)\s*$/.exec(code)?.[1] ?? "" };
}

for (const [name, what] of [
  ["square.mts", "a program with all five libraries"],
  ["transport.mts", "a program with @zocalo/net/transport"],
  ["require.cts", "a program that requires them, and is no ES module"],
] as const) {
  test(`${what} runs on the installed tarballs`, () => {
    const { printed, promised } = run(name);
    assert.equal(printed, promised);
  });
}

/** A server in a program, with the page that comes along. */
const SERVE = `
  import { createLog, readPages, readSettings, Server } from "zocalo";
  const flags = { httpPort: "0", tcpPort: "0", udpPort: "0", logLevel: "silent", engine: "memory" };
  const settings = readSettings({ flags, environment: {}, directory: "." });
  const pages = readPages("node_modules/zocalo/pages/plaza");
  const server = await Server.open(settings, { pages, log: createLog(settings) });
  for (const path of ["/", "/NOTICE.txt"]) {
    const answer = await fetch("http://127.0.0.1:" + server.ports.http + path);
    console.log(path, answer.status, answer.headers.get("content-type"));
    await answer.text();
  }
  await server.stop();
`;

test("the command runs from the installed tarballs, with its page", () => {
  const command = join(project, "node_modules/zocalo/bin/zocalo.js");
  const { version } = readManifest(root);
  assert.equal(execFileSync(process.execPath, [command, "--version"], { encoding: "utf8" }).trim(), version);
  writeFileSync(join(project, "serve.mjs"), SERVE);
  const printed = execFileSync(process.execPath, ["serve.mjs"], { cwd: project, encoding: "utf8" });
  assert.equal(printed.trim(), "/ 200 text/html; charset=utf-8\n/NOTICE.txt 200 text/plain; charset=utf-8");
});

test("each TypeScript that docs/support.md names is tried with each way to resolve", () => {
  const titles = compilations(root).map(({ title }) => title);
  for (const version of ["5.5", "5.9", "6", "7"]) {
    for (const resolution of ["node16", "nodenext", "bundler"]) {
      assert.ok(titles.includes(`TypeScript ${version}, ${resolution}, in Node`));
    }
  }
  for (const { title, compiler } of compilations(root)) {
    const { version } = readManifest(dirname(dirname(compiler)));
    assert.ok(
      title.startsWith(`TypeScript ${/^(?:5\.\d+|\d+)/.exec(version)?.[0]},`),
      `${title}: ${version}`,
    );
  }
});

test("a tarball whose types are not where they are looked for is told", async () => {
  const directory = join(work, "broken");
  mkdirSync(directory);
  const entry = { types: "./nowhere.d.ts", default: "./index.js" };
  const manifest = {
    name: "broken",
    version: "1.0.0",
    type: "module",
    license: "MIT",
    exports: { ".": entry },
  };
  writeFileSync(join(directory, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(directory, "index.js"), "export const a = 1;\n");
  execFileSync("npm", ["pack", "--silent"], { cwd: directory, shell: process.platform === "win32" });
  const problems = await resolutionProblems("broken", readFileSync(join(directory, "broken-1.0.0.tgz")));
  assert.notDeepEqual(problems, []);
});

test("a path that is too long for the old header of a tarball is read whole", () => {
  const directory = join(work, "long");
  const path = `${"a-long-folder/".repeat(20)}index.js`;
  mkdirSync(dirname(join(directory, path)), { recursive: true });
  writeFileSync(join(directory, "package.json"), JSON.stringify({ name: "long", version: "1.0.0" }));
  writeFileSync(join(directory, path), "hola");
  execFileSync("npm", ["pack", "--silent"], { cwd: directory, shell: process.platform === "win32" });
  const files = readTarball(readFileSync(join(directory, "long-1.0.0.tgz")));
  assert.deepEqual(
    files.map((file) => [file.path, file.content.length]),
    [
      [path, 4],
      ["package.json", 33],
    ],
  );
});

test("a dry run shows every package, asks npm what it would do, and publishes nothing without a network", () => {
  const script = join(root, "tools/publishing/src/release.ts");
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", import.meta.resolve("tsx"), script, "--dry-run"],
    { cwd: root, encoding: "utf8", env: { ...process.env, npm_config_registry: "http://127.0.0.1:9" } },
  );
  assert.equal(status, 0, stderr);
  assert.ok(stdout.startsWith(releaseTable(tarballs, false)));
  assert.match(stdout, /npm publish --dry-run takes each of them/);
  assert.match(stdout, /Nothing was published/);
});

test("the whole list names every file of every tarball", () => {
  const lines = releaseTable(tarballs, true).split("\n");
  for (const { files } of tarballs) {
    for (const { path } of files)
      assert.ok(
        lines.some((line) => line.startsWith(`  ${path} `)),
        path,
      );
  }
});
