// `npm run integrity -- [--only net|websocket] [--minutes N | --seconds N | --cases N] [--seed S] [--scenario
// NAME] [--case JSON]`: hunts for bytes that are not where they belong, until it finds one or the time is
// over. Without `--only` the time is shared.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensurePrograms } from "./ensure-programs.ts";

const DRIVERS = ["net", "websocket"] as const;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);

const only = take("--only");
const drivers = DRIVERS.filter((name) => only === undefined || name === only);
if (drivers.length === 0) {
  console.error(`--only ${only} is none of ${DRIVERS.join(" and ")}`);
  process.exit(2);
}
const sentence = await ensurePrograms();
if (sentence !== undefined) console.error(`${sentence} What they take part in is left out.`);

const minutes = take("--minutes");
const seconds = take("--seconds");
const isTimed = minutes !== undefined || seconds !== undefined;
const all = 60 * Number(minutes ?? 0) + Number(seconds ?? 0);
for (const name of drivers) {
  const driver = join(root, "packages", name, "test", "integrity", "drive.ts");
  if (!existsSync(driver)) continue;
  const time = isTimed ? ["--seconds", String(all / drivers.length)] : [];
  const node = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx"), driver];
  const env = { ...process.env, ZOCALO_POISON: "1" };
  const { status } = spawnSync(process.execPath, [...node, ...time, ...args], {
    cwd: root,
    stdio: "inherit",
    env,
  });
  if (status !== 0) process.exit(status ?? 1);
}

/** Takes an option and its value out of the arguments. */
function take(name: string): string | undefined {
  const at = args.indexOf(name);
  return at === -1 ? undefined : args.splice(at, 2)[1];
}
