import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Random } from "@zocalo/integrity";
import { clockOffset, offsetClock } from "../clock-programs.ts";
import { type Ports, ServerProcess, type StartOptions } from "../e2e-server.ts";
import { damage, keepOld } from "./damage.ts";
import { SmallDisk } from "./small-disk.ts";
import { CHANNELS, CONFIGURATION, Square } from "./square.ts";

/** What is done to a server. */
export const KINDS = ["kill", "stop", "disk", "damage", "clock"] as const;
export type Kind = (typeof KINDS)[number];

const COMMAND = fileURLToPath(new URL("../../packages/zocalo/dist/bin.js", import.meta.url));
/** A server that is started works by then, or a fault meets one that does not. */
const WORKS_MS = 10_000;
const MINUTE_S = 60;
const DAY_S = 86_400;

/** Something was done that the machine does not allow. */
export class CannotBe extends Error {}

/** One data directory, from its first server to its last. */
export class Life {
  readonly kind: Kind;
  /** How often something was done. */
  readonly counts = new Map<string, number>();
  /** What was done, and when, for whoever reads the histories. */
  readonly done: string[] = [];
  readonly #random: Random;
  readonly #directory: string;
  readonly #isMonotonicOff: boolean;
  #clockSeconds = 0;
  #disk: SmallDisk | undefined;
  #server: ServerProcess | undefined;
  #ports: Ports | undefined;
  #square: Square | undefined;
  #stderr = "";

  /** @param directory of its own, and empty */
  constructor(kind: Kind, seed: number, directory: string) {
    this.kind = kind;
    this.#random = new Random(seed);
    this.#directory = directory;
    // By the seed alone: a pair of them has both.
    this.#isMonotonicOff = kind === "clock" && seed % 2 === 1;
  }

  /**
   * Lives, with so many faults.
   *
   * @returns what is broken
   * @throws CannotBe
   */
  async run(faults: number): Promise<string | undefined> {
    mkdirSync(join(this.#directory, "disk"), { recursive: true });
    writeFileSync(join(this.#directory, "zocalo.config.json"), JSON.stringify(CONFIGURATION));
    this.#setClock(0);
    if (this.#isMonotonicOff) this.#count("monotonic clock off, too");
    if (this.kind === "disk") this.#disk = await SmallDisk.make(join(this.#directory, "disk"));
    if (this.kind === "disk" && this.#disk === undefined) {
      throw new CannotBe("no small disk can be made here: unshare with a user namespace, and tmpfs in it");
    }
    try {
      return await this.#live(faults);
    } finally {
      this.#square?.end();
      this.#server?.signal("SIGCONT");
      await this.#server?.kill("SIGKILL");
      await this.#disk?.unmount();
    }
  }

  /** Writes down what everybody saw, beside the data. */
  keep(broken: string): void {
    const lines = this.#square?.history.map((entry) => JSON.stringify(entry)) ?? [];
    writeFileSync(join(this.#directory, "history.jsonl"), `${lines.join("\n")}\n`);
    writeFileSync(join(this.#directory, "stderr.txt"), this.#stderr + (this.#server?.stderr ?? ""));
    writeFileSync(join(this.#directory, "done.txt"), `${this.done.join("\n")}\n${broken}\n`);
  }

  get #data(): string {
    return join(this.#directory, "disk", "data");
  }

  async #live(faults: number): Promise<string | undefined> {
    const random = this.#random;
    const { ports } = await this.#start();
    this.#ports = ports;
    const square = new Square(random, ports);
    this.#square = square;
    const acting = square.act();
    for (let left = faults; left > 0; left--) {
      // It has to be at work.
      const { acked } = square;
      for (let waited = 0; square.acked === acked && waited < WORKS_MS; waited += 20) await sleep(20);
      await sleep(random.int(50, 600));
      if (random.chance(0.2)) square.leave();
      const broken = await this.#fault();
      if (broken !== undefined) return broken;
    }
    await sleep(300);
    const ended = this.#endedByItself();
    if (ended !== undefined) return ended;
    const broken = await square.calm();
    await acting;
    for (const entry of square.history) {
      this.#count(entry.type, "seen");
      if (entry.type === "gap" && entry.gap.reset) this.#count("reset", "seen");
      const isRefused = entry.type === "message" && entry.text.includes('"code":"unavailable"');
      if (isRefused) this.#count("unavailable", "seen");
    }
    return broken ?? (await this.#lastLook());
  }

  #fault(): Promise<string | undefined> {
    switch (this.kind) {
      case "kill":
        return this.#killed();
      case "stop":
        return this.#stopped();
      case "disk":
        return this.#filled();
      case "damage":
        return this.#damaged();
      case "clock":
        return this.#clockSet();
    }
  }

  async #killed(): Promise<string | undefined> {
    const random = this.#random;
    await this.#kill();
    if (random.chance(0.3)) await sleep(random.below(300));
    // Also in the middle of a start, which reads what the killed one left behind.
    while (random.chance(0.25)) {
      const abort = new AbortController();
      const starting = this.#start(abort.signal);
      starting.catch(() => undefined);
      await sleep(random.below(500));
      abort.abort();
      await starting.then(
        ({ ended }) => ended,
        () => undefined,
      );
      this.#server = undefined;
      this.#count("killed while it started");
    }
    return this.#startAgain();
  }

  async #stopped(): Promise<string | undefined> {
    const random = this.#random;
    this.#server?.signal("SIGSTOP");
    this.#did("stopped");
    await sleep(random.int(500, 5_000));
    if (random.chance(0.2)) return this.#killed();
    this.#server?.signal("SIGCONT");
    return this.#endedByItself();
  }

  async #filled(): Promise<string | undefined> {
    const random = this.#random;
    this.#disk?.fill();
    this.#did("filled");
    await sleep(random.int(100, 1_500));
    const ended = this.#endedByItself();
    if (ended !== undefined) return ended;
    if (random.chance(0.4)) {
      await this.#kill();
      try {
        await this.#start();
        this.#did("started on a full disk");
      } catch {
        this.#did("refused to start on a full disk");
      }
    }
    this.#disk?.free();
    await sleep(random.int(100, 1_000));
    return this.#server === undefined ? this.#startAgain() : this.#endedByItself();
  }

  async #damaged(): Promise<string | undefined> {
    const random = this.#random;
    if (random.chance(0.3)) {
      await this.#server?.kill("SIGTERM");
      this.#gone("ended in order");
    } else await this.#kill();
    const old = join(this.#directory, "old.db");
    for (let left = random.pick([0, 1, 1, 1, 2]); left > 0; left--) {
      for (const channel of CHANNELS) this.#square?.write({ type: "lost", channel });
      this.#did(damage(random, this.#data, old).replace(`${this.#data}/`, ""), "damaged");
    }
    if (random.chance(0.2)) keepOld(this.#data, old);
    return this.#startAgain();
  }

  async #clockSet(): Promise<string | undefined> {
    const random = this.#random;
    const isKilled = random.chance(0.4);
    const seconds = random.pick([-1, 1]) * random.pick([5, 7 * MINUTE_S, DAY_S, 60 * DAY_S, 3_650 * DAY_S]);
    if (isKilled) await this.#kill();
    // Timers of a monotonic clock that goes back while a program runs stand still: no system does that.
    if (isKilled || !this.#isMonotonicOff || seconds > this.#clockSeconds) this.#setClock(seconds);
    return isKilled ? this.#startAgain() : this.#endedByItself();
  }

  /** @param seconds ahead of the machine's clock, not of what was set before */
  #setClock(seconds: number): void {
    this.#clockSeconds = seconds;
    writeFileSync(join(this.#directory, "offset"), clockOffset(seconds));
    if (this.#square !== undefined) this.#did(`clock set to ${clockOffset(seconds)} s`, "clock set");
  }

  async #kill(): Promise<void> {
    await this.#server?.kill("SIGKILL");
    this.#gone("killed");
  }

  #gone(how: string): void {
    this.#stderr += this.#server?.stderr ?? "";
    this.#server = undefined;
    this.#did(how);
  }

  async #start(signal?: AbortSignal): Promise<ServerProcess> {
    const offset = join(this.#directory, "offset");
    const options: StartOptions = {
      under: this.#disk?.under ?? [],
      environment: this.kind === "clock" ? offsetClock(offset, this.#isMonotonicOff) : {},
      ...(signal === undefined ? {} : { signal }),
    };
    const config = join(this.#directory, "zocalo.config.json");
    const args = ["--engine", "durable", "--data", this.#data, "--config", config];
    this.#server = await ServerProcess.start(this.#ports, args, options);
    return this.#server;
  }

  async #startAgain(): Promise<string | undefined> {
    try {
      await this.#start();
      return undefined;
    } catch (error) {
      return `start: ${String(error)}`;
    }
  }

  #endedByItself(): string | undefined {
    const ending = this.#server?.ending;
    return ending && `end: the server ended by itself: ${JSON.stringify(ending)}`;
  }

  /** Ends it in order, and lets it look through what it leaves. */
  async #lastLook(): Promise<string | undefined> {
    if (this.#server === undefined) return "end: no server";
    const { code } = await this.#server.kill("SIGTERM");
    this.#gone("ended in order");
    if (code !== 0) return `end: SIGTERM ended it with ${code}`;
    if (this.kind === "damage") return undefined;
    const [program = process.execPath, ...args] = [
      ...(this.#disk?.under ?? []),
      process.execPath,
      COMMAND,
      ...["data", "check", "--data", this.#data],
    ];
    try {
      await promisify(execFile)(program, args, { cwd: this.#directory });
      return undefined;
    } catch (error) {
      return `check: ${String(error)} ${String((error as { stdout?: string }).stdout)}`;
    }
  }

  #did(what: string, counted = what): void {
    this.done.push(`${this.#square?.now ?? 0} ms: ${what}`);
    this.#count(counted);
  }

  #count(what: string, of?: string): void {
    const name = of === undefined ? what : `${of} ${what}`;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}
