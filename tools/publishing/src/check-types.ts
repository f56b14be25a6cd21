// `npm run check:types`: what npm would publish, as the tools of those who install it see it. The packed
// files are linted, resolved as each kind of project does, and used by programs under every TypeScript that
// is supported.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { resolutionProblems } from "./check-resolution.ts";
import { compilations, copyConsumers, type Compilation } from "./consumers.ts";
import { borrow, installTarballs } from "./install-tarballs.ts";
import { makeTarballs } from "./make-tarballs.ts";

/** More only make each other wait. */
const AT_ONCE = 2;

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const work = realpathSync(mkdtempSync(join(tmpdir(), "zocalo-types-")));
try {
  const problems: string[] = [];
  const tarballs = makeTarballs(root, join(work, "tarballs"));
  for (const { name, path } of tarballs)
    problems.push(...(await resolutionProblems(name, readFileSync(path))));
  const directory = join(work, "project");
  mkdirSync(directory);
  installTarballs(root, directory, tarballs);
  borrow(root, directory, ["@types/node", "undici-types"]);
  copyConsumers(directory);
  const waiting = compilations(root);
  const count = waiting.length;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        problems.push(...(await compile(directory, next)));
      }
    }),
  );
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
  else
    console.log(
      `Types: ${tarballs.length} tarballs resolve, and ${count} compilations of strangers' programs pass`,
    );
} finally {
  rmSync(work, { recursive: true });
}

/** @returns what the compiler says, if it is not content. */
async function compile(directory: string, { title, compiler, args }: Compilation): Promise<string[]> {
  const child = spawn(process.execPath, [compiler, ...args], { cwd: directory });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  }
  const code = await new Promise((resolve) => child.once("close", resolve));
  return code === 0 ? [] : [`${title}:`, said.trimEnd()];
}
