import { link, readFile, rename, rm, writeFile } from "node:fs/promises";

/** Locks that this process has. */
const held = new Set<string>();

/**
 * The right to a file, of one session of one process at a time. It is a file with the number of its process:
 * one whose process is gone is nobody's. A number is believed on this machine alone, and the system may give
 * it to another process; then the error says which file to remove.
 */
export class FileLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @throws Error if another session has it */
  static async take(path: string): Promise<FileLock> {
    if (held.has(path)) throw inUse(path, process.pid);
    held.add(path);
    try {
      const own = `${path}.${process.pid}`;
      await writeFile(own, `${process.pid}\n`, { mode: 0o600 });
      try {
        // A link is made whole, or not at all.
        await link(own, path).catch(async () => {
          await removeLeft(path);
          await link(own, path);
        });
      } finally {
        await rm(own, { force: true });
      }
    } catch (error) {
      held.delete(path);
      throw error;
    }
    return new FileLock(path);
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
    held.delete(this.#path);
  }
}

/** Removes the lock of a process that is gone. */
async function removeLeft(path: string): Promise<void> {
  const text = await readFile(path, "utf8").catch(() => "");
  const pid = Number(text);
  // Our own number, and not ours: of an earlier process, as in a container, where all have the same.
  if (text === "") return; // It has just been given up.
  if (pid !== process.pid && isAlive(pid)) throw inUse(path, pid);
  const left = `${path}.left.${process.pid}`;
  await rename(path, left);
  const moved = await readFile(left, "utf8");
  if (moved !== text) {
    await link(left, path).catch(() => {}); // Another process was faster, and it is that one's.
    await rm(left, { force: true });
    throw inUse(path, Number(moved));
  }
  await rm(left, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function inUse(path: string, pid: number): Error {
  return new Error(
    `${path} is of process ${pid}; if that is none that keeps its publications there, remove it`,
  );
}
