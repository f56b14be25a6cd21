import { setTimeout as wait } from "node:timers/promises";
import {
  alternate,
  connectionLimit,
  connections,
  median,
  type ServerProcess,
  settledRss,
  spawnServer,
} from "./measure.ts";
import { type Results, ratioTable, writeResults } from "./results.ts";
import { canPin, compiled, type LoadProcess, SERVER_CPU, startLoad } from "./tcp-programs.ts";

export const title = "TCP: memory of an idle connection, and 10,000 connections opened and closed";

const CONTENDERS = ["node:net", "conn, iterated", "conn, handler"] as const;

interface Figure {
  readonly bytesPerConnection: number;
  /** Server CPU for opening, one message, and closing, in microseconds. */
  readonly cpuUsPerConnection: number;
  /** All of them opened and answered, and all of them closed, in milliseconds. */
  readonly elapsedMs: number;
}

/**
 * Measures and prints, and writes `bench/results/idle-memory.json` and `.svg`, and `open-close.json` and
 * `.svg`.
 *
 * @param args `--quick` for 2,000 connections and one round, which writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const limit = connectionLimit();
  const count = connections(isQuick ? 2000 : 10_000);
  const program = compiled("tcp-load");
  const measured = Object.fromEntries(
    CONTENDERS.map((name) => [name, () => measure(name, program, count, limit)]),
  );
  const figures = await alternate(measured, isQuick ? 1 : 5);
  const common = { isLessBetter: true, baseline: "node:net" } as const;
  const column = `${count.toLocaleString("en-US")} connections`;
  const rows = (pick: (figure: Figure) => number): Results["rows"] =>
    CONTENDERS.map((name) => ({ name, values: { [column]: median((figures[name] ?? []).map(pick)) } }));
  const memory: Results = {
    ...common,
    title: "Memory of an idle TCP connection, after one message",
    unit: "bytes per connection",
    columns: [column],
    rows: rows(({ bytesPerConnection }) => bytesPerConnection),
  };
  const openClose: Results = {
    ...common,
    title: "TCP connections opened, answered once and closed, all at the same time",
    unit: "µs of server CPU per connection",
    columns: [column],
    rows: rows(({ cpuUsPerConnection }) => cpuUsPerConnection),
  };
  for (const [name, results] of Object.entries({ "idle-memory": memory, "open-close": openClose })) {
    if (isQuick) console.log(`\n${ratioTable(results)}`);
    else {
      console.log();
      writeResults(name, results);
    }
  }
  for (const name of CONTENDERS) {
    const elapsed = median((figures[name] ?? []).map(({ elapsedMs }) => elapsedMs));
    console.log(`${name}: all opened, answered and closed in ${Math.round(elapsed)} ms`);
  }
}

/** A fresh server for each, so that what others left behind does not count. */
async function measure(
  name: string,
  program: string | undefined,
  count: number,
  limit: number,
): Promise<Figure> {
  const cpu = canPin ? { cpu: SERVER_CPU } : {};
  const server = await spawnServer(new URL("./tcp-server.ts", import.meta.url), { args: [name], ...cpu });
  try {
    await closeAll(await openAll(server, program, 500, limit)); // Code and tables that all connections share.
    const before = await settledRss(server);
    const startedAt = performance.now();
    const cpuBefore = server.cpuMs();
    const loads = await openAll(server, program, count, limit);
    const openedMs = performance.now() - startedAt;
    const openedCpuMs = server.cpuMs() - cpuBefore;
    const after = await settledRss(server);
    const cpuOpen = server.cpuMs();
    const closingAt = performance.now();
    await closeAll(loads);
    const closedMs = await untilIdle(server, performance.now() - closingAt);
    return {
      bytesPerConnection: (after - before) / count,
      cpuUsPerConnection: ((openedCpuMs + server.cpuMs() - cpuOpen) * 1000) / count,
      elapsedMs: openedMs + closedMs,
    };
  } finally {
    await server.stop();
  }
}

/**
 * Opens connections, in as many processes as their limit of descriptors makes necessary, and sends a message
 * on each.
 */
async function openAll(
  server: ServerProcess,
  program: string | undefined,
  count: number,
  limit: number,
): Promise<LoadProcess[]> {
  const loads: LoadProcess[] = [];
  for (let left = count; left > 0; left -= limit) {
    const connections = Math.min(left, limit);
    loads.push(await startLoad(program, server.port, { connections, payloadBytes: 16, inFlight: 1 }));
  }
  for (const load of loads) await load.run(0);
  return loads;
}

async function closeAll(loads: readonly LoadProcess[]): Promise<void> {
  await Promise.all(loads.map((load) => load.stop()));
}

/** Waits until the server has nothing more to do; gives `elapsedMs` and what that took. */
async function untilIdle(server: ServerProcess, elapsedMs: number): Promise<number> {
  const startedAt = performance.now();
  let idleAt = startedAt;
  for (let last = -1, now = server.cpuMs(); now !== last; now = server.cpuMs()) {
    last = now;
    idleAt = performance.now();
    await wait(100);
  }
  return elapsedMs + idleAt - startedAt;
}
