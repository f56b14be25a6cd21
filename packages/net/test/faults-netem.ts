import { execFileSync } from "node:child_process";

/** Runs a program and gives what it printed. @throws Error if it fails, or is not there. */
export type Run = (command: string, ...args: readonly string[]) => string;

/** Runs it on this machine. */
export const runHere: Run = (command, ...args) =>
  execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

const DELAY = "3ms";

/** The arguments of `tc` that add to a device, or change, a delay and a share of losses (tc-netem(8)). */
export function netemArguments(verb: "add" | "change", device: string, loss: number): string[] {
  // Without the rounding 0.29 would become 28.999999999999996.
  const percent = `${Math.round(loss * 100_000) / 1000}%`;
  return ["qdisc", verb, "dev", device, "root", "netem", "delay", DELAY, "loss", percent];
}

/** What the kernel does to the packets that leave by one device: delays them, and loses a share. */
export class Netem {
  readonly #device: string;
  readonly #run: Run;

  private constructor(device: string, run: Run) {
    this.#device = device;
    this.#run = run;
  }

  /** `undefined` where the kernel has no netem, or there is no `tc`. */
  static on(device: string, run: Run): Netem | undefined {
    try {
      run("tc", ...netemArguments("add", device, 0));
    } catch {
      return undefined;
    }
    return new Netem(device, run);
  }

  /** @param share 0 to 1. */
  setLoss(share: number): void {
    this.#run("tc", ...netemArguments("change", this.#device, share));
  }

  /** Packets lost so far. */
  lost(): number {
    const answer = this.#run("tc", "-s", "-j", "qdisc", "show", "dev", this.#device);
    const disciplines = JSON.parse(answer) as { kind: string; drops: number }[];
    const netem = disciplines.find(({ kind }) => kind === "netem");
    if (netem === undefined) throw new Error(`no netem on ${this.#device}: ${answer}`);
    return netem.drops;
  }
}
