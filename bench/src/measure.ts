import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";

/** How a server is started for measuring. */
export interface SpawnOptions {
  /**
   * What runs the file; default this Node. Any other program gets `file` as its first argument; `null`:
   * `file` is the program.
   */
  readonly runtime?: string | null;
  /** Arguments of Node, before the file. */
  readonly nodeArgs?: readonly string[];
  /** Arguments after the file. */
  readonly args?: readonly string[];
  /** Environment on top of this one's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Processor to pin it to, counted from 0; default none. Without `taskset` this is ignored. */
  readonly cpu?: number;
  /** How long it may take to say that it is ready; default 60,000 ms. */
  readonly readyTimeoutMs?: number;
  /**
   * For a program that prints no JSON: what a line of its output says of it, or `undefined`. Its other output
   * is dropped.
   */
  readonly readyFrom?: (line: string) => Readonly<Record<string, unknown>> | undefined;
}

/** A server in its own process, so that its processor time is its own. */
export interface ServerProcess {
  readonly pid: number;
  /** The object it printed as its first line of JSON, by agreement at least `{ port }`. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** The port it said it listens on. Throws if it named none. */
  readonly port: number;
  /** Processor time of all its threads so far, user and system, in milliseconds (a resolution of 10 ms). */
  cpuMs(): number;
  /** Memory it holds now, in bytes. */
  rssBytes(): number;
  /** Ends it (SIGTERM, after two seconds SIGKILL) and waits until it is gone. */
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 2000;
/**
 * By then a process knows how its Node is made, which it tries when it first listens
 * (`net/src/node/trials.ts`).
 */
const TRIALS_MS = 200;

/**
 * Starts a server and waits until it prints one line of JSON, such as `{"port":40123}`. Its other output goes
 * to stderr.
 *
 * ```ts
 * const server = await spawnServer(new URL("./echo-server.ts", import.meta.url), { cpu: 0 });
 * const before = server.cpuMs();
 * await load(server.port);
 * console.log(server.cpuMs() - before);
 * await server.stop();
 * ```
 *
 * @param file The program, or what the runtime runs; TypeScript runs through tsx on Node.
 * @throws Error when it ends or stays silent before it is ready, and where there is no /proc (not Linux).
 */
export async function spawnServer(file: URL | string, options: SpawnOptions = {}): Promise<ServerProcess> {
  if (!existsSync("/proc/self/stat")) throw new Error("measuring another process needs /proc, so Linux");
  const path = typeof file === "string" ? file : fileURLToPath(file);
  const { runtime = process.execPath, args = [], cpu, readyTimeoutMs = READY_TIMEOUT_MS } = options;
  const loader =
    runtime === process.execPath && path.endsWith(".ts") ? ["--import", import.meta.resolve("tsx")] : [];
  const { nodeArgs = [] } = options;
  let command = runtime === null ? [path, ...args] : [runtime, ...nodeArgs, ...loader, path, ...args];
  if (cpu !== undefined && existsSync("/usr/bin/taskset"))
    command = ["taskset", "-c", String(cpu), ...command];
  const [program = path, ...rest] = command;
  const child = spawn(program, rest, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...options.env },
  });
  const ready = await readyLine(child, path, readyTimeoutMs, options.readyFrom);
  await wait(TRIALS_MS);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${path} has no process`);
  return {
    pid,
    ready,
    get port() {
      const port = ready["port"];
      if (typeof port !== "number")
        throw new Error(`${path} printed ${JSON.stringify(ready)}, without a port`);
      return port;
    },
    cpuMs: () => cpuMs(pid),
    rssBytes: () => rssBytes(pid),
    stop: () => stop(child),
  };
}

/**
 * For a server whose memory is measured. The room for new objects has one size from the beginning: by itself
 * it grows to 16 MiB, and is given back by Node at some time or none. And every collection moves what is left
 * together: else the pages that an old object holds open are a kilobyte for each of 8,000 connections in one
 * run, and none in the next.
 */
export const STEADY_HEAP: readonly string[] = [
  "--min-semi-space-size=1",
  "--max-semi-space-size=1",
  "--compact-on-every-full-gc",
];

/** Processor time of a process so far, in milliseconds: user and system, all threads. Linux only. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may hold spaces; after it, utime and stime are fields 14 and 15 of proc(5), in
  // ticks of 10 ms.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Resident memory of a process, in bytes. Linux only. */
export function rssBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** The most that was resident since the process began, or `forgetPeak` was called, in bytes. Linux only. */
export function peakRssBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

/** See `peakRssBytes`. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function statusBytes(pid: number, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? Number.NaN) * 1024;
}

/** Descriptors that a process needs for itself. */
const SPARE_FILES = 200;

/** How many connections this process may have open. Linux only. */
export function connectionLimit(): number {
  const found = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return Number(found?.[1] ?? 1024) - SPARE_FILES;
}

/** So many connections, or as many as there may be, which is said then. */
export function connections(wanted: number): number {
  const limit = connectionLimit();
  if (limit >= wanted) return wanted;
  console.log(`note: ${limit} connections, because this process may open no more (ulimit -n)`);
  return limit;
}

/**
 * How long a process has to be idle before V8 gives back the room for new objects, in milliseconds, and some.
 * That room grows to 16 MiB with whatever was allocated while connections were opened, and has nothing to do
 * with how many are idle now.
 */
const REST_MS = 7_000;

/** Resident memory of a server that collects garbage on SIGUSR2, after a rest. */
export async function settledRss(server: ServerProcess): Promise<number> {
  for (const restMs of [300, 300, REST_MS, 300]) {
    process.kill(server.pid, "SIGUSR2");
    await wait(restMs);
  }
  return rssBytes(server.pid);
}

async function readyLine(
  child: ChildProcess,
  path: string,
  timeoutMs: number,
  readyFrom: SpawnOptions["readyFrom"],
): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = child;
  if (stdout === null) throw new Error("stdout is not piped");
  const lines = createInterface({ input: stdout });
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`${path} was not ready after ${timeoutMs} ms`));
    }, timeoutMs);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`${path} ended with ${code ?? signal} before it was ready`));
    });
    lines.on("line", (line) => {
      if (readyFrom !== undefined) {
        const found = readyFrom(line);
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
        return;
      }
      if (!line.startsWith("{")) {
        console.error(line);
        return;
      }
      clearTimeout(timer);
      try {
        resolve(JSON.parse(line) as Record<string, unknown>);
      } catch (error) {
        reject(error);
      }
    });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  child.kill("SIGTERM");
  await gone;
  clearTimeout(timer);
}

/**
 * Measures contenders in turn, round by round (a b c, b c a, c a b …), so that a busy minute of the machine
 * hits all alike.
 *
 * @param contenders What to measure, by name; each call is one round and gives one figure or several.
 * @param rounds How often each is measured.
 * @returns the figures of each, one per round.
 */
export async function alternate<T>(
  contenders: Readonly<Record<string, (round: number) => Promise<T>>>,
  rounds: number,
): Promise<Record<string, T[]>> {
  const names = Object.keys(contenders);
  const figures: Record<string, T[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < names.length; place++) {
      const name = names[(round + place) % names.length] ?? "";
      const figure = await contenders[name]?.(round);
      if (figure !== undefined) figures[name]?.push(figure);
    }
  }
  return figures;
}

/** The middle of `values`, or the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which the share `q` (0 to 1) of `values` lies, interpolated; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}
