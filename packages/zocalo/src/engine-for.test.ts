import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Engine, Retention } from "@zocalo/hub";
import { engineFor } from "./engine-for.ts";
import { createLog } from "./log.ts";
import { readSettings } from "./read-settings.ts";

const root = mkdtempSync(join(tmpdir(), "zocalo-engine-"));
after(() => rmSync(root, { recursive: true }));

const LARGE = JSON.stringify("x".repeat(40_000));
const keepAll: Retention = { publications: 1_000, bytes: 1e9, ttlMs: 3_600_000, keyMs: 60_000 };

/** Publishes one after the other; gives how many were taken before one was refused. */
async function taken(count: number, publish: (number: number) => Promise<unknown>): Promise<number> {
  for (let number = 0; number < count; number++) {
    try {
      await publish(number);
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, "limit_reached");
      return number;
    }
  }
  return count;
}

/** How many of so many channels still have what was published in them. */
async function kept(engine: Engine, count: number): Promise<number> {
  let found = 0;
  for (let number = 0; number < count; number++)
    found += (await engine.read(`plaza:${number}`, 0, 1)).publications.length;
  return found;
}

/** How many of three are taken that have keys. */
const keyed = (engine: Engine): Promise<number> =>
  taken(3, (number) => engine.publish("plaza:x", { user: "u", data: "1", key: `${number}` }, keepAll));

/** How many of forty are there in the end, each in a channel of its own. */
async function all(engine: Engine, address?: string): Promise<number> {
  await taken(40, (number) =>
    engine.publish(`plaza:${number}`, { user: "u", data: LARGE, address }, keepAll),
  );
  return kept(engine, 40);
}
const allOfOne = (engine: Engine): Promise<number> => all(engine, "192.0.2.1");

// Each bound that is set is met, and without it all are there.
for (const [setting, value, engine, tried, most, otherwise] of [
  ["maxKeysPerChannel", "2", "durable", keyed, 2, 3],
  ["maxKeysPerChannel", "2", "memory", keyed, 2, 3],
  ["maxDiskBytes", "1048576", "durable", all, 26, 40],
  ["maxChannels", "10", "memory", all, 10, 40],
  ["maxChannelsPerAddress", "10", "memory", allOfOne, 10, 40],
  ["maxMemoryBytes", "1048576", "memory", all, 26, 40],
  ["maxMemoryBytesPerAddress", "1048576", "memory", allOfOne, 26, 40],
] as const) {
  test(`${setting} is a bound of the engine "${engine}"`, async () => {
    for (const isSet of [true, false]) {
      const data = mkdtempSync(join(root, "data-"));
      const settings = readSettings({
        flags: { ...(isSet ? { [setting]: value } : {}), engine, data, logLevel: "silent" },
        environment: {},
        directory: root,
      });
      const made = await engineFor(settings, createLog(settings));
      made.start({ publication: () => undefined, replaced: () => undefined, presence: () => undefined });
      try {
        const count = await tried(made);
        assert.ok(isSet ? count > 0 && count <= most : count === otherwise, `${count}`);
      } finally {
        await made.close();
      }
    }
  });
}
