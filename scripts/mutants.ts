// `npm run mutants [-- NAME … --seed S --seconds N --share N]`: puts a fault into a copy of the tree, one at
// a time, and demands that the integrity driver, or the simulation, finds it. The faults are the patches in
// `test/mutants`. Their first lines say who has to find it, what it is, and what has to be said of it.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * What can find a fault: the integrity driver of a package, or the simulation of hub and client, over the
 * engine in memory or over the one on disk.
 */
const DRIVERS = ["net", "websocket", "simulation", "durable"] as const;
const SIMULATE = [join("test", "simulation", "simulate.ts"), "--seed", "1"];

/** A fault that was once there, or could be. */
export interface Mutant {
  readonly name: string;
  readonly driver: (typeof DRIVERS)[number];
  /** What is wrong, in one sentence. */
  readonly fault: string;
  /** What the driver says when it has found this fault, and not another one. */
  readonly expect: RegExp;
  /** Left out of a share: it needs what not every machine has, or time. */
  readonly needs: string | undefined;
  readonly patch: string;
}

/** Reads `Driver: net`, `Fault: …`, `Expect: …` and `Needs: …` from the head of a patch. */
export function readMutant(path: string): Mutant {
  const [head = ""] = readFileSync(path, "utf8").split(/^diff /m);
  const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(head)?.[1];
  const driver = DRIVERS.find((name) => name === field("Driver"));
  const fault = field("Fault");
  const expect = field("Expect");
  if (driver === undefined || fault === undefined || expect === undefined) {
    throw new Error(
      `${path} does not begin with "Driver: net", "websocket", "simulation" or "durable", "Fault: …" and "Expect: REGULAR EXPRESSION"`,
    );
  }
  return {
    name: basename(path, ".patch"),
    driver,
    fault,
    expect: new RegExp(expect),
    needs: field("Needs"),
    patch: path,
  };
}

/** The mutants of a share: `count` of them, as `seed` has it. */
export function shareOf(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  const left = mutants.filter(({ needs }) => needs === undefined);
  const share: Mutant[] = [];
  for (let state = seed; share.length < count && left.length > 0; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    share.push(...left.splice(state % left.length, 1));
  }
  return share;
}

/** All mutants there are. */
export function allMutants(): Mutant[] {
  const directory = join(root, "test", "mutants");
  const patches = readdirSync(directory).filter((name) => name.endsWith(".patch"));
  return patches.sort().map((name) => readMutant(join(directory, name)));
}

/**
 * What the driver says of a copy with the fault: its finding, or `undefined` if it found nothing.
 *
 * @throws Error if the driver crashed, or found something else.
 */
export function hunt(mutant: Mutant, seconds: number): string | undefined {
  const { driver, patch } = mutant;
  const copy = mkdtempSync(join(tmpdir(), "zocalo-mutant-"));
  try {
    copyTree(copy);
    const applied = spawnSync("git", ["apply", "--whitespace=nowarn", patch], {
      cwd: copy,
      encoding: "utf8",
    });
    if (applied.status !== 0) throw new Error(`${patch} no longer applies: ${applied.stderr}`);
    const tsx = import.meta.resolve("tsx");
    const program =
      driver === "simulation"
        ? SIMULATE
        : driver === "durable"
          ? [...SIMULATE, "--engine", "durable"]
          : [join("packages", driver, "test", "integrity", "drive.ts"), "--as-drawn"];
    const args = ["--conditions=zocalo-source", "--import", tsx, ...program, "--seconds", String(seconds)];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: copy,
      encoding: "utf8",
      env: { ...process.env, ZOCALO_POISON: "1", NODE_TEST_CONTEXT: undefined },
    });
    return findingOf(mutant, status, `${stdout}\n${stderr}`);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** The driver has found a fault, in other words than the patch has them: mostly another face of the same. */
export class OtherFinding extends Error {
  constructor(expect: RegExp, line: string) {
    super(`the driver found something else than ${String(expect)}: ${line}`);
  }
}

/**
 * What a driver has found that ended with `status`, `null` for a signal, and printed `output`; `undefined` if
 * nothing.
 *
 * @throws Error if it crashed, or found something else than the mutant.
 */
export function findingOf({ expect }: Mutant, status: number | null, output: string): string | undefined {
  if (status === 0) return undefined;
  // What failed over a slow link tells it on the lines that follow.
  const [, finding] = /^(FAILED .*?)(?=^drawn: |$(?![^]))/ms.exec(output) ?? [];
  if (finding === undefined) throw new Error(`the driver crashed: ${output.trim().slice(-500)}`);
  const [line = ""] = finding.split("\n");
  if (!expect.test(finding)) throw new OtherFinding(expect, line);
  return line;
}

/**
 * What git tracks, as it is in the working tree. The packages that are installed are shared; those of this
 * workspace are the copy's own.
 */
export function copyTree(copy: string, from = root): void {
  const listed = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: from,
    encoding: "utf8",
  });
  // What is deleted in the working tree git still lists.
  const files = listed.stdout.split("\0").filter((path) => path !== "" && existsSync(join(from, path)));
  for (const file of files) {
    cpSync(join(from, file), join(copy, file), { force: true, errorOnExist: false });
  }
  const installed = join(root, "node_modules");
  const modules = join(copy, "node_modules");
  cpSync(join(installed, "@zocalo"), join(modules, "@zocalo"), { recursive: true, verbatimSymlinks: true });
  for (const name of readdirSync(installed)) {
    if (name !== "@zocalo") symlinkSync(join(installed, name), join(modules, name));
  }
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: "string" }, seed: { type: "string" }, share: { type: "string" } },
  });
  const named = allMutants().filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const mutants =
    values.share === undefined ? named : shareOf(named, Number(values.share), Number(values.seed ?? 1));
  let missed = 0;
  for (const mutant of mutants) {
    console.log(`${mutant.name}: ${mutant.fault}`);
    const started = performance.now();
    let found: string | undefined;
    let reason = "";
    try {
      found = hunt(mutant, Number(values.seconds ?? 60));
    } catch (error) {
      reason = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (found === undefined) missed += 1;
    console.log(
      found === undefined ? `  NOT FOUND in ${seconds} s${reason}` : `  found after ${seconds} s: ${found}`,
    );
  }
  console.log(`${mutants.length - missed} of ${mutants.length} found`);
  process.exitCode = missed > 0 || mutants.length === 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
