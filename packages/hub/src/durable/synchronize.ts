import { closeSync, fsyncSync, openSync } from "node:fs";

/**
 * Waits until the disk has a file, or the names in a directory.
 *
 * @param change made before, to the open file
 */
export function synchronize(path: string, flags: string, change?: (file: number) => void): void {
  const file = openSync(path, flags, 0o600);
  try {
    change?.(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
