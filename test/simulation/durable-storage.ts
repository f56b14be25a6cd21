import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "@zocalo/hub";
import type { Random } from "@zocalo/integrity";
import { InProcessStore } from "../../packages/hub/test/in-process-store.ts";
import type { EngineFaults, Storage } from "./simulated-engine.ts";
import type { Machine, VirtualTime } from "./virtual-time.ts";

const STORE = "zocalo.db";
const WAL = `${STORE}-wal`;
const WITNESS = "witness";

/** What damages a channel, in SQL. */
const DAMAGES = [
  "UPDATE log SET data = '0' WHERE channel = (SELECT id FROM channel WHERE name = ?)",
  "DELETE FROM log WHERE (channel, offset) = (SELECT id, head FROM channel WHERE name = ?)",
  "UPDATE channel SET head = head - 1 WHERE name = ?",
  "UPDATE key SET offset = offset + 1 WHERE channel = (SELECT id FROM channel WHERE name = ?)",
] as const;

/** What was there before the batch that is under way. */
interface Before {
  readonly walBytes: number;
  readonly witness: Buffer;
}

/**
 * The engine on disk as it is, but for its thread: real files, whose process is killed at any moment, which
 * cannot be written to, are damaged and are put back.
 */
export class DurableStorage implements Storage {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #faults: EngineFaults;
  /** Its uptime goes on from one process to the next. */
  readonly #machine: Machine;
  readonly #root = mkdtempSync(join(tmpdir(), "zocalo-simulated-"));
  #lives = 0;
  #store: InProcessStore | undefined;
  /** Set while a batch is carried out and not answered. */
  #before: Before | undefined;
  isFull = false;
  isCalm = false;

  constructor(time: VirtualTime, machine: Machine, random: Random, faults: EngineFaults) {
    this.#time = time;
    this.#machine = machine;
    this.#random = random;
    this.#faults = faults;
    mkdirSync(this.#directory);
  }

  boot(process: Machine): Engine {
    const [wallClock, uptimeClock] = [process.hubClock, this.#machine.hubClock];
    this.#store = new InProcessStore(this.#directory, {
      clock: {
        wall: () => wallClock.wall(),
        uptime: () => uptimeClock.uptime(),
        boot: "the only one",
      },
      delay: () => this.#delay(),
      tidies: () => this.#random.chance(0.1),
      begins: () => (this.#before = this.#now()),
      ends: () => (this.#before = undefined),
      fails: () => this.#fails(),
    });
    return this.#store.engine;
  }

  /** The process is killed: what it has written is there. Gives true if an old copy is, instead. */
  crash(): boolean {
    const from = this.#directory;
    const before = this.#before;
    this.#before = undefined;
    this.#lives++;
    const to = this.#directory;
    mkdirSync(to);
    const names = [STORE, WAL, WITNESS].filter((name) => existsSync(join(from, name)));
    for (const name of names) copyFileSync(join(from, name), join(to, name));
    if (before !== undefined) this.#tear(to, before);
    const isOld = this.#lives > 1 && this.#random.chance(0.1);
    if (isOld) {
      // But for the witness.
      for (const name of [STORE, WAL]) {
        rmSync(join(to, name), { force: true });
        const old = join(this.#root, "old", name);
        if (existsSync(old)) copyFileSync(old, join(to, name));
      }
    }
    if (this.#lives === 1 || this.#random.chance(0.3)) this.#keepOld(to);
    this.#store?.kill();
    this.#store = undefined;
    rmSync(from, { recursive: true });
    return isOld;
  }

  async lose(channel: string): Promise<void> {
    this.#store?.change(this.#random.pick(DAMAGES), channel);
  }

  end(): void {
    this.#store?.kill();
    rmSync(this.#root, { recursive: true });
  }

  get #directory(): string {
    return join(this.#root, `${this.#lives}`);
  }

  #now(): Before {
    const wal = statSync(join(this.#directory, WAL), { throwIfNoEntry: false });
    return { walBytes: wal?.size ?? 0, witness: readFileSync(join(this.#directory, WITNESS)) };
  }

  /** A batch was under way, and nobody was answered: it is committed, or not seen by the witness, or torn. */
  #tear(directory: string, { walBytes, witness }: Before): void {
    const dice = this.#random.below(3);
    if (dice === 0) return;
    writeFileSync(join(directory, WITNESS), witness);
    const wal = join(directory, WAL);
    const written = (statSync(wal, { throwIfNoEntry: false })?.size ?? 0) - walBytes;
    if (dice === 2 && written > 0) truncateSync(wal, walBytes + this.#random.below(written));
  }

  #keepOld(directory: string): void {
    const old = join(this.#root, "old");
    rmSync(old, { recursive: true, force: true });
    mkdirSync(old);
    for (const name of [STORE, WAL])
      if (existsSync(join(directory, name))) copyFileSync(join(directory, name), join(old, name));
  }

  #fails(): Error | undefined {
    if (this.isFull) return failure("database or disk is full", 13);
    if (this.isCalm || !this.#random.chance(this.#faults.publishFails)) return undefined;
    return failure("disk I/O error", 10);
  }

  #delay(): Promise<void> | undefined {
    if (this.isCalm || this.#random.chance(0.4)) return undefined;
    return this.#time.sleep(this.#random.below(this.#faults.maxDelayMs));
  }
}

function failure(message: string, errcode: number): Error {
  return Object.assign(new Error(message), { errcode });
}
