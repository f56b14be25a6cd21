import { existsSync } from "node:fs";
import { FILLINGS, fill } from "./memory-fillings.ts";
import { STEADY_HEAP } from "./measure.ts";

export const title = "Hub: resident memory of a memory engine that is full, in parts of its bound";

const MiB = 1_048_576;

/**
 * Fills an engine with publications of each kind, and prints what the process grew by.
 *
 * @param args `--quick`: twice a bound of 32 MiB is published instead of three times 64;
 *   `--default-heap`: V8 chooses the room for new objects, which grows by itself and is none of the engine's;
 *   each other one is a Node to run it on.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const [maxBytes, times] = isQuick ? [32 * MiB, 2] : [64 * MiB, 3];
  const heap = args.includes("--default-heap") ? [] : STEADY_HEAP;
  const nodes = args.filter((arg) => !arg.startsWith("-"));
  for (const node of nodes.length === 0 ? [process.execPath] : nodes) {
    if (!existsSync(node)) throw new Error(`there is no ${node}`);
    console.log(`\n${node}: maxBytes ${maxBytes / MiB} MiB, of which ${times} times as much is published`);
    console.log(line("", ["full", "at most", "settled", "counted", "published", "CPU each"]));
    for (const name of Object.keys(FILLINGS)) {
      const { full, most, settled, counted, published, cpuUs } = await fill(
        name,
        maxBytes,
        times,
        heap,
        node,
      );
      const parts = [full, most, settled, counted].map((part) => part.toFixed(2));
      console.log(line(name, [...parts, published.toLocaleString("en-US"), `${cpuUs.toFixed(2)} µs`]));
    }
  }
}

function line(name: string, figures: readonly string[]): string {
  return name.padEnd(52) + figures.map((figure) => figure.padStart(12)).join("");
}
