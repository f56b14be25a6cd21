// A process that publishes as fast as it can, says what was acknowledged, and is killed meanwhile:
// `durable-writer.ts DIRECTORY SEED`. Each line is JSON: `[channel, epoch, offset, key, length]`.
import { Random } from "@zocalo/integrity";
import { writeSync } from "node:fs";
import { durable } from "../src/index.ts";
import { keepAll, publicationOf } from "./durable-crash.ts";

const [directory = "", seed = "1"] = process.argv.slice(2);
const random = new Random(Number(seed));
const engine = await durable(directory, { tidyMs: 20 });
engine.start({ publication: () => undefined, replaced: () => undefined, presence: () => undefined });
let number = 0;

async function publishOn(): Promise<never> {
  for (;;) {
    const channel = `c:${random.below(5)}`;
    const key = `${seed}-${number++}`;
    const length = random.chance(0.02) ? random.below(40_000) : random.below(300);
    const { epoch, offset } = await engine.publish(channel, publicationOf(channel, key, length), keepAll);
    // At once, and not by a stream: what is said is what was acknowledged, whenever this process ends.
    writeSync(1, `${JSON.stringify([channel, epoch, offset, key, length])}\n`);
  }
}

await Promise.all(Array.from({ length: 1 + random.below(64) }, publishOn));
