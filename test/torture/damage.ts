import type { Random } from "@zocalo/integrity";
import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

const STORE = "zocalo.db";
/** The store: its log of changes has what is new, and may be all there is. */
const FILES = [STORE, STORE, `${STORE}-wal`, `${STORE}-wal`, "witness"] as const;

/** Changes the files of a store that nobody has open. Gives what was done, in words. */
export function damage(random: Random, directory: string, old: string): string {
  const dice = random.below(100);
  const path = join(directory, random.pick(FILES));
  if (dice < 10 && existsSync(old)) {
    // As from a copy of files that was made at another time. The witness is not among them.
    for (const suffix of ["", "-wal", "-shm"]) {
      rmSync(join(directory, STORE + suffix), { force: true });
      if (existsSync(old + suffix)) copyFileSync(old + suffix, join(directory, STORE + suffix));
    }
    return "an older copy";
  }
  if (!existsSync(path)) return "nothing";
  if (dice < 18) {
    rmSync(path);
    return `${path} removed`;
  }
  const file = openSync(path, "r+");
  try {
    const { size } = fstatSync(file);
    if (size === 0) return "nothing";
    if (dice < 40) {
      const left = random.below(size);
      ftruncateSync(file, left);
      return `${path} cut from ${size} to ${left}`;
    }
    const flipped: number[] = [];
    for (let left = random.pick([1, 1, 1, 20]); left > 0; left--) {
      const at = random.below(size);
      const byte = Buffer.alloc(1);
      readSync(file, byte, 0, 1, at);
      byte[0] = (byte[0] ?? 0) ^ (1 << random.below(8));
      writeSync(file, byte, 0, 1, at);
      flipped.push(at);
    }
    return `${path} changed at ${flipped.join()} of ${size}`;
  } finally {
    closeSync(file);
  }
}

/** Keeps a copy of the store for `damage`, while nobody has it open. */
export function keepOld(directory: string, old: string): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    rmSync(old + suffix, { force: true });
    if (existsSync(join(directory, STORE + suffix)))
      copyFileSync(join(directory, STORE + suffix), old + suffix);
  }
}
