import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";

/** Locks that this process has. */
const held = new Set<string>();

/**
 * The right to a file, of one session of one process at a time. It is a file with the number of its process
 * and, where the system tells, its birth: one whose process is gone is nobody's. Where it does not tell, and
 * has given the number to another process, the error says which file to remove. A number is believed on this
 * machine alone.
 */
export class FileLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @throws Error if another session has it */
  static async take(file: string): Promise<FileLock> {
    const path = resolve(file);
    if (held.has(path)) throw inUse(path, `${process.pid}`);
    held.add(path);
    try {
      const own = `${path}.${process.pid}`;
      const birth = await birthOf(process.pid);
      try {
        await writeFile(own, `${process.pid} ${birth ?? ""}\n`, { mode: 0o600 });
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
  if (text === "") return; // It has just been given up.
  if (await isHeld(text)) throw inUse(path, text);
  const left = `${path}.left.${process.pid}`;
  await rename(path, left);
  const moved = await readFile(left, "utf8");
  if (moved !== text) {
    await link(left, path).catch(() => {}); // Another process was faster, and it is that one's.
    await rm(left, { force: true });
    throw inUse(path, moved);
  }
  await rm(left, { force: true });
}

async function isHeld(text: string): Promise<boolean> {
  const [number, then] = text.trim().split(" ");
  const pid = Number(number);
  if (!isAlive(pid)) return false;
  const now = await birthOf(pid);
  if (then !== undefined && now !== undefined) return then === now;
  // Our own number, and not ours: of an earlier process, as in a container, where all have the same.
  return pid !== process.pid;
}

/** Names the boot of the machine, and when in it a process began; nothing where the system does not tell. */
async function birthOf(pid: number): Promise<string | undefined> {
  try {
    const [boot, stat] = await Promise.all([
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
      readFile(`/proc/${pid}/stat`, "utf8"),
    ]);
    // The name of the program, in parentheses, may have blanks in it. proc(5): the 22nd field.
    const began = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return `${boot.trim()}:${began}`;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function inUse(path: string, text: string): Error {
  const [pid] = text.trim().split(" ");
  return new Error(
    `${path} is of process ${pid}; if that is none that keeps its publications there, remove it`,
  );
}
