import { statSync } from "node:fs";
import { join } from "node:path";
import { backupStore, checkStore, restoreStore, StoreError } from "@zocalo/hub";
import type { Command } from "commander";
import { EXIT, UserError } from "./exit-code.ts";
import { forPeople } from "./for-people.ts";
import { SETTINGS, variableOf } from "./settings.ts";

/**
 * Adds `zocalo data check`, `backup FILE` and `restore FILE`.
 *
 * @param done told the exit code of the one that ran.
 */
export function addDataCommands(program: Command, done: (exitCode: number) => void): void {
  const data = program
    .command("data")
    .description("look after the directory in which `zocalo serve` keeps channels");
  const add = (name: string, what: string, run: (directory: string, file: string) => number): void => {
    const command = data.command(name).description(what);
    if (name !== "check") command.argument("<FILE>", "the backup");
    command
      .option("--data <DIRECTORY>", `the directory [${variableOf("data")}, default ${SETTINGS.data.default}]`)
      .action((...given: unknown[]) => {
        const { data: flag } = command.opts<{ data?: string }>();
        const directory = flag ?? process.env[variableOf("data")] ?? SETTINGS.data.default;
        const file = typeof given[0] === "string" ? given[0] : "";
        tellOfWait(name === "restore" ? file : join(directory, "zocalo.db"));
        done(inASentence(() => run(directory, file)));
      });
  };
  add("check", "read all of it, and hold each row against its checksum; a server may run meanwhile", check);
  add(
    "backup",
    "copy it into a new file, as it is at one moment; a server may run meanwhile",
    (directory, file) => {
      backupStore(directory, file);
      say(`${directory} is copied to ${file}`);
      return EXIT.ok;
    },
  );
  add(
    "restore",
    "put a backup in its place, in which every epoch turns; the server has to be stopped",
    (directory, file) => {
      const former = restoreStore(file, directory);
      say(`${file} is restored to ${directory}; clients that come back are told that it is another log`);
      if (former !== undefined) say(`what was there is kept as ${former}`);
      return EXIT.ok;
    },
  );
}

/** Past this size a person who waits is told for what. */
const SLOW_MIB = 100;

function tellOfWait(path: string): void {
  const mebibytes = Math.round((statSync(path, { throwIfNoEntry: false })?.size ?? 0) / 1_048_576);
  if (mebibytes < SLOW_MIB || !process.stderr.isTTY) return;
  process.stderr.write(`${forPeople(path)} has ${mebibytes} MiB: this takes a while\n`);
}

/** Exit code 1 if anything is not as it was written. */
function check(directory: string): number {
  const { channels, publications, keys, setAside, problems } = checkStore(directory);
  say(
    `${counted(channels, "channel")} with ${counted(publications, "publication")} and ${counted(keys, "key")}`,
  );
  for (const name of setAside) say(`set aside: ${name}`);
  for (const problem of problems) say(`damaged: ${problem}`);
  if (problems.length === 0) say("nothing is damaged");
  return problems.length === 0 ? EXIT.ok : EXIT.failed;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function inASentence(run: () => number): number {
  try {
    return run();
  } catch (error) {
    throw error instanceof StoreError ? new UserError(error.message) : error;
  }
}

/** Names of channels are others' words. */
function say(line: string): void {
  process.stdout.write(`${forPeople(line)}\n`);
}
