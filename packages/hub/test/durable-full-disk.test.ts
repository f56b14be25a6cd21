import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "./durable-store.ts";

const FILLER = fileURLToPath(new URL("durable-full-disk.ts", import.meta.url));

/** Runs a command on a disk of its own, in memory, that nobody else sees. */
function onSmallDisk(directory: string, command: readonly string[]): string {
  const script = 'mount -t tmpfs -o size=4m none "$0" && exec "$@"';
  const flags = ["--user", "--map-root-user", "--mount", "sh", "-c", script, directory, ...command];
  return execFileSync("unshare", flags, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function whyNot(): string | false {
  try {
    onSmallDisk(temporaryDirectory(), ["true"]);
    return false;
  } catch {
    return "no small disk can be made here: unshare with a user namespace, and tmpfs in it";
  }
}

test("a full disk loses nothing that was acknowledged, and publishing goes on when there is room", {
  skip: whyNot(),
}, () => {
  const directory = temporaryDirectory();
  const args = process.execArgv.filter((arg) => !arg.startsWith("--test"));
  const said = onSmallDisk(directory, [process.execPath, ...args, FILLER, directory]);
  const { codes, whenFull, whenThereIsRoom, afterwards, notices, ofDamaged, files, troubles } =
    JSON.parse(said);
  // The channel that was damaged before is set aside when there is room, and the file is none the worse.
  assert.deepEqual([ofDamaged.at(-1), files], ["head 0", []]);
  const isOfDamage = (notice: string): boolean => notice.startsWith("channel c:2 is damaged");
  assert.equal(notices.filter(isOfDamage).length, 1);
  assert.deepEqual(codes, ["unavailable"]);
  assert.ok(whenFull.acknowledged > 100, `${whenFull.acknowledged}`);
  assert.deepEqual([whenFull.isWhole, whenFull.trouble], [true, "the disk is full"]);
  assert.deepEqual(whenThereIsRoom, { refused: 0, isWhole: true, isInTrouble: false });
  assert.deepEqual(afterwards, { isWhole: true, notices: [] });
  assert.deepEqual(troubles, ["the disk is full", null]);
  assert.deepEqual(
    notices.filter((notice: string) => !isOfDamage(notice)),
    [
      `${directory}/data cannot be written to (the disk is full); nothing is published until it can`,
      `${directory}/data can be written to again`,
    ],
  );
});
