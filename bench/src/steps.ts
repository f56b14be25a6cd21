import { deflateRawSync, inflateRawSync } from "node:zlib";
import { Compression } from "@zocalo/websocket";
import { alternate, median, type ServerProcess, spawnServer } from "./measure.ts";
import { figure } from "./results.ts";
import { canPin, compiled, SERVER_CPU, startLoad } from "./tcp-programs.ts";
import { echo as echoDatagrams, pinLoad } from "./udp.ts";
import { cpuUs, echo, upgrades } from "./websocket-load.ts";

export const title = "Steps into Node: server CPU with each of them, without it, and with it again";

/** What is measured of one step. */
interface Case {
  readonly name: string;
  /** The file of the server, and what it is told to be. Without: nothing is started. */
  readonly server?: readonly [file: string, kind: string];
  /** CPU for each message, in microseconds. */
  measure(server: ServerProcess, durationMs: number): Promise<number>;
}

/** A step into Node beyond its documentation. */
interface Step {
  readonly name: string;
  /** The environment variable that leaves it out. */
  readonly off: string;
  readonly cases: readonly Case[];
}

const SIZES = [
  { name: "16 B, 1 in flight", connections: 100, payloadBytes: 16, inFlight: 1 },
  { name: "16 B, 16 in flight", connections: 100, payloadBytes: 16, inFlight: 16 },
  { name: "64 KiB, 1 in flight", connections: 10, payloadBytes: 65_536, inFlight: 1 },
] as const;

const tcpLoad = compiled("tcp-load");

const tcpCases: readonly Case[] = SIZES.map((load) => ({
  name: `TCP, ${load.name}`,
  server: ["tcp-server.ts", "conn, handler"],
  async measure(server, durationMs) {
    const running = await startLoad(tcpLoad, server.port, load);
    try {
      await running.run(durationMs / 5);
      const before = cpuUs(server.pid);
      const { messages } = await running.run(durationMs);
      return (cpuUs(server.pid) - before) / messages;
    } finally {
      await running.stop();
    }
  },
}));

const webSocketCases: readonly Case[] = SIZES.map((load) => ({
  name: `WebSocket, ${load.name}`,
  server: ["websocket-server.ts", "zocalo"],
  async measure({ pid, port }, durationMs) {
    return (await echo(pid, port, "/echo", { ...load, isText: false, durationMs })).cpuUs;
  },
}));

function upgradeCase(kind: string, name: string): Case {
  return {
    name,
    server: ["websocket-server.ts", kind],
    measure: async ({ pid, port }, durationMs) => (await upgrades(pid, port, 64, durationMs)).cpuUs,
  };
}

const STEPS: readonly Step[] = [
  { name: "read-buffer", off: "ZOCALO_NO_READ_BUFFER", cases: [...tcpCases, ...webSocketCases] },
  { name: "write-past-queue", off: "ZOCALO_NO_WRITE_PAST_QUEUE", cases: [...tcpCases, ...webSocketCases] },
  {
    name: "direct-send",
    off: "ZOCALO_NO_DIRECT_SEND",
    cases: [
      { name: "UDP, 16 B, 16 in flight", sockets: 20, payloadBytes: 16, inFlight: 16 },
      { name: "UDP, 1 KiB, 16 in flight", sockets: 10, payloadBytes: 1024, inFlight: 16 },
    ].map((load) => ({
      name: load.name,
      server: ["udp-server.ts", "zocalo, handler"],
      async measure({ pid, port }, durationMs) {
        const before = cpuUs(pid);
        const echoes = await echoDatagrams(port, load, durationMs);
        return (cpuUs(pid) - before) / echoes;
      },
    })),
  },
  {
    name: "door",
    off: "ZOCALO_NO_OWN_UPGRADES",
    cases: [upgradeCase("zocalo-upgrades", "upgrades, 64 at a time")],
  },
  {
    name: "incoming-message",
    off: "ZOCALO_NO_INCOMING_MESSAGE",
    cases: [upgradeCase("zocalo-authorized", "upgrades that authorize, 64 at a time")],
  },
];

/** What was found: medians, and the spread of what should not differ. */
interface Row {
  readonly step: string;
  readonly name: string;
  readonly withUs: number;
  readonly withoutUs: number;
  /** As many times the CPU without, by the median of the rounds. */
  readonly ratio: number;
  readonly least: number;
  readonly most: number;
  /** The same of the step beside itself. */
  readonly noise: number;
}

/**
 * Measures and prints; writes nothing. Each step in turn with it, without it and with it again, in processes
 * of their own: what the last differs from the first is noise.
 *
 * @param args `--quick` for a short run; `--only TEXT` for the steps and cases whose name has TEXT.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const only = args.includes("--only") ? (args[args.indexOf("--only") + 1] ?? "") : "";
  const rounds = isQuick ? 3 : 9;
  const durationMs = isQuick ? 300 : 1000;
  pinLoad();
  console.log(`\nNode ${process.versions.node}, ${rounds} rounds of ${durationMs} ms\n`);
  console.log("| step | case | with, µs | without, µs | without / with | spread | with / with |");
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
  for (const step of STEPS) {
    for (const one of step.cases) {
      if (!`${step.name} ${one.name}`.includes(only)) continue;
      print(await compare(step, one, rounds, durationMs));
    }
  }
  if ("sync-zlib".includes(only)) print(...(await zlibRow(rounds, isQuick ? 2_000 : 10_000)));
}

function print(...rows: readonly Row[]): void {
  for (const { step, name, withUs, withoutUs, ratio, least, most, noise } of rows) {
    const cells = [step, name, figure(withUs), figure(withoutUs), times(ratio)];
    console.log(`| ${[...cells, `${times(least)} to ${times(most)}`, times(noise)].join(" | ")} |`);
  }
}

function times(ratio: number): string {
  return `${ratio.toFixed(2)}×`;
}

async function compare(step: Step, one: Case, rounds: number, durationMs: number): Promise<Row> {
  const { server: [file, kind] = ["", ""] } = one;
  const start = (env: Record<string, string>): Promise<ServerProcess> =>
    spawnServer(new URL(file, import.meta.url), {
      args: [kind],
      env,
      ...(canPin ? { cpu: SERVER_CPU } : {}),
    });
  const servers = {
    with: await start({}),
    without: await start({ [step.off]: "1" }),
    again: await start({}),
  };
  try {
    const contenders = Object.fromEntries(
      Object.entries(servers).map(([name, server]) => [name, () => one.measure(server, durationMs)]),
    );
    await alternate(contenders, 1); // Warm up.
    return rowOf(step.name, one.name, await alternate(contenders, rounds));
  } finally {
    for (const server of Object.values(servers)) await server.stop();
  }
}

function rowOf(step: string, name: string, figures: Record<string, number[]>): Row {
  const { with: of = [], without = [], again = [] } = figures;
  const ratios = without.map((value, round) => value / (of[round] ?? Number.NaN));
  return {
    step,
    name,
    withUs: median(of),
    withoutUs: median(without),
    ratio: median(ratios),
    least: Math.min(...ratios),
    most: Math.max(...ratios),
    noise: median(again.map((value, round) => value / (of[round] ?? Number.NaN))),
  };
}

/**
 * Without the handle that lives on there would be Node's one-shot calls: compression is not offered where it
 * cannot be had. In this process; a message is compressed and decompressed.
 */
async function zlibRow(rounds: number, messages: number): Promise<Row[]> {
  const text = JSON.stringify(
    Array.from({ length: 12 }, (_, id) => ({
      id,
      name: `user ${id * 7919}`,
      active: id % 3 === 0,
      at: id * 1e9,
    })),
  );
  const payload = Buffer.from(text);
  const parameters = {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };
  const settings = { thresholdBytes: 0, level: 1, memLevel: 8 };
  const [server, client] = [
    new Compression("server", parameters, settings),
    new Compression("client", parameters, settings),
  ];
  const handle = (): void => {
    const compressed = server.compress(payload);
    if (compressed === undefined) throw new Error("not compressed");
    const back = client.decompress(Buffer.from(compressed), payload.length);
    if (typeof back === "string" || back.length !== payload.length) throw new Error("not decompressed");
  };
  const oneShot = (): void => {
    const compressed = deflateRawSync(payload, { level: 1, memLevel: 8 });
    if (inflateRawSync(compressed).length !== payload.length) throw new Error("not decompressed");
  };
  const timed = (work: () => void) => (): Promise<number> => {
    const before = process.cpuUsage();
    for (let i = 0; i < messages; i++) work();
    const { user, system } = process.cpuUsage(before);
    return Promise.resolve((user + system) / messages);
  };
  const contenders = { with: timed(handle), without: timed(oneShot), again: timed(handle) };
  await alternate(contenders, 1);
  const name = `${payload.length} B of JSON, there and back`;
  const rows = [rowOf("sync-zlib", name, await alternate(contenders, rounds))];
  server.close();
  client.close();
  return rows;
}
