// `npm test [-- FILE|DIRECTORY|PART-OF-A-PATH … --no-build --poison
// --test-…]`: real programs, then the build, then every test. With `--poison` memory is overwritten as soon
// as nobody may read it any more (decision 0011).
import { spawn, spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ensurePrograms } from "./ensure-programs.ts";
import { forPlatform } from "./elsewhere.ts";
import { findTests } from "./find-tests.ts";

/**
 * A file that hangs fails after this long instead of holding up the run for ever. On a machine with ten busy
 * processes some take minutes.
 */
const FILE_TIMEOUT_MS = 900_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const { flags, patterns } = parse(process.argv.slice(2));
const { files, leftOut } = forPlatform(findTests(root, patterns));
for (const [reason, names] of leftOut) {
  console.log(`Not on ${process.platform}, for want of ${reason}: ${names.join(", ")}`);
}
if (files.length === 0) {
  fail(patterns.length === 0 ? "No test files found." : `No test file matches ${patterns.join(" ")}.`);
}

const sentence = await ensurePrograms();
if (sentence !== undefined) fail(sentence);

if (!flags.has("--no-build")) {
  // The compiler and the bundler are not what coverage measures, and it would slow them down.
  const { NODE_V8_COVERAGE: _, ...env } = process.env;
  const build = spawnSync("npm run build --silent", { cwd: root, stdio: "inherit", env, shell: true });
  if (build.status !== 0) fail("The build failed, so no test was run.");
}

const runnerArgs = [
  "--conditions=zocalo-source",
  "--import",
  import.meta.resolve("tsx"),
  "--import",
  import.meta.resolve("./failing-assertions.mjs"),
  "--test",
  "--test-reporter=spec",
  `--test-timeout=${FILE_TIMEOUT_MS}`,
  ...[...flags].filter((flag) => flag.startsWith("--test-")),
  ...files,
];
const env = flags.has("--poison") ? { ...process.env, ZOCALO_POISON: "1" } : process.env;
const runner = spawn(process.execPath, runnerArgs, { cwd: root, stdio: "inherit", env });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => runner.kill(signal));
runner.on("exit", (code) => process.exit(code ?? 1));

function parse(args: readonly string[]): { flags: Set<string>; patterns: string[] } {
  const given = new Set(args.filter((arg) => arg.startsWith("-")));
  for (const flag of given) {
    const isKnown = flag === "--no-build" || flag === "--poison" || flag.startsWith("--test-");
    if (!isKnown) fail(`Unknown flag ${flag}; known: --no-build, --poison and the --test-… flags of node.`);
  }
  return { flags: given, patterns: args.filter((arg) => !arg.startsWith("-")) };
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
