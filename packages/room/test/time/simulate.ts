// `npm run simulate --workspace packages/room [-- --seeds N --seed S --way MS --jitter MS --loss SHARE]`: a
// server and a client on a bad link, each pair by its own seed, until one breaks a promise or all are done.
import { parseArgs } from "node:util";
import { type Figures, simulate, USUAL } from "./simulation.ts";
import { summary } from "./summary.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    seed: { type: "string" },
    way: { type: "string" },
    jitter: { type: "string" },
    loss: { type: "string" },
  },
});
const first = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const link = {
  wayMs: Number(values.way ?? USUAL.wayMs),
  jitterMs: Number(values.jitter ?? USUAL.jitterMs),
  loss: Number(values.loss ?? USUAL.loss),
};
const seeds = Number(values.seeds);
if (!Number.isSafeInteger(first) || !(seeds > 0) || Object.values(link).some((value) => !(value >= 0))) {
  console.error("--seed, --seeds, --way, --jitter and --loss are numbers from 0");
  process.exit(2);
}
const runs: Figures[] = [];
for (let seed = first; seed < first + seeds; seed++) {
  try {
    runs.push(simulate({ seed, link }));
  } catch (error) {
    console.error(`FAILED ${String(error)}; again: --seeds 1 --seed ${seed}`);
    process.exit(1);
  }
}
console.log(`${runs.length} pairs from seed ${first} kept their word. ${summary(runs)}`);
