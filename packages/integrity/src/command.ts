import { writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { type CaseBase, type FoundFailure, runCase, runCases, type Scenario } from "./run.ts";

/**
 * The command line of a driver: `--minutes N`, `--seconds N`, `--seed S`, `--scenario NAME`, `--cases N`,
 * `--case JSON`, `--verbose`, `--survey`, which goes on after a failure, and `--as-drawn`, which ends with
 * the first failure and tries nothing simpler. Ends the process, with 1 if a case failed.
 *
 * @param name How the driver is called by `--only`.
 */
export async function command(
  name: string,
  scenarios: readonly Scenario[],
  args: readonly string[],
): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string" },
      seconds: { type: "string" },
      cases: { type: "string" },
      seed: { type: "string" },
      scenario: { type: "string", multiple: true },
      case: { type: "string" },
      repeat: { type: "string" },
      verbose: { type: "boolean" },
      survey: { type: "boolean" },
      "as-drawn": { type: "boolean" },
      "hang-seconds": { type: "string" },
    },
  });
  const hangLooks = 10 * Number(values["hang-seconds"] ?? 30);
  if (values.case !== undefined) {
    return repeat(scenarios, JSON.parse(values.case) as CaseBase, Number(values.repeat ?? 20), hangLooks);
  }
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const seconds = Number(values.seconds ?? 0) + 60 * Number(values.minutes ?? 0);
  const wanted = scenarios.filter(
    (scenario) => values.scenario === undefined || values.scenario.includes(scenario.name),
  );
  say(`integrity ${name}: seed ${seed}, Node ${process.version}`);
  const started = performance.now();
  const counts = new Map<string, number>();
  let failures = 0;
  const onFailure = (drawn: CaseBase, error: Error): void => {
    failures += 1;
    say(
      `FAILED ${error.name === "IntegrityFailure" ? error.message : error.stack}\n  ${JSON.stringify(drawn)}`,
    );
  };
  const result = await runCases({
    scenarios: wanted,
    seed,
    cases: values.cases === undefined ? undefined : Number(values.cases),
    forMs: seconds > 0 ? seconds * 1000 : values.cases === undefined ? 60_000 : undefined,
    hangLooks,
    shrinks: values["as-drawn"] !== true,
    onFailure: values.survey === true ? onFailure : undefined,
    onCase(drawn) {
      counts.set(drawn.scenario, (counts.get(drawn.scenario) ?? 0) + 1);
      if (values.verbose === true)
        say(`${Math.round(performance.now() - started)} ms ${JSON.stringify(drawn)}`);
    },
  });
  if (failures > 0) say(`${failures} cases failed`);
  const tookSeconds = (performance.now() - started) / 1000;
  const each = [...counts].map(([scenario, count]) => `${scenario} ${count}`).join(", ");
  say(`integrity ${name}: ${result.cases} cases in ${tookSeconds.toFixed(1)} s (${each})`);
  if (result.failure === undefined) process.exit(failures === 0 ? 0 : 1);
  say(describeFailure(name, result.failure));
  process.exit(1);
}

/** What a person needs to see of a failure, and to see it again. */
export function describeFailure(name: string, { seed, original, shrunk, error }: FoundFailure): string {
  return [
    `FAILED with seed ${seed}: ${error.message}`,
    `drawn:  ${JSON.stringify(original)}`,
    `shrunk: ${JSON.stringify(shrunk)}`,
    `again:  npm run integrity -- --only ${name} --case '${JSON.stringify(shrunk)}'`,
    error.name === "IntegrityFailure" ? "" : (error.stack ?? ""),
  ].join("\n");
}

async function repeat(
  scenarios: readonly Scenario[],
  drawn: CaseBase,
  times: number,
  hangLooks: number,
): Promise<void> {
  const scenario = scenarios.find(({ name }) => name === drawn.scenario);
  if (scenario === undefined) throw new Error(`no scenario is called ${drawn.scenario}`);
  for (let i = 1; i <= times; i += 1) {
    const error = await runCase(scenario, drawn, hangLooks);
    if (error === undefined) continue;
    say(`FAILED at run ${i} of ${times}: ${error.stack ?? error.message}`);
    process.exit(1);
  }
  say(`passed ${times} times`);
  process.exit(0);
}

/** At once, so that nothing is lost when the process ends. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}
