import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { dial, type Listener } from "@zocalo/net";

export const directory = mkdtempSync(join(tmpdir(), "zocalo-unix-"));

after(() => rmSync(directory, { recursive: true }));

/** A directory of its own for each test, so that what is left behind is seen. */
export function fresh(name: string): string {
  const made = join(directory, name);
  mkdirSync(made);
  return made;
}

/** Starts `program`, a file beside this one. @returns it, and what gives its next line. */
export function start(
  program: string,
  ...args: readonly string[]
): [ChildProcessWithoutNullStreams, () => Promise<string>] {
  const file = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, ["--conditions=zocalo-source", "--import", "tsx", file, ...args]);
  child.stderr.pipe(process.stderr);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return [child, async () => String((await lines.next()).value)];
}

/** A process that listens, and the line in which it says how that went. */
export async function elsewhere(
  path: string,
  options = {},
): Promise<[ChildProcessWithoutNullStreams, string]> {
  const [child, line] = start("./unix-listener.ts", path, JSON.stringify(options));
  return [child, await line()];
}

export async function ended(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** Shows that the listener there lives. */
export async function answers(listener: Listener): Promise<void> {
  const [client, server] = await Promise.all([dial("unix", String(listener.addr)), listener.accept()]);
  await client.write(Buffer.from("hola"));
  assert.equal(String(await server.readFull(4)), "hola");
  client.abort();
  server.abort();
}
