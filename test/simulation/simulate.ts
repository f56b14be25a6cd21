// `npm run simulate [-- --seeds N --seed S --seconds N --engine memory|durable --history]`: worlds of
// clients, a server and faults, each by its own seed, until one breaks a promise or all are done.
// `--history` prints what was written down.
import { parseArgs } from "node:util";
import type { Entry } from "./history.ts";
import { ENGINES, simulate } from "./world.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    seed: { type: "string" },
    seconds: { type: "string" },
    engine: { type: "string", default: "memory" },
    history: { type: "boolean" },
  },
});
const first = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const seconds = Number(values.seconds ?? Number.POSITIVE_INFINITY);
const seeds = Number(values.seeds ?? (values.seconds === undefined ? 1_000 : Number.POSITIVE_INFINITY));
const engine = ENGINES.find((name) => name === values.engine);
if (engine === undefined) {
  console.error(`--engine is one of ${ENGINES.join(", ")}`);
  process.exit(2);
}
if (!Number.isSafeInteger(first) || !(seeds > 0) || !(seconds > 0)) {
  console.error("--seed, --seeds and --seconds are numbers above 0");
  process.exit(2);
}

const started = performance.now();
const totals = new Map<Entry["type"], number>();
let done = 0;
for (; done < seeds && performance.now() - started < seconds * 1_000; done++) {
  const seed = first + done;
  const { broken, history } = await simulate(seed, engine);
  if (values.history === true) for (const entry of history) console.log(JSON.stringify(entry));
  for (const { type } of history) totals.set(type, (totals.get(type) ?? 0) + 1);
  if (broken === undefined) continue;
  console.log(`FAILED ${broken}; again: npm run simulate -- --engine ${engine} --seeds 1 --seed ${seed}`);
  process.exit(1);
}
const took = ((performance.now() - started) / 1_000).toFixed(1);
console.log(
  `${done} worlds from seed ${first} kept their word, in ${took} s: ${JSON.stringify(Object.fromEntries(totals))}`,
);
