// A server that brings a store of an older release to its format is killed at each step of that.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { findSqlite } from "../src/durable/sqlite.ts";
import { Witness } from "../src/durable/witness.ts";
import { checkStore, type LogPage, restoreStore } from "../src/index.ts";
import { open, temporaryDirectory } from "./durable-store.ts";

const MIGRATOR = fileURLToPath(new URL("durable-migrator.ts", import.meta.url));
/** Statements after which a process is killed that are tried at the same time. */
const AT_ONCE = 4;

/** A store of format 1 with its witness, as a server that was stopped leaves it. */
function olderStore(): string {
  const directory = temporaryDirectory();
  const path = join(directory, "zocalo.db");
  writeFileSync(path, gunzipSync(readFileSync(new URL("stores/format-1.db.gz", import.meta.url))));
  const database = findSqlite()(path);
  const { name } = database.prepare("SELECT name FROM store").get() ?? {};
  const { number } = database.prepare("SELECT number FROM commits").get() ?? {};
  database.close();
  const witness = new Witness(join(directory, "witness"));
  witness.write({ store: String(name), commits: Number(number) });
  witness.close();
  return directory;
}

/** How many statements it had, if it was not killed. */
async function migrate(directory: string, last: number): Promise<number> {
  const args = process.execArgv.filter((arg) => !arg.startsWith("--test"));
  try {
    const run = promisify(execFile)(process.execPath, [...args, MIGRATOR, directory, `${last}`]);
    return Number((await run).stdout);
  } catch (error) {
    assert.equal((error as { signal?: unknown }).signal, "SIGKILL", String(error));
    return Number.NaN;
  }
}

async function contents(directory: string): Promise<LogPage> {
  const { engine } = await open(directory);
  try {
    return await engine.read("plaza:general", 0, 10);
  } finally {
    await engine.close();
  }
}

test("whoever is killed while it brings a store to this format loses nothing, and the next one has it", async () => {
  const whole = olderStore();
  const statements = await migrate(whole, 0);
  const wanted = await contents(whole);
  assert.equal(wanted.publications.length, 3);
  assert.ok(statements >= 10, `${statements}`);
  const formats = new Set<number>();
  let killed = 0;
  const tryOne = async (last: number): Promise<void> => {
    const directory = olderStore();
    if (Number.isNaN(await migrate(directory, last))) killed++;
    const path = join(directory, "zocalo.db");
    const database = findSqlite()(path);
    formats.add(Number(database.prepare("PRAGMA user_version").get()?.["user_version"]));
    database.close();
    assert.deepEqual(await contents(directory), wanted, `killed before statement ${last}`);
    assert.deepEqual(checkStore(directory).problems, []);
    const copy = `${path}.format-1`;
    assert.ok(existsSync(copy), readdirSync(directory).join());
    const again = temporaryDirectory();
    restoreStore(copy, again);
    assert.equal(checkStore(again).publications, 4);
  };
  for (let first = 1; first <= statements; first += AT_ONCE) {
    const some = Array.from(
      { length: Math.min(AT_ONCE, statements - first + 1) },
      (_, index) => first + index,
    );
    await Promise.all(some.map(tryOne));
  }
  assert.ok(killed >= statements / 2, `${killed} of ${statements} were killed`);
  assert.ok(formats.has(1) && formats.size === 2, "killed before the change, and after it");
});
