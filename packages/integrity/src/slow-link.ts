import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { IntegrityFailure } from "./failure.ts";
import type { Decks } from "./random.ts";
import type { CaseBase, Scenario } from "./run.ts";

/** Another case, run by a process of its own in a network of its own whose loopback is slow. */
export interface SlowLinkCase<Inner extends CaseBase = CaseBase> extends CaseBase {
  /** What both ways share. */
  readonly kilobitsPerSecond: number;
  readonly inner: Inner;
}

/** What a package says of its slow link. */
export interface SlowLinkOptions<Inner extends CaseBase> {
  /** The script that calls `command` with all scenarios the inner cases are of. */
  readonly drive: URL;
  /** How many cards the scenario has. Default 1. */
  readonly weight?: number;
  readonly kilobitsPerSecond: number;
  /** Draws what is run over the slow link. At the rate it is given it should take less than 3 s. */
  draw(decks: Decks): Inner;
  /** Simpler inner cases, the boldest first. */
  simpler(inner: Inner): Iterable<Inner>;
}

/** An inner case that takes so long hangs, by the turns of its own event loop; and says so. */
const INNER_HANG_SECONDS = 20;
/** The outer one, in turns of 100 ms: for a process that cannot say so. To begin takes one half a minute where 20 others want the processor. */
const OUTER_HANG_LOOKS = 3000;

/** True where a namespace can be made and its link be slowed: Linux with iproute2, as root or where users may. */
export function canSlowLinks(): boolean {
  if (process.platform !== "linux") return false;
  return spawnSync("unshare", inNetwork(1000, ["true"]), { stdio: "ignore" }).status === 0;
}

/**
 * On a link that is slower than the process the system takes nothing at once: datagrams wait in the process,
 * writes go in steps, and a connection is closed while much of it is still on its way.
 */
export function slowLinkScenario<Inner extends CaseBase>(
  options: SlowLinkOptions<Inner>,
): Scenario<SlowLinkCase<Inner>> {
  const { drive, kilobitsPerSecond } = options;
  return {
    name: "slow link",
    weight: options.weight ?? 1,
    hangLooks: OUTER_HANG_LOOKS,
    draw: (decks) => ({
      scenario: "slow link",
      seed: decks.random.fork(),
      kilobitsPerSecond,
      inner: options.draw(decks),
    }),
    run(drawn, context) {
      const script = [fileURLToPath(drive), "--repeat", "1", "--hang-seconds", String(INNER_HANG_SECONDS)];
      const node = process.execArgv.filter((arg) => !arg.startsWith("--test"));
      const program = [process.execPath, ...node, ...script, "--case", JSON.stringify(drawn.inner)];
      const child = spawn("unshare", inNetwork(drawn.kilobitsPerSecond, program), {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, NODE_TEST_CONTEXT: undefined },
      });
      context.onEnd(() => child.kill());
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (bytes: Buffer) => (output += bytes.toString()));
      }
      return new Promise<void>((resolve, reject) => {
        child.once("error", reject);
        child.once("close", (code, signal) => {
          if (code === 0) return resolve();
          const ending = signal === null ? "" : `ended by ${signal}, `;
          const where = `in a network of ${drawn.kilobitsPerSecond} kbit/s: ${ending}`;
          reject(new IntegrityFailure(`${where}${output.trimEnd()}`));
        });
      });
    },
    *simpler(drawn) {
      for (const inner of options.simpler(drawn.inner)) yield { ...drawn, inner };
    },
  };
}

/** Arguments of `unshare` that run `program` where the loopback is slow (tc-tbf(8)) and its packets are small. */
function inNetwork(kilobitsPerSecond: number, program: readonly string[]): string[] {
  const alone = process.getuid?.() === 0 ? "-n" : "-rn";
  // The token bucket drops packets that are larger than its burst, as those of a loopback are.
  const slowed =
    `ip link set lo mtu 1500 up && ` +
    `tc qdisc add dev lo root tbf rate ${kilobitsPerSecond}kbit burst 16kb limit 4mb && exec "$@"`;
  return [alone, "sh", "-c", slowed, "sh", ...program];
}
