import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { RESULTS_DIRECTORY } from "./results.ts";

/** The server has this core, the load the next one. */
export const SERVER_CPU = 0;
const LOAD_CPU = 1;

/** True if server and load can be kept on a core each. */
export const canPin = cpus().length >= 2 && existsSync("/usr/bin/taskset");

/** Compiles `NAME.c` of this directory; `undefined` where there is no C compiler. */
export function compiled(name: string): string | undefined {
  const directory = join(RESULTS_DIRECTORY, "tmp");
  mkdirSync(directory, { recursive: true });
  const program = join(directory, name);
  const source = fileURLToPath(new URL(`./${name}.c`, import.meta.url));
  for (const compiler of [process.env["CC"], "cc", "gcc", "clang"]) {
    if (compiler === undefined) continue;
    const { error, status, stderr } = spawnSync(compiler, ["-O2", "-o", program, source], {
      encoding: "utf8",
    });
    if (error) continue;
    if (status !== 0) throw new Error(`${compiler} could not compile ${source}:\n${stderr}`);
    return program;
  }
  return undefined;
}

/** What a load found in one run. */
export interface LoadRun {
  readonly messages: number;
  readonly elapsedUs: number;
  readonly ownCpuUs: number;
}

/** A load in its own process, connected and waiting. */
export interface LoadProcess {
  /**
   * Keeps the server busy for so long, in milliseconds; resolves when every message has come back, so that
   * the server is idle again.
   */
  run(durationMs: number): Promise<LoadRun>;
  stop(): Promise<void>;
}

/**
 * Starts a load and connects it.
 *
 * @param program What `compiled("tcp-load")` gave.
 */
export async function startLoad(
  program: string | undefined,
  port: number,
  load: { readonly connections: number; readonly payloadBytes: number; readonly inFlight: number },
): Promise<LoadProcess> {
  const numbers = [port, load.connections, load.payloadBytes, load.inFlight].map(String);
  const node = fileURLToPath(new URL("./tcp-load-node.ts", import.meta.url));
  const command =
    program === undefined
      ? [process.execPath, "--import", import.meta.resolve("tsx"), node, ...numbers]
      : [program, ...numbers];
  const pinned = canPin ? ["taskset", "-c", String(LOAD_CPU), ...command] : command;
  const [first = "", ...rest] = pinned;
  const child = spawn(first, rest, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the load has ended");
    return JSON.parse(value);
  };
  await answer();
  return {
    async run(durationMs) {
      child.stdin.write(`${durationMs}\n`);
      return (await answer()) as LoadRun;
    },
    stop: () => ended(child),
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.stdin?.end();
  await gone;
}
