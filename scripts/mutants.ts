// `npm run mutants [-- NAME … --seed S --seconds N --share N]`: puts a fault into a copy of the tree, one at a time, and demands that the integrity driver finds it.
// The faults are the patches in `test/mutants`. Their first lines say which driver has to find it, and what it is.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** A fault that was once there, or could be. */
export interface Mutant {
  readonly name: string;
  readonly driver: "net" | "websocket";
  /** What is wrong, in one sentence. */
  readonly fault: string;
  /** Left out of a share: it needs what not every machine has, or time. */
  readonly needs: string | undefined;
  readonly patch: string;
}

/** Reads `Driver: net`, `Fault: …` and `Needs: …` from the head of a patch. */
export function readMutant(path: string): Mutant {
  const [head = ""] = readFileSync(path, "utf8").split(/^diff /m);
  const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(head)?.[1];
  const driver = field("Driver");
  const fault = field("Fault");
  if ((driver !== "net" && driver !== "websocket") || fault === undefined) {
    throw new Error(`${path} does not begin with "Driver: net" or "Driver: websocket" and "Fault: …"`);
  }
  return { name: basename(path, ".patch"), driver, fault, needs: field("Needs"), patch: path };
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

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** All mutants there are. */
export function allMutants(): Mutant[] {
  const directory = join(root, "test", "mutants");
  const patches = readdirSync(directory).filter((name) => name.endsWith(".patch"));
  return patches.sort().map((name) => readMutant(join(directory, name)));
}

/** What the driver said in a copy with the fault: what it found, or `undefined` if it found nothing. */
export function hunt({ driver, patch }: Mutant, seconds: number): string | undefined {
  const copy = mkdtempSync(join(tmpdir(), "zocalo-mutant-"));
  try {
    copyTree(copy);
    const applied = spawnSync("git", ["apply", "--whitespace=nowarn", patch], {
      cwd: copy,
      encoding: "utf8",
    });
    if (applied.status !== 0) throw new Error(`${patch} no longer applies: ${applied.stderr}`);
    const tsx = import.meta.resolve("tsx");
    const program = join("packages", driver, "test", "integrity", "drive.ts");
    const args = [
      "--conditions=zocalo-source",
      "--import",
      tsx,
      program,
      "--as-drawn",
      "--seconds",
      String(seconds),
    ];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: copy,
      encoding: "utf8",
      env: { ...process.env, ZOCALO_POISON: "1", NODE_TEST_CONTEXT: undefined },
    });
    if (status === 0) return undefined;
    const said = `${stdout}${stderr}`;
    return said.split("\n").find((line) => line.startsWith("FAILED")) ?? said.slice(-500);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** What git tracks, as it is in the working tree. The packages that are installed are shared; those of this workspace are the copy's own. */
export function copyTree(copy: string): void {
  const listed = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  });
  for (const file of listed.stdout.split("\0").filter((path) => path !== "")) {
    cpSync(join(root, file), join(copy, file), { force: true, errorOnExist: false });
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
    const found = hunt(mutant, Number(values.seconds ?? 60));
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (found === undefined) missed += 1;
    console.log(found === undefined ? `  NOT FOUND in ${seconds} s` : `  found after ${seconds} s: ${found}`);
  }
  console.log(`${mutants.length - missed} of ${mutants.length} found`);
  process.exitCode = missed > 0 || mutants.length === 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
