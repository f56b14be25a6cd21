// Fills the disk that a directory is on, makes room again, and prints what it saw, as JSON:
// `durable-full-disk.ts DIRECTORY`.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProtocolError } from "@zocalo/protocol";
import type { DurableEngine } from "../src/index.ts";
import { keepAll, publicationOf } from "./durable-crash.ts";
import { open } from "./durable-store.ts";

const [disk = ""] = process.argv.slice(2);
const directory = join(disk, "data");
const ballast = join(disk, "ballast");
writeFileSync(ballast, Buffer.alloc(1_500_000));
const acknowledged = new Map<number, string>();
const refused: string[] = [];
const first = await open(directory, { tidyMs: 50 });

async function publish(engine: DurableEngine, key: string): Promise<void> {
  try {
    const { offset } = await engine.publish("c:1", publicationOf("c:1", key, 500), keepAll);
    acknowledged.set(offset, key);
  } catch (error) {
    refused.push(error instanceof ProtocolError ? error.code : String(error));
  }
}

/** True if what was acknowledged, and nothing else, is there. */
async function isWhole(engine: DurableEngine): Promise<boolean> {
  let after = 0;
  for (;;) {
    const { head, publications } = await engine.read("c:1", after, 500);
    if (publications.some(({ offset, user }) => acknowledged.get(offset) !== user)) return false;
    after += publications.length;
    if (after === head) return head === acknowledged.size;
  }
}

let number = 0;
const some = (engine: DurableEngine, count: number): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, () => publish(engine, `${number++}`)));
while (refused.length < 200) await some(first.engine, 10);
const whenFull = { acknowledged: acknowledged.size, isWhole: await isWhole(first.engine) };
rmSync(ballast);
const before = refused.length;
await some(first.engine, 100);
const whenThereIsRoom = { refused: refused.length - before, isWhole: await isWhole(first.engine) };
await first.engine.close();
const second = await open(directory);
const afterwards = { isWhole: await isWhole(second.engine), notices: second.notices };
await second.engine.close();
const codes = [...new Set(refused)];
process.stdout.write(
  JSON.stringify({ codes, whenFull, whenThereIsRoom, afterwards, notices: first.notices }),
);
