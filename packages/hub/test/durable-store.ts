import { copyFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { findSqlite } from "../src/durable/sqlite.ts";
import {
  durable,
  type DurableEngine,
  type DurableOptions,
  type LogState,
  type StoreClock,
} from "../src/index.ts";
import type { LastingStore } from "./lasting-engine-contract.ts";

const made: string[] = [];
process.on("exit", () => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});

/** A directory that goes with this process. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-store-"));
  made.push(directory);
  return directory;
}

/** A clock that a test sets. */
export class SetClock implements StoreClock {
  now = { wall: 1_700_000_000_000, uptime: 5_000 };
  boot = "first";
  readonly wall = (): number => this.now.wall;
  readonly uptime = (): number => this.now.uptime;

  advance(ms: number): void {
    this.now = { wall: this.now.wall + ms, uptime: this.now.uptime + ms };
  }
}

/** Changes a store behind the engine's back. */
export function tamper(directory: string, sql: string): void {
  const database = findSqlite()(join(directory, "zocalo.db"));
  database.exec(sql);
  database.close();
}

/** A durable engine in a directory of its own. */
export function temporaryStore(options?: DurableOptions): Promise<DurableEngine> {
  return durable(join(temporaryDirectory(), "data"), options);
}

/** A durable engine that serves nobody, and what it told whoever runs it. */
export async function open(
  directory: string,
  options: DurableOptions = {},
): Promise<{
  readonly engine: DurableEngine;
  readonly notices: string[];
  readonly replaced: (readonly [string, LogState])[];
}> {
  const notices: string[] = [];
  const replaced: (readonly [string, LogState])[] = [];
  const engine = await durable(directory, { onNotice: (notice) => notices.push(notice), ...options });
  engine.start({
    publication: () => undefined,
    replaced: (channel, state) => replaced.push([channel, state]),
    presence: () => undefined,
  });
  return { engine, notices, replaced };
}

/** The threads of this process that were given something to do. */
const threads = new Set<Worker>();
const { postMessage } = Object.getOwnPropertyDescriptors(Worker.prototype);
Worker.prototype.postMessage = function (this: Worker, ...given) {
  // Node 20 has one more, of its own, for who loads TypeScript; without it the process exits.
  if (this.constructor === Worker) threads.add(this);
  postMessage.value?.apply(this, given);
};

/** Ends the threads that have a store, as a fault of their own would. */
export async function endThreads(): Promise<void> {
  await Promise.all([...threads].map((thread) => thread.terminate()));
  threads.clear();
}

/** A directory that engines open one after the other. */
export function lastingStore(): LastingStore {
  let directory = temporaryDirectory();
  const path = join(directory, "zocalo.db");
  return {
    open: () => durable(directory, { onNotice: () => undefined }),
    /** Its files as they are, without what only a closing engine does. */
    async crash(engine) {
      const left = temporaryDirectory();
      // The witness first: what is committed meanwhile it may not know, but never less is there than it says.
      for (const name of readdirSync(directory).sort()) {
        if (!name.startsWith("lock.db")) copyFileSync(join(directory, name), join(left, name));
      }
      directory = left;
      await engine.close();
    },
    interrupt: () => endThreads(),
    /** Publishes once more, and puts the file from before in its place. */
    async goBack() {
      copyFileSync(path, `${path}.old`);
      const { engine } = await open(directory);
      const retention = { publications: 10, bytes: 1_000, ttlMs: 60_000, keyMs: 0 };
      await engine.publish("c:1", { user: "u", data: '"lost"' }, retention);
      await engine.close();
      copyFileSync(`${path}.old`, path);
    },
  };
}
