import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const SIZE = "40m";
const CHUNK = Buffer.alloc(65_536);

/** A disk in memory that only those see who are started under it. */
export class SmallDisk {
  readonly directory: string;
  readonly #holder: ChildProcess;

  private constructor(directory: string, holder: ChildProcess) {
    this.directory = directory;
    this.#holder = holder;
  }

  /** Gives nothing where such a disk cannot be made. */
  static async make(directory: string): Promise<SmallDisk | undefined> {
    const script = `mount -t tmpfs -o size=${SIZE} none "$0" && echo made && exec cat`;
    const flags = ["--user", "--map-root-user", "--mount", "sh", "-c", script, directory];
    const holder = spawn("unshare", flags, { stdio: ["pipe", "pipe", "ignore"] });
    holder.on("error", () => undefined);
    const made = await Promise.race([once(holder.stdout, "data"), once(holder, "close")]);
    return String(made[0]).startsWith("made") ? new SmallDisk(directory, holder) : undefined;
  }

  /** What starts a program under it. */
  get under(): readonly string[] {
    return ["nsenter", "--preserve-credentials", "-U", "-m", "-t", `${this.#holder.pid}`];
  }

  /** Where those who are not under it see a file of it. */
  seen(name: string): string {
    return join(`/proc/${this.#holder.pid}/root`, this.directory, name);
  }

  /** Leaves no room at all. */
  fill(): void {
    const file = openSync(this.seen("ballast"), "a");
    try {
      for (let bytes = CHUNK; bytes.length > 0; ) {
        try {
          writeSync(file, bytes);
        } catch {
          bytes = bytes.subarray(0, bytes.length >> 1);
        }
      }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.seen("ballast"), { force: true });
  }

  async unmount(): Promise<void> {
    const closed = once(this.#holder, "close");
    this.#holder.kill("SIGKILL");
    await closed;
  }
}
