import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { durable, type DurableEngine, type DurableOptions, type LogState } from "../src/index.ts";
import type { LastingStore } from "./engine-contract.ts";

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

/** A directory that engines open one after the other. */
export function lastingStore(): LastingStore {
  const directory = temporaryDirectory();
  const path = join(directory, "zocalo.db");
  return {
    open: () => durable(directory),
    /** Publishes once more, and puts the file from before in its place. */
    async goBack() {
      copyFileSync(path, `${path}.old`);
      const { engine } = await open(directory);
      const retention = { publications: 10, bytes: 1_000, ttlMs: 60_000, keyTtlMs: 0 };
      await engine.publish("c:1", { user: "u", data: '"lost"' }, retention);
      await engine.close();
      copyFileSync(`${path}.old`, path);
    },
  };
}
