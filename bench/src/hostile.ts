import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ATTACKS } from "./hostile-attacks.ts";
import type { Got } from "./hostile-line.ts";
import { quantile, type ServerProcess, spawnServer } from "./measure.ts";
import { canPin, SERVER_CPU } from "./tcp-programs.ts";

export const title =
  "The round trip of an honest client beside one attacker who does its worst, at `zocalo serve`";

const ZOCALO = fileURLToPath(new URL("../../packages/zocalo/bin/zocalo.js", import.meta.url));
const ATTACKER = "127.0.0.2";
const HONEST = "127.0.0.3";
/** It fills the logs before. Everybody else has the limits of an address. */
const EXEMPT = "127.0.0.9";
const LOAD_CPU = 1;
/** On a busy machine a start takes long. */
const READY_TIMEOUT_MS = 60_000;
/** A thousand of an address. */
const MOST_USERS = 10_000;

/** How large all of it is. */
interface Scale {
  readonly users: number;
  /** Of these, who watch the others. */
  readonly watchers: number;
  /** Publications of 48,000 characters in the log that is read. */
  readonly large: number;
  readonly durationMs: number;
}

/**
 * Measures and prints; writes nothing. The server, the attacker, the honest client and 10,000 users, of whom
 * 1,000 watch, are processes of their own; the server has a core for itself where there are two.
 *
 * @param args `--quick` for a short run with fewer users; `--only TEXT` for the attacks whose name has TEXT;
 *   `--engine memory` or `durable` for one of them.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const after = (flag: string): string | undefined =>
    args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined;
  const only = after("--only") ?? "";
  const engines = [after("--engine") ?? ["durable", "memory"]].flat();
  const scale = isQuick
    ? { users: 1_000, watchers: 100, large: 100, durationMs: 2_000 }
    : { users: MOST_USERS, watchers: 1_000, large: 1_000, durationMs: 10_000 };
  for (const engine of engines) {
    console.log(`\nNode ${process.versions.node}, ${engine} engine, ${scale.users} users, in ms\n`);
    console.log("| attack | ping p50 | p99 | worst | publish p50 | p99 | worst | what the attacker got |");
    console.log("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (const name of Object.keys(ATTACKS)) {
      if (name.includes(only)) await measure(name, engine, scale);
    }
  }
}

/** Each attack finds a fresh server. */
async function measure(name: string, engine: string, scale: Scale): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-hostile-"));
  const children: ChildProcess[] = [];
  let server: ServerProcess | undefined;
  try {
    server = await serve(directory, engine);
    const { port } = server;
    const { users, watchers, large } = scale;
    const crowd = start("hostile-crowd.ts", [port, users, watchers, large], children);
    await line(crowd);
    const attacker = start("hostile-attacker.ts", [name, ATTACKER, port, server.ready["udp"]], children);
    await once(attacker, "message");
    const honest = start("hostile-honest.ts", [HONEST, port, scale.durationMs], children, 0);
    const { pings, publishes } = JSON.parse(await line(honest)) as Record<string, number[]>;
    attacker.send("what did you get?");
    const [got] = (await once(attacker, "message")) as [Got];
    console.log(`| ${[name, ...figures(pings), ...figures(publishes), shown(got)].join(" | ")} |`);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function figures(values: readonly number[] = []): string[] {
  return [quantile(values, 0.5), quantile(values, 0.99), Math.max(...values)].map((ms) => ms.toFixed(1));
}

function shown({ messages, bytes, ended }: Got): string {
  const counts = Object.entries(messages).map(([type, count]) => `${count} ${type}`);
  const ends = ended === 0 ? [] : [`${ended} ended`];
  return [...counts, ...ends, `${(bytes / 1_048_576).toFixed(1)} MiB`].join(", ");
}

/** `zocalo serve`, as a user starts it, but for nobody being exempt. */
async function serve(directory: string, engine: string): Promise<ServerProcess> {
  const open = { subscribe: "anyone", publish: "anyone" };
  const config = join(directory, "zocalo.config.json");
  writeFileSync(
    config,
    JSON.stringify({
      host: "127.0.0.1",
      httpPort: 0,
      tcpPort: 0,
      udpPort: 0,
      engine,
      data: join(directory, "data"),
      exemptAddresses: [EXEMPT],
      maxClients: 15_000,
      logLevel: "error",
      arena: "off",
      namespaces: {
        plaza: { ...open, presence: true },
        quiet: { ...open, history: { publications: 100_000, bytes: 67_108_864 } },
        large: { ...open, maxDataLength: 1_048_576 },
      },
    }),
  );
  const ports = new Map<string, number>();
  return spawnServer(ZOCALO, {
    args: ["serve", "--config", config],
    ...(canPin ? { cpu: SERVER_CPU } : {}),
    readyTimeoutMs: READY_TIMEOUT_MS,
    readyFrom: (text) => {
      const [, door = "", port = ""] = /^ +(TCP|UDP) +\S+:(\d+)/.exec(text) ?? [];
      ports.set(door, Number(port));
      return door === "UDP" ? { port: ports.get("TCP"), udp: ports.get("UDP") } : undefined;
    },
  });
}

/**
 * A program of this directory, on the other core.
 *
 * @param niceness the honest client goes before the others, which share its core
 */
function start(
  file: string,
  args: readonly unknown[],
  children: ChildProcess[],
  niceness = 10,
): ChildProcess {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const node = [process.execPath, "--import", import.meta.resolve("tsx"), path, ...args.map(String)];
  const pin = canPin ? ["taskset", "-c", String(LOAD_CPU)] : [];
  const child = spawn("nice", ["-n", String(niceness), ...pin, ...node], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  children.push(child);
  return child;
}

/** The first line that it prints. */
async function line(child: ChildProcess): Promise<string> {
  let text = "";
  const gone = once(child, "exit").then(([code]) => {
    throw new Error(`a program ended with ${code} before it had something to say`);
  });
  const said = (async (): Promise<string> => {
    for await (const piece of child.stdout ?? []) {
      text += String(piece);
      if (text.includes("\n")) break;
    }
    return text;
  })();
  return Promise.race([said, gone]);
}
