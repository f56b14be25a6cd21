// Runs the cases against the commands, `zocalo listen … --echo` and `zocalo dial … --echo`, each with and
// without `--compress`:
//   npm run conformance [-- --short] [--share N] [--only PREFIX,PREFIX] [--side listen|dial]
//     [--plain|--compress]
// It prints a table and what failed; the exit code is 1 if anything did.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Case } from "./case.ts";
import { casesFor, sectionOf, SECTIONS } from "./cases.ts";
import { ClientSubject, ServerSubject, type Subject } from "./subjects.ts";

const BIN = fileURLToPath(new URL("../../../zocalo/dist/bin.js", import.meta.url));
/** Cases at once: one waits while the other works. */
const AT_ONCE = 2;

const { values } = parseArgs({
  options: {
    /** Only cases that do not take long. */
    short: { type: "boolean", default: false },
    /** Only every Nth case. */
    share: { type: "string", default: "1" },
    /** Only cases whose number begins with one of these. */
    only: { type: "string" },
    side: { type: "string" },
    plain: { type: "boolean", default: false },
    compress: { type: "boolean", default: false },
  },
});

interface Tally {
  passed: number;
  failed: number;
  ms: number;
}

/** A column of the table. */
interface Run {
  readonly name: string;
  readonly sections: Map<string, Tally>;
  peakMiB: number;
  /** The longest that a case took which is not called long, in milliseconds. */
  slowestMs: number;
}

const failures: string[] = [];
const runs: Run[] = [];
const total = performance.now();
for (const side of ["listen", "dial"] as const) {
  if (values.side !== undefined && values.side !== side) continue;
  for (const isCompressing of [false, true]) {
    if (isCompressing ? values.plain && !values.compress : values.compress && !values.plain) continue;
    runs.push(await (side === "listen" ? tryListen(isCompressing) : tryDial(isCompressing)));
  }
}
report();
process.exitCode = failures.length === 0 ? 0 : 1;

function zocalo(side: string, url: string, isCompressing: boolean): ChildProcess {
  const args = [BIN, side, url, "--echo", ...(isCompressing ? ["--compress"] : [])];
  return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
}

async function tryListen(isCompressing: boolean): Promise<Run> {
  const run = newRun("listen", isCompressing);
  const child = zocalo("listen", "ws://127.0.0.1:0", isCompressing);
  try {
    const port = await new Promise<number>((resolve, reject) => {
      let text = "";
      child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        const line = /^\{"event":"listening".*\}$/m.exec(text);
        if (line !== null) resolve((JSON.parse(line[0]) as { port: number }).port);
      });
      child.on("close", () => reject(new Error(`zocalo listen ended: ${text}`)));
    });
    await runAll(new ServerSubject(port, isCompressing), run);
    run.peakMiB = peakOf(child);
    if (child.exitCode !== null) failures.push(`${run.name}: the process ended with ${child.exitCode}`);
    child.kill("SIGTERM");
    await once(child, "close");
  } finally {
    child.kill("SIGKILL");
  }
  return run;
}

async function tryDial(isCompressing: boolean): Promise<Run> {
  const run = newRun("dial", isCompressing);
  const start = async (url: string, { mustRefuse }: Case): Promise<void> => {
    const child = zocalo("dial", url, isCompressing);
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
    const [code] = (await once(child, "close")) as [number | null];
    const isQuiet = /^(?:zocalo: [^\n]*\n)?$/.test(stderr);
    // A case that fails the connection is a failure of the command; a defect of its own would show a stack.
    if ((code !== 0 && code !== 1) || !isQuiet || (mustRefuse && code !== 1))
      throw new Error(`zocalo dial ended with ${code}: ${stderr}`);
  };
  await using subject = await ClientSubject.open(isCompressing, start, true);
  await runAll(subject, run);
  return run;
}

function newRun(side: string, isCompressing: boolean): Run {
  return {
    name: `${side}${isCompressing ? " --compress" : ""}`,
    sections: new Map(),
    peakMiB: 0,
    slowestMs: 0,
  };
}

async function runAll(subject: Subject, run: Run): Promise<void> {
  const prefixes = values.only?.split(",");
  const cases = casesFor(subject)
    .filter(({ isLong }) => !values.short || !isLong)
    .filter(({ id }) => prefixes === undefined || prefixes.some((prefix) => id.startsWith(prefix)))
    .filter((_, i) => i % Number(values.share) === 0);
  const queue = cases[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const each of queue) await runOne(each, subject, run);
    }),
  );
}

async function runOne(each: Case, subject: Subject, run: Run): Promise<void> {
  const tally = run.sections.get(sectionOf(each)) ?? { passed: 0, failed: 0, ms: 0 };
  run.sections.set(sectionOf(each), tally);
  const started = performance.now();
  try {
    await subject.run(each);
    tally.passed++;
  } catch (error) {
    tally.failed++;
    failures.push(
      `${run.name}: ${each.id} ${each.title}: ${error instanceof Error ? error.message : String(error)}`,
    );
    console.log(`FAILED ${failures.at(-1)}`);
  }
  const ms = performance.now() - started;
  tally.ms += ms;
  if (!each.isLong) run.slowestMs = Math.max(run.slowestMs, ms);
}

/** The most memory a process has had, in MiB; 0 where the system does not tell. */
function peakOf({ pid }: ChildProcess): number {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return 0;
  return Math.round(Number(/VmHWM:\s*(\d+)/.exec(readFileSync(file, "utf8"))?.[1] ?? 0) / 1024);
}

function report(): void {
  const head = ["section", ...runs.map(({ name }) => name)];
  const tried = Object.entries(SECTIONS).filter(([section]) =>
    runs.some(({ sections }) => sections.has(section)),
  );
  const rows = tried.map(([section, title]) => [
    `${section} ${title}`,
    ...runs.map(({ sections }) => {
      const tally = sections.get(section);
      if (tally === undefined) return "–";
      const all = tally.passed + tally.failed;
      return `${tally.passed}/${all} ${(tally.ms / 1000).toFixed(1)} s`;
    }),
  ]);
  rows.push(["peak memory", ...runs.map(({ peakMiB }) => (peakMiB === 0 ? "–" : `${peakMiB} MiB`))]);
  rows.push(["slowest short case", ...runs.map(({ slowestMs }) => `${slowestMs.toFixed(0)} ms`)]);
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => (row[i] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ");
  console.log([head, ...rows].map(line).join("\n"));
  const passed = runs
    .flatMap(({ sections }) => [...sections.values()])
    .reduce((sum, each) => sum + each.passed, 0);
  const seconds = ((performance.now() - total) / 1000).toFixed(0);
  console.log(`${passed} passed, ${failures.length} failed, in ${seconds} s`);
  for (const failure of failures) console.log(`FAILED ${failure}`);
}
