import { execFileSync } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { alternate, median, type ServerProcess, spawnServer } from "./measure.ts";
import { type Results, ratioTable, writeResults } from "./results.ts";

export const title = "UDP: server CPU per echoed datagram, beside raw node:dgram";

const CONTENDERS = [
  "dgram",
  "zocalo, iterated",
  "zocalo, handler",
  "zocalo, batched",
  "zocalo, peers",
] as const;

/** What goes to and fro. */
export interface Case {
  readonly name: string;
  readonly sockets: number;
  readonly payloadBytes: number;
  readonly inFlight: number;
}

const CASES: readonly Case[] = [
  { name: "16 B, 1 in flight", sockets: 50, payloadBytes: 16, inFlight: 1 },
  { name: "16 B, 16 in flight", sockets: 20, payloadBytes: 16, inFlight: 16 },
  { name: "1 KiB, 1 in flight", sockets: 50, payloadBytes: 1024, inFlight: 1 },
  { name: "1 KiB, 16 in flight", sockets: 10, payloadBytes: 1024, inFlight: 16 },
];

/** Silence after which what is in flight counts as lost and is sent anew, in milliseconds. */
const LOST_AFTER_MS = 20;

/**
 * Measures and prints, and writes `bench/results/udp.json` and `.svg`.
 *
 * @param args `--quick` for a short run that writes nothing; `--only TEXT` for the cases whose name has TEXT.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const only = args.includes("--only") ? (args[args.indexOf("--only") + 1] ?? "") : "";
  const cases = CASES.filter(({ name }) => name.includes(only));
  const rounds = isQuick ? 3 : 7;
  const durationMs = isQuick ? 300 : 1000;
  const isPinned = pinLoad();
  const values: Record<string, Record<string, number>> = {};
  const servers = new Map<string, ServerProcess>();
  try {
    for (const name of CONTENDERS) {
      const file = new URL("./udp-server.ts", import.meta.url);
      servers.set(name, await spawnServer(file, { args: [name], ...(isPinned ? { cpu: 0 } : {}) }));
    }
    for (const one of cases) {
      const measured = Object.fromEntries(
        [...servers].map(([name, server]) => [name, () => cpuPerEcho(server, one, durationMs)]),
      );
      await Promise.all([...servers.values()].map((server) => warm(server, one)));
      const figures = await alternate(measured, rounds);
      for (const [name, found] of Object.entries(figures)) (values[name] ??= {})[one.name] = median(found);
    }
  } finally {
    for (const server of servers.values()) await server.stop();
  }
  const results: Results = {
    title: "UDP echo",
    unit: "µs of server CPU per datagram",
    isLessBetter: true,
    columns: cases.map(({ name }) => name),
    rows: CONTENDERS.map((name) => ({ name, values: values[name] ?? {} })),
    baseline: "dgram",
  };
  if (isQuick || only !== "") console.log(`\n${ratioTable(results)}`);
  else writeResults("udp", results);
}

async function warm(server: ServerProcess, one: Case): Promise<void> {
  await echo(server.port, one, 200);
}

async function cpuPerEcho(server: ServerProcess, one: Case, durationMs: number): Promise<number> {
  const before = server.cpuMs();
  const echoes = await echo(server.port, one, durationMs);
  return ((server.cpuMs() - before) * 1000) / echoes;
}

/** Keeps `inFlight` datagrams on the way on each socket; how many came back. */
export async function echo(port: number, one: Case, durationMs: number): Promise<number> {
  const payload = Buffer.alloc(one.payloadBytes, "x");
  let echoes = 0;
  let isOver = false;
  const sockets: Socket[] = [];
  const timers: NodeJS.Timeout[] = [];
  for (let i = 0; i < one.sockets; i++) {
    const socket = createSocket("udp4");
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    let heard = 0;
    let heardBefore = -1;
    socket.on("message", () => {
      echoes += 1;
      heard += 1;
      if (!isOver) socket.send(payload);
    });
    const restart = (): void => {
      if (heard === heardBefore) for (let n = 0; n < one.inFlight; n++) socket.send(payload);
      heardBefore = heard;
    };
    for (let n = 0; n < one.inFlight; n++) socket.send(payload);
    timers.push(setInterval(restart, LOST_AFTER_MS));
    sockets.push(socket);
  }
  await new Promise((resolve) => setTimeout(resolve, durationMs));
  isOver = true;
  for (const timer of timers) clearInterval(timer);
  for (const socket of sockets) socket.close();
  return echoes;
}

/** Keeps this process, the load, off the server's core. True if that could be done. */
export function pinLoad(): boolean {
  if (cpus().length < 2 || !existsSync("/usr/bin/taskset")) return false;
  execFileSync("taskset", ["-a", "-p", "-c", "1", String(process.pid)], { stdio: "ignore" });
  return true;
}
