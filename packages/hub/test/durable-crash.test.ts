import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Random } from "@zocalo/integrity";
import type { DurableEngine } from "../src/index.ts";
import { keepAll, publicationOf } from "./durable-crash.ts";
import { open, temporaryDirectory } from "./durable-store.ts";

const ROUNDS = Number(process.env["ZOCALO_CRASH_ROUNDS"] ?? 8);
const SEED = Number(process.env["ZOCALO_CRASH_SEED"] ?? Date.now() % 1_000_000);
const WRITER = fileURLToPath(new URL("durable-writer.ts", import.meta.url));

/** What was acknowledged, as the process that published said it. */
type Acknowledged = readonly [channel: string, epoch: string, offset: number, key: string, length: number];

/** Lets a process publish in a directory, and kills it some time after it was answered first. */
async function publishAndKill(directory: string, seed: number): Promise<Acknowledged[]> {
  // A file takes all that it says, at once; a pipe may be full.
  const path = join(directory, "..", "said");
  const file = openSync(path, "w");
  const args = process.execArgv.filter((arg) => !arg.startsWith("--test"));
  const child = spawn(process.execPath, [...args, WRITER, directory, `${seed}`], {
    stdio: ["ignore", file, "inherit"],
  });
  closeSync(file);
  const closed = once(child, "close");
  while (statSync(path).size === 0 && child.exitCode === null) await wait(5);
  await wait(new Random(seed).below(400));
  child.kill("SIGKILL");
  const [, signal] = (await closed) as [unknown, unknown];
  assert.equal(signal, "SIGKILL", "it ended by itself");
  const said = readFileSync(path, "utf8");
  const lines = said.slice(0, said.lastIndexOf("\n")).split("\n");
  return lines.map((line) => JSON.parse(line) as Acknowledged);
}

function wait(ms: number): Promise<unknown> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Demands that all of it is there, in logs without holes, and that no key is in a log twice. */
async function check(engine: DurableEngine, acknowledged: readonly Acknowledged[]): Promise<void> {
  const stored = new Map<string, { readonly epoch: string; readonly data: readonly string[] }>();
  for (const channel of new Set(acknowledged.map(([name]) => name))) {
    const data: string[] = [];
    let epoch: string;
    for (let after = 0; ; ) {
      const page = await engine.read(channel, after, 500);
      for (const publication of page.publications) {
        assert.equal(publication.offset, data.length + 1);
        data.push(String(publication.data));
      }
      epoch = page.epoch;
      after = data.length;
      if (after === page.head) break;
    }
    assert.equal(new Set(data).size, data.length, `${channel} has a key twice`);
    stored.set(channel, { epoch, data });
  }
  for (const [channel, epoch, offset, key, length] of acknowledged) {
    const log = stored.get(channel);
    assert.equal(log?.epoch, epoch);
    assert.equal(log?.data[offset - 1], publicationOf(channel, key, length).data, `${channel} ${offset}`);
  }
}

test(`killed ${ROUNDS} times under load, nothing acknowledged is missing (ZOCALO_CRASH_SEED=${SEED})`, async () => {
  const directory = join(temporaryDirectory(), "data");
  const acknowledged: Acknowledged[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const answered = await publishAndKill(directory, SEED + round);
    assert.ok(answered.length > 0);
    acknowledged.push(...answered);
    const { engine, notices } = await open(directory);
    assert.deepEqual(notices, [], `round ${round}`);
    await check(engine, acknowledged);
    // Who did not see the answer sends it again.
    for (const [channel, epoch, offset, key, length] of answered.slice(-20)) {
      const again = await engine.publish(channel, publicationOf(channel, key, length), keepAll);
      assert.deepEqual([again.epoch, again.offset, again.duplicate], [epoch, offset, true]);
    }
    await engine.close();
  }
});
