import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { BEFORE, type Before, comparison, isBefore } from "./against.ts";
import { alternate, median, type ServerProcess, settledRss, spawnServer, STEADY_HEAP } from "./measure.ts";
import { type ResultRow, type Results, ratioTable, writeResults } from "./results.ts";
import { broadcast, closeAll, echo, idle, type Load, type Outcome, upgrades } from "./websocket-load.ts";

export const title =
  "WebSocket: server CPU per echo, broadcast, memory, upgrades; beside ws, Bun and raw TCP";

const CONTENDERS = ["zocalo", "zocalo-iterated", "ws", "bun", "net"] as const;
type Contender = (typeof CONTENDERS)[number] | Before;
/** As `websocket-server.ts` knows them. */
type ServerKind = (typeof CONTENDERS)[number] | "zocalo-upgrades" | "ws-upgrades";

/** Cores are counted from 0: the server has this one, if there are two. */
const SERVER_CPU = 0;
/** With little room for new objects a program starts slowly, on a busy machine all the more. */
const READY_TIMEOUT_MS = 60_000;
/** The checkout of `--against`. */
let directoryBefore: string | undefined;
const BUN = fileURLToPath(new URL("../../node_modules/bun/bin/bun.exe", import.meta.url));

interface Case {
  readonly name: string;
  readonly who: readonly Contender[];
  readonly isBulk?: boolean;
  measure(server: ServerProcess, path: string | undefined, durationMs: number): Promise<Outcome>;
}

function echoCase(name: string, load: Omit<Load, "durationMs">, isBulk = false): Case {
  return {
    name,
    isBulk,
    who: CONTENDERS,
    measure: (server, path, durationMs) => echo(server.pid, server.port, path, { ...load, durationMs }),
  };
}

const echoes: Case[] = [false, true].flatMap((isText) => {
  const kind = isText ? "text" : "binary";
  return [
    echoCase(`16 B ${kind}, 1 in flight`, { connections: 100, payloadBytes: 16, inFlight: 1, isText }),
    echoCase(`16 B ${kind}, 16 in flight`, { connections: 100, payloadBytes: 16, inFlight: 16, isText }),
    echoCase(`1 KiB ${kind}, 1 in flight`, { connections: 100, payloadBytes: 1024, inFlight: 1, isText }),
    echoCase(`1 KiB ${kind}, 16 in flight`, { connections: 100, payloadBytes: 1024, inFlight: 16, isText }),
  ];
});
const bulk: Case[] = [false, true].flatMap((isText) => {
  const kind = isText ? "text" : "binary";
  return [
    echoCase(`64 KiB ${kind}`, { connections: 10, payloadBytes: 65_536, inFlight: 1, isText }, true),
    echoCase(`1 MiB ${kind}`, { connections: 4, payloadBytes: 1_048_576, inFlight: 1, isText }, true),
  ];
});
const broadcasts: Case[] = [1, 16].map((inFlight) => ({
  name: `64 B to 1,000, ${inFlight === 1 ? "single" : "bursts of 16"}`,
  who: ["zocalo", "ws", "bun"],
  measure: ({ pid, port }, _path, durationMs) =>
    broadcast(pid, port, "/all", { connections: 1000, payloadBytes: 64, inFlight, isText: true, durationMs }),
}));
const compressed: Case[] = [
  {
    name: "echo 1 KiB JSON, deflate",
    who: ["zocalo", "ws"],
    measure: ({ pid, port }, _path, durationMs) =>
      echo(pid, port, "/deflate", {
        connections: 100,
        payloadBytes: 1024,
        inFlight: 1,
        isText: true,
        durationMs,
      }),
  },
  {
    name: "broadcast 1 KiB JSON to 1,000, deflate",
    who: ["zocalo", "ws"],
    measure: ({ pid, port }, _path, durationMs) =>
      broadcast(pid, port, "/all-deflate", {
        connections: 1000,
        payloadBytes: 1024,
        inFlight: 1,
        isText: true,
        durationMs,
      }),
  },
];
/** Upgrades are measured on servers of their own, set up as one does where WebSockets are all there is. */
const UPGRADE_SERVERS: ReadonlyMap<Contender, ServerKind> = new Map([
  ["before", "zocalo-upgrades"],
  ["before, again", "zocalo-upgrades"],
  ["zocalo", "zocalo-upgrades"],
  ["ws", "ws-upgrades"],
  ["bun", "bun"],
]);
/**
 * A young process takes 125 µs for an upgrade and after 20,000 of them 85, as V8 has not compiled its code
 * yet: the first ones last so many times as long as a measurement.
 */
const UPGRADE_WARM_UPS = 6;
const upgradeCases: Case[] = [1, 64].map((atOnce) => ({
  name: `upgrades, ${atOnce} at a time`,
  who: ["zocalo", "ws", "bun"],
  measure: ({ pid, port }, _path, durationMs) => upgrades(pid, port, atOnce, durationMs),
}));

/**
 * Measures and prints, and writes `bench/results/websocket-*.json` and `.svg`.
 *
 * @param args `--quick` for a short run that writes nothing; `--only TEXT` for the cases whose name has TEXT,
 * which writes the tables it leaves whole; `--who A,B` for some contenders, which writes nothing;
 * `--against DIRECTORY` for this beside a checkout of another commit that is built, in turn, which writes
 * nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const only = args.includes("--only") ? (args[args.indexOf("--only") + 1] ?? "") : "";
  const who = args.includes("--who") ? (args[args.indexOf("--who") + 1] ?? "").split(",") : CONTENDERS;
  const rounds = isQuick ? 3 : 5;
  const durationMs = isQuick ? 300 : 1000;
  directoryBefore = args.includes("--against") ? args[args.indexOf("--against") + 1] : undefined;
  const names: readonly Contender[] =
    directoryBefore === undefined
      ? CONTENDERS.filter((name) => who.includes(name) && (name !== "bun" || existsSync(BUN)))
      : [...BEFORE, "zocalo"];
  const isPinned = pinLoad();
  const chosen = (cases: readonly Case[]): Case[] => cases.filter(({ name }) => name.includes(only));

  const kinds = new Map(names.map((name) => [name, undefined] as const));
  const measured = (cases: readonly Case[], of: Servers = kinds, warmUpMs = durationMs): Promise<Figures> =>
    measureAll(chosen(cases), of, isPinned, rounds, durationMs, warmUpMs);
  const report = (name: string, results: Results, cases: readonly Case[] = []): void => {
    if (results.columns.length === 0) return;
    const isWhole = results.columns.length >= cases.length && names.length === CONTENDERS.length;
    if (directoryBefore !== undefined) console.log(`\n${comparison(results, "zocalo")}`);
    else if (isQuick || !isWhole) console.log(`\n${ratioTable(results)}`);
    else {
      console.log();
      writeResults(name, results);
    }
  };
  const cpu = await measured(echoes);
  const common = { baseline: "ws" } as const;
  report(
    "websocket-echo",
    table(cpu, names, "WebSocket echo", "µs of server CPU per message", true, common, cpuOf),
    echoes,
  );
  report(
    "websocket-echo-latency",
    table(cpu, names, "WebSocket echo, 99th percentile", "ms", true, common, p99Of),
    echoes,
  );
  const large = await measured(bulk);
  report(
    "websocket-bulk",
    table(large, names, "Large WebSocket messages", "echoes per second", false, common, rateOf),
    bulk,
  );
  report(
    "websocket-bulk-cpu",
    table(large, names, "Large WebSocket messages", "µs of server CPU per message", true, common, cpuOf),
    bulk,
  );
  const fan = await measured(broadcasts);
  report(
    "websocket-broadcast",
    table(fan, names, "WebSocket broadcast", "deliveries per second", false, common, rateOf),
    broadcasts,
  );
  report(
    "websocket-broadcast-cpu",
    table(fan, names, "WebSocket broadcast", "µs of server CPU per delivery", true, common, cpuOf),
    broadcasts,
  );
  const small = await measured(compressed);
  report(
    "websocket-deflate",
    table(small, names, "permessage-deflate", "µs of server CPU per message", true, common, cpuOf),
    compressed,
  );
  const ups = await measured(
    upgradeCases,
    new Map([...UPGRADE_SERVERS].filter(([name]) => names.includes(name))),
    UPGRADE_WARM_UPS * durationMs,
  );
  report(
    "websocket-upgrades",
    table(ups, names, "WebSocket upgrades", "per second", false, common, rateOf),
    upgradeCases,
  );
  report(
    "websocket-upgrades-cpu",
    table(ups, names, "WebSocket upgrades", "µs of server CPU each", true, common, cpuOf),
    upgradeCases,
  );
  if ("idle memory".includes(only) || only === "") {
    const common = { unit: "bytes per connection", isLessBetter: true, baseline: "ws" } as const;
    report("websocket-memory", {
      ...common,
      title: "Memory of an idle WebSocket connection after one message",
      columns: ["idle"],
      rows: await memory(names, isPinned, [["idle", "/echo"]], isQuick ? 1000 : 9000, isQuick ? 1 : 3),
    });
    // Some 300 kB each for a context.
    const deflating = names.filter((name) => isBefore(name) || name === "zocalo" || name === "ws");
    report("websocket-memory-deflate", {
      ...common,
      title: "Memory of an idle WebSocket connection after 1 KiB of compressed JSON each way",
      columns: [...COMPRESSED_PATHS.keys()],
      rows: await memory(deflating, isPinned, [...COMPRESSED_PATHS], isQuick ? 300 : 5000, 1),
    });
  }
}

type Figures = Map<string, Record<string, Outcome[]>>;

const cpuOf = (outcome: Outcome): number => outcome.cpuUs;
const rateOf = (outcome: Outcome): number => outcome.perSecond;
const p99Of = (outcome: Outcome): number => outcome.p99Ms;

/** Who is measured, with the kind of server that each has; `undefined`: that of its own name. */
type Servers = ReadonlyMap<Contender, ServerKind | undefined>;

/**
 * Each round has servers of its own: processes of one build differ by up to twice where messages are large,
 * by how their memory happens to lie.
 */
async function measureAll(
  cases: readonly Case[],
  kinds: Servers,
  isPinned: boolean,
  rounds: number,
  durationMs: number,
  warmUpMs: number,
): Promise<Figures> {
  const figures: Figures = new Map(cases.map(({ name }) => [name, {}]));
  const [first] = cases;
  for (let round = 0; first !== undefined && round < rounds; round++) {
    const servers = new Map<Contender, ServerProcess>();
    try {
      for (const [name, kind] of kinds) servers.set(name, await start(name, isPinned, kind));
      await measureOnce(first, servers, round, warmUpMs);
      for (const each of cases) {
        for (const [name, outcome] of await measureOnce(each, servers, round, durationMs))
          ((figures.get(each.name) ?? {})[name] ??= []).push(outcome);
      }
    } finally {
      for (const server of servers.values()) await server.stop();
    }
  }
  for (const [column, outcomes] of figures) {
    for (const [name, list] of Object.entries(outcomes)) {
      if (list.filter(({ isLoadBound }) => isLoadBound).length * 2 > list.length) {
        console.log(`note: ${column}, ${name}: the load was the bottleneck; its rate is a lower bound`);
      }
    }
  }
  return figures;
}

/** One case on each server that has it; another begins in each round. */
async function measureOnce(
  each: Case,
  servers: ReadonlyMap<Contender, ServerProcess>,
  round: number,
  durationMs: number,
): Promise<[Contender, Outcome][]> {
  const taking = [...servers].filter(([name]) => each.who.includes(isBefore(name) ? "zocalo" : name));
  const begin = round % Math.max(1, taking.length);
  const outcomes: [Contender, Outcome][] = [];
  for (const [name, server] of [...taking.slice(begin), ...taking.slice(0, begin)]) {
    outcomes.push([name, await each.measure(server, name === "net" ? undefined : "/echo", durationMs)]);
  }
  return outcomes;
}

function table(
  figures: Figures,
  names: readonly Contender[],
  heading: string,
  unit: string,
  isLessBetter: boolean,
  common: Pick<Results, "baseline">,
  pick: (outcome: Outcome) => number,
): Results {
  const rows = names.map((name): ResultRow => {
    const values: Record<string, number | undefined> = {};
    for (const [column, outcomes] of figures) {
      const list = outcomes[name];
      values[column] = list === undefined || list.length === 0 ? undefined : median(list.map(pick));
    }
    return { name, values };
  });
  return { title: heading, unit, isLessBetter, columns: [...figures.keys()], rows, ...common };
}

/** What the client offers, and the path on which the servers are set up for it. */
const COMPRESSED_PATHS: ReadonlyMap<string, string> = new Map([
  ["defaults, as a browser offers", "/default-takeover"],
  ["context kept", "/takeover"],
  ["no context", "/deflate"],
]);

/** A fresh server for each, so that what the other cases left behind does not count. */
async function memory(
  names: readonly Contender[],
  isPinned: boolean,
  columns: readonly (readonly [column: string, path: string])[],
  count: number,
  rounds: number,
): Promise<ResultRow[]> {
  const values = new Map<Contender, Record<string, number>>(names.map((name) => [name, {}]));
  for (const [column, path] of columns) {
    const contenders = names.map((name) => {
      const measure = () => memoryOf(name, isPinned, name === "net" ? undefined : path, count);
      return [name, measure] as const;
    });
    const figures = await alternate(Object.fromEntries(contenders), rounds);
    for (const [name, row] of values) row[column] = median(figures[name] ?? []);
  }
  return names.map((name) => ({ name, values: values.get(name) ?? {} }));
}

async function memoryOf(
  name: Contender,
  isPinned: boolean,
  path: string | undefined,
  count: number,
): Promise<number> {
  const server = await start(name, isPinned, undefined, STEADY_HEAP);
  try {
    // With these comes all that connections share, and a heap that has been in use.
    const first = await idle(server.port, path, Math.floor(count / 9));
    const before = await settledRss(server);
    const others = await idle(server.port, path, count - first.length);
    const after = await settledRss(server);
    await closeAll([...first, ...others]);
    return (after - before) / others.length;
  } finally {
    await server.stop();
  }
}

function start(
  name: Contender,
  isPinned: boolean,
  kind: ServerKind = isBefore(name) ? "zocalo" : name,
  nodeArgs: readonly string[] = [],
): Promise<ServerProcess> {
  const cpu = isPinned ? { cpu: SERVER_CPU } : {};
  if (kind === "bun") {
    return spawnServer(new URL("./websocket-server-bun.ts", import.meta.url), { runtime: BUN, ...cpu });
  }
  const file = "websocket-server.ts";
  const path =
    isBefore(name) && directoryBefore !== undefined
      ? join(directoryBefore, "bench/src", file)
      : new URL(file, import.meta.url);
  return spawnServer(path, { args: [kind], nodeArgs, readyTimeoutMs: READY_TIMEOUT_MS, ...cpu });
}

/** Keeps this process, the load, off the server's core. False where that cannot be done. */
function pinLoad(): boolean {
  if (cpus().length < 2 || !existsSync("/usr/bin/taskset")) return false;
  execFileSync("taskset", ["-pc", `1-${cpus().length - 1}`, String(process.pid)], { stdio: "ignore" });
  return true;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await run(process.argv.slice(2));
}
