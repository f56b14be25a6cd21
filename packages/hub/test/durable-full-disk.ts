// Fills the disk that a directory is on, makes room again, and prints what it saw, as JSON:
// `durable-full-disk.ts DIRECTORY`.
import { readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProtocolError } from "@zocalo/protocol";
import { defaultDurableOptions } from "../src/durable/durable.ts";
import type { Request } from "../src/durable/messages.ts";
import { findSqlite } from "../src/durable/sqlite.ts";
import { Store } from "../src/durable/store.ts";
import type { DurableEngine } from "../src/index.ts";
import { keepAll, publicationOf } from "./durable-crash.ts";
import { open, SetClock } from "./durable-store.ts";

const [disk = ""] = process.argv.slice(2);
const directory = join(disk, "data");
const ballast = join(disk, "ballast");
writeFileSync(ballast, Buffer.alloc(1_500_000));
const acknowledged = new Map<number, string>();
const refused: string[] = [];
const damaged = await open(directory);
await damaged.engine.publish("c:2", publicationOf("c:2", "0", 500), keepAll);
await damaged.engine.close();
const database = findSqlite()(join(directory, "zocalo.db"));
database.exec("UPDATE log SET data = '0'");
database.close();
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
// What is damaged cannot be set aside now; the rest of the file is sound.
const readDamaged = (): Promise<string> =>
  first.engine.read("c:2", 0, 1).then(({ head }) => `head ${head}`, String);
const ofDamaged = [await readDamaged()];
const whenFull = {
  acknowledged: acknowledged.size,
  isWhole: await isWhole(first.engine),
  trouble: first.engine.trouble,
};
rmSync(ballast);
ofDamaged.push(await readDamaged());
const before = refused.length;
await some(first.engine, 100);
const whenThereIsRoom = {
  refused: refused.length - before,
  isWhole: await isWhole(first.engine),
  isInTrouble: first.engine.trouble !== undefined,
};
await first.engine.close();
const second = await open(directory);
const afterwards = { isWhole: await isWhole(second.engine), notices: second.notices };
await second.engine.close();
const files = readdirSync(directory).filter((name) => name.includes("damaged"));
const codes = [...new Set(refused)];

/** What is said to be wrong when a step of tidying has found room for what little it writes, and for more. */
function troubles(): (string | undefined)[] {
  rmSync(directory, { recursive: true });
  writeFileSync(ballast, Buffer.alloc(2_500_000));
  const clock = new SetClock();
  const settings = { ...defaultDurableOptions, directory, durability: "process" } as const;
  const store = new Store(findSqlite(), settings, clock.boot, clock.now);
  const run = (request: Request) => store.run({ now: clock.now, requests: [request] });
  const publication = { user: "ana", data: `"${"x".repeat(20_000)}"` };
  const publish = { kind: "publish", channel: "c:1", publication, retention: keepAll } as const;
  while (run(publish).trouble === undefined);
  truncateSync(ballast, 2_400_000);
  const little = run({ kind: "tidy" }).trouble;
  rmSync(ballast);
  return [little, run({ kind: "tidy" }).trouble];
}
process.stdout.write(
  JSON.stringify({
    codes,
    whenFull,
    whenThereIsRoom,
    afterwards,
    notices: first.notices,
    ofDamaged,
    files,
    troubles: troubles(),
  }),
);
