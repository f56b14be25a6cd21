import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Runs a program of this directory with so few descriptors that a crowd takes all of them. */
export async function withFewFiles(t: TestContext, name: string, stdio: StdioOptions): Promise<ChildProcess> {
  const directory = await mkdtemp(join(tmpdir(), "zocalo-few-files-"));
  t.after(() => rm(directory, { recursive: true }));
  // To translate it while it runs would take some, too.
  const outfile = join(directory, "program.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL(name, import.meta.url))],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["zocalo-source"],
  });
  const child = spawn("sh", ["-c", 'ulimit -n 60 && exec "$0" "$@"', process.execPath, outfile], { stdio });
  t.after(() => child.kill());
  return child;
}
