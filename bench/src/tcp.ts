import { join } from "node:path";
import { BEFORE, comparison } from "./against.ts";
import { alternate, median, type ServerProcess, spawnServer } from "./measure.ts";
import { type Results, ratioTable, writeResults } from "./results.ts";
import { canPin, compiled, SERVER_CPU, startLoad } from "./tcp-programs.ts";

export const title = "TCP: server CPU per echoed message, beside raw node:net and C with epoll";

const CONTENDERS = ["node:net", "conn, iterated", "conn, handler"] as const;
const OURS = ["conn, iterated", "conn, handler"] as const;
const C = "C, epoll";

interface Case {
  readonly name: string;
  readonly connections: number;
  readonly payloadBytes: number;
  readonly inFlight: number;
}

const CASES: readonly Case[] = [16, 65_536].flatMap((payloadBytes) =>
  [1, 16].map((inFlight) => ({
    name: `${payloadBytes === 16 ? "16 B" : "64 KiB"}, ${inFlight} in flight`,
    connections: 100,
    payloadBytes,
    inFlight,
  })),
);

interface Figure {
  /** Server CPU for each message, in microseconds. */
  readonly cpuUs: number;
  /** True if the load had no time to spare and the server had. */
  readonly isLoadBound: boolean;
}

/**
 * Measures and prints, and writes `bench/results/tcp.json` and `.svg`.
 *
 * @param args `--quick` for a short run that writes nothing; `--only TEXT` for the cases whose name has TEXT;
 * `--against DIRECTORY` for this beside a checkout of another commit that is built, in turn, which writes
 * nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const only = args.includes("--only") ? (args[args.indexOf("--only") + 1] ?? "") : "";
  const cases = CASES.filter(({ name }) => name.includes(only));
  const rounds = isQuick ? 3 : 9;
  const durationMs = isQuick ? 300 : 1000;
  const before = args.includes("--against") ? args[args.indexOf("--against") + 1] : undefined;
  const load = compiled("tcp-load");
  const echo = compiled("echo");
  if (load === undefined) console.log("No C compiler: no C server beside it, and the load runs on Node.");
  const values: Record<string, Record<string, number>> = {};
  for (const one of cases) {
    const servers = before === undefined ? await startServers(echo) : await startBoth(before);
    try {
      const measured = Object.fromEntries(
        [...servers].map(([name, server]) => [name, () => measure(server, load, one, durationMs)]),
      );
      await alternate(measured, 1); // Warm up.
      for (const [name, figures] of Object.entries(await alternate(measured, rounds))) {
        (values[name] ??= {})[one.name] = median(figures.map(({ cpuUs }) => cpuUs));
        if (figures.filter(({ isLoadBound }) => isLoadBound).length * 2 > rounds) {
          console.log(
            `note: ${one.name}, ${name}: the load was the bottleneck, the server had time to spare`,
          );
        }
      }
    } finally {
      for (const server of servers.values()) await server.stop();
    }
  }
  const results: Results = {
    title: "TCP echo, 100 connections",
    unit: "µs of server CPU per message",
    isLessBetter: true,
    columns: cases.map(({ name }) => name),
    rows: Object.entries(values).map(([name, found]) => ({ name, values: found })),
    baseline: "node:net",
  };
  if (before !== undefined) {
    for (const name of OURS) {
      const [first, again] = BEFORE.map((each) => ({ name: each, values: values[`${name}, ${each}`] ?? {} }));
      const rows = [first, again, { name, values: values[name] ?? {} }].filter((row) => row !== undefined);
      console.log(`\n${comparison({ ...results, title: name, rows }, name)}`);
    }
  } else if (isQuick || only !== "") console.log(`\n${ratioTable(results)}`);
  else writeResults("tcp", results);
}

async function startServers(echo: string | undefined): Promise<Map<string, ServerProcess>> {
  const cpu = canPin ? { cpu: SERVER_CPU } : {};
  const servers = new Map<string, ServerProcess>();
  for (const name of CONTENDERS) {
    servers.set(
      name,
      await spawnServer(new URL("./tcp-server.ts", import.meta.url), { args: [name], ...cpu }),
    );
  }
  if (echo !== undefined) servers.set(C, await spawnServer(echo, { runtime: null, ...cpu }));
  return servers;
}

/** What a checkout of another commit has, twice, and this. */
async function startBoth(directoryBefore: string): Promise<Map<string, ServerProcess>> {
  const cpu = canPin ? { cpu: SERVER_CPU } : {};
  const servers = new Map<string, ServerProcess>();
  for (const name of OURS) {
    const here = new URL("./tcp-server.ts", import.meta.url);
    for (const each of BEFORE) {
      const there = join(directoryBefore, "bench/src/tcp-server.ts");
      servers.set(`${name}, ${each}`, await spawnServer(there, { args: [name], ...cpu }));
    }
    servers.set(name, await spawnServer(here, { args: [name], ...cpu }));
  }
  return servers;
}

async function measure(
  server: ServerProcess,
  program: string | undefined,
  one: Case,
  durationMs: number,
): Promise<Figure> {
  const load = await startLoad(program, server.port, one);
  try {
    await load.run(durationMs / 5);
    const before = server.cpuMs();
    const { messages, elapsedUs, ownCpuUs } = await load.run(durationMs);
    const serverUs = (server.cpuMs() - before) * 1000;
    const isLoadBound = ownCpuUs > elapsedUs * 0.95 && serverUs < elapsedUs * 0.9;
    return { cpuUs: serverUs / messages, isLoadBound };
  } finally {
    await load.stop();
  }
}
