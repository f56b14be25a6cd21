// Every TypeScript example of the documentation is run (or built, where it is for a browser), as it stands.
//
// ```ts          runs as a module, has no type errors and ends by itself with exit code 0
// ```ts browser  has no type errors and bundles for a browser
// ```ts no-run   only parses: a fragment
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { type FencedBlock, fencedBlocks } from "./fenced-blocks.ts";

/** An example that has not ended by then hangs. */
const RUN_TIMEOUT_MS = 600_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// Inside the repository, so that the packages are found by their names.
const cache = join(root, ".cache");
mkdirSync(cache, { recursive: true });
const work = mkdtempSync(join(cache, "examples-"));
after(() => rmSync(work, { recursive: true, force: true }));

interface Example extends FencedBlock {
  /** `packages/net/README.md:12`, where its code begins. */
  readonly place: string;
  /** The module it was written to. */
  readonly file: string;
}

const examples = documents().flatMap((document) =>
  fencedBlocks(readFileSync(join(root, document), "utf8"))
    .filter(({ language }) => language === "ts")
    .map((block): Example => {
      const file = join(work, `${document.replace(/\W+/g, "-")}-${block.line}.ts`);
      // `export {}` makes a module of an example that imports nothing; line numbers stay those of the block.
      writeFileSync(file, `${block.code}\nexport {};\n`);
      return { ...block, place: `${document}:${block.line}`, file };
    }),
);

test("the fences say only what is known", () => {
  const odd = examples.filter(({ info }) => !["", "browser", "no-run"].includes(info));
  assert.deepEqual(
    odd.map(({ place, info }) => `${place} ts ${info}`),
    [],
  );
});

test("the documentation has examples", () => {
  assert.ok(examples.some(({ info }) => info === ""));
});

test("examples have no type errors", async () => {
  const checked = examples.filter(({ info }) => info !== "no-run");
  const config = join(work, "tsconfig.json");
  writeFileSync(
    config,
    JSON.stringify({
      extends: "../../tsconfig.test.json",
      compilerOptions: {
        noUnusedLocals: false,
        noUnusedParameters: false,
        incremental: false,
        types: ["node"],
      },
      include: [],
      files: checked.map(({ file }) => file),
    }),
  );
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { code, output } = await run([compiler, "-p", config, "--pretty", "false"], work);
  assert.ok(code === 0 || /\(\d+,\d+\): error TS/.test(output), output);
  // An error in a package is told by the type check of that package.
  const errors = output
    .split("\n")
    .filter((line) => checked.some(({ file }) => line.includes(relative(work, file))));
  assert.deepEqual(errors.map(placed), []);
});

describe("examples run", { concurrency: 2 }, () => {
  for (const { place, file } of examples.filter(({ info }) => info === "")) {
    test(place, async (t) => {
      const directory = mkdtempSync(join(tmpdir(), "zocalo-example-"));
      t.after(() => rmSync(directory, { recursive: true, force: true }));
      const { code, output } = await run(
        ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx"), file],
        directory,
      );
      assert.equal(code, 0, `${place} ended with ${code}\n${placed(output)}`);
    });
  }
});

describe("examples for a browser bundle", () => {
  for (const { place, file } of examples.filter(({ info }) => info === "browser")) {
    test(place, async () => {
      const { outputFiles } = await build({
        entryPoints: [file],
        bundle: true,
        write: false,
        format: "esm",
        platform: "browser",
        conditions: ["zocalo-source"],
        logLevel: "silent",
      });
      assert.ok((outputFiles[0]?.contents.length ?? 0) > 0);
    });
  }
});

test("fragments parse", async () => {
  for (const { code, place } of examples.filter(({ info }) => info === "no-run")) {
    await assert.doesNotReject(transform(code, { loader: "ts", logLevel: "silent" }), place);
  }
});

/** The README files and everything below docs/, from the root. */
function documents(): string[] {
  const packages = ["packages", "apps"].flatMap((top) =>
    readdirSync(join(root, top)).map((name) => join(top, name, "README.md")),
  );
  const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).map((name) =>
    join("docs", name),
  );
  return ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ...packages, ...docs.sort()]
    .filter((file) => file.endsWith(".md"))
    .filter((file) => statSync(join(root, file), { throwIfNoEntry: false })?.isFile());
}

/** What a tool says, with the places in the documents instead of those in the temporary modules. */
function placed(output: string): string {
  let text = output;
  for (const { file, place, line } of examples) {
    const document = place.slice(0, place.lastIndexOf(":"));
    const name = relative(work, file).replaceAll(".", "\\.");
    text = text.replace(new RegExp(`(?:file://)?[^\\s(]*${name}[:(](\\d+)`, "g"), (_, inBlock: string) => {
      return `${document}:${Number(inBlock) + line - 1}`;
    });
  }
  return text;
}

function run(args: readonly string[], cwd: string): Promise<{ code: number | string; output: string }> {
  return new Promise((resolve) => {
    const options = { cwd, timeout: RUN_TIMEOUT_MS, killSignal: "SIGKILL" } as const;
    execFile(process.execPath, [...args], options, (error, stdout, stderr) => {
      const isLate = error?.killed === true;
      const code = isLate ? `no end after ${RUN_TIMEOUT_MS} ms` : (error?.code ?? 0);
      resolve({ code, output: `${stdout}${stderr}` });
    });
  });
}
