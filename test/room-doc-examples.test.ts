// The examples in the doc comments of @zocalo/room: whole programs, in fences, are run as they stand; what
// stands behind `@example` is run among what `room-surroundings.ts` has. Each has no type errors.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as room from "@zocalo/room";
import { docExamples, docFences } from "./doc-examples.ts";
import { type Surroundings, surroundings } from "./room-surroundings.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, "packages/room/src");
// Inside the repository, so that the package is found by its name.
mkdirSync(join(root, ".cache"), { recursive: true });
const work = mkdtempSync(join(root, ".cache", "room-examples-"));
after(() => rmSync(work, { recursive: true, force: true }));

/** Examples that only a page, or a process with a native library, can run: `webrtc-lanes.test.ts` does. */
const ELSEWHERE = ["openWebRtcLane(", "webRtcLanes("];
/** What one has from another export, which has an example. */
const MADE_BY_OTHERS: readonly string[] = [
  "Display",
  "DisplayFrame",
  "Game",
  "InputClock",
  "InputReport",
  "RoomError",
  "SteeredClock",
];

interface Example {
  readonly place: string;
  readonly code: string;
  readonly file: string;
}

const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
  .map((name) => ({ path: join(source, name), text: readFileSync(join(source, name), "utf8") }));
const programs = files.flatMap(({ path, text }) =>
  docFences(text).map(({ code, line }) => written(path, line, `${code}\nexport {};\n`)),
);
const names = await among((all) => Object.keys(all));
const fragments = files.flatMap(({ path, text }) =>
  docExamples(text).map(({ code, line }) => {
    const used = names
      .filter((name) => new RegExp(`(?<!\\w|(?<!\\.\\.)\\.)${name}\\b`).test(code))
      .join(", ");
    const head = 'import type { Surroundings } from "../../test/room-surroundings.ts";\n';
    const body = `  const { ${used} } = all;\n  {\n${code}\n  }\n  await Promise.resolve();\n`;
    return written(path, line, `${head}export async function example(all: Surroundings) {\n${body}}\n`);
  }),
);

function written(path: string, line: number, code: string): Example {
  const place = `${relative(root, path)}:${line}`;
  const file = join(work, `${place.replace(/\W+/g, "-")}.ts`);
  writeFileSync(file, code);
  return { place, code, file };
}

/** Runs something among surroundings of its own. */
async function among<T>(run: (all: Surroundings) => T | Promise<T>): Promise<T> {
  const closes: (() => unknown)[] = [];
  try {
    return await run(await surroundings(closes));
  } finally {
    for (const close of closes.reverse()) await close();
  }
}

test("what is called or made has an example in its comment", () => {
  const made = Object.entries(room).filter(([, value]) => typeof value === "function");
  const lacking = made.filter(([name]) => {
    const comment = new RegExp(
      `/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s*export (?:async )?(?:function|class|const) ${name}\\b`,
    );
    return !files.some(({ text }) => /@example|```ts/.test(comment.exec(text)?.[1] ?? ""));
  });
  assert.ok(made.length > 40);
  assert.deepEqual(lacking.map(([name]) => name).sort(), MADE_BY_OTHERS);
});

test("examples have no type errors", () => {
  const all = [...programs, ...fragments];
  const compilerOptions = {
    noUnusedLocals: false,
    noUnusedParameters: false,
    incremental: false,
    types: ["node"],
  };
  const config = {
    extends: "../../tsconfig.test.json",
    compilerOptions,
    include: [],
    files: all.map(({ file }) => file),
  };
  writeFileSync(join(work, "tsconfig.json"), JSON.stringify(config));
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [compiler, "-p", work, "--pretty", "false"], {
    cwd: work,
    encoding: "utf8",
  });
  // An error in a package is told by the type check of that package.
  const errors = stdout
    .split("\n")
    .filter((line) => all.some(({ file }) => line.includes(relative(work, file))));
  assert.ok(status === 0 || /error TS/.test(stdout), stdout);
  assert.deepEqual(errors, []);
});

for (const { place, file } of programs) {
  test(place, () => {
    const args = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx"), file];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  });
}

for (const { place, code, file } of fragments) {
  if (ELSEWHERE.some((call) => code.includes(call))) continue;
  test(place, async (t) => {
    t.mock.method(console, "log", () => undefined);
    const { example } = (await import(pathToFileURL(file).href)) as {
      readonly example: (all: Surroundings) => Promise<void>;
    };
    await among(example);
  });
}
