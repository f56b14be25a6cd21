// `npm run torture [-- --minutes N --seed S --only kill|stop|disk|damage|clock --lives N --faults N
// --keep DIRECTORY]`:
// the built server, with its channels on disk, is killed, stopped, filled up, damaged and put out of time
// under load, until it breaks its word or the time is over. Needs `npm run build`.
import { parseArgs } from "node:util";
import { Random } from "@zocalo/integrity";
import { KINDS } from "./life.ts";
import { liveOnce, shown, type Totals } from "./lives.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    lives: { type: "string" },
    seed: { type: "string" },
    only: { type: "string" },
    faults: { type: "string" },
    keep: { type: "string" },
  },
});
const first = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const lives = Number(values.lives ?? Number.POSITIVE_INFINITY);
const minutes = Number(values.minutes ?? (values.lives === undefined ? 10 : Number.POSITIVE_INFINITY));
const kinds = KINDS.filter((kind) => values.only === undefined || values.only === kind);
if (!Number.isSafeInteger(first) || !(minutes > 0) || !(lives > 0) || kinds.length === 0) {
  console.error(`--seed, --minutes and --lives are numbers above 0; --only is one of ${KINDS.join(", ")}`);
  process.exit(2);
}
const began = performance.now();
const totals: Totals = { lives: 0, counts: new Map(), left: new Set() };
console.log(`torture: seed ${first}, Node ${process.version}`);
for (let number = 0; number < lives && performance.now() - began < minutes * 60_000; number++) {
  const seed = first + number;
  // By seed alone, so that `--only` makes the same life again.
  const kind = kinds.length === 1 ? kinds[0] : new Random(seed ^ 0x5eed).pick(kinds);
  if (kind === undefined) break;
  const broken = await liveOnce(kind, seed, totals, {
    parent: values.keep,
    ...(values.faults === undefined ? {} : { faults: Number(values.faults) }),
  });
  if (broken !== undefined) {
    console.log(`FAILED ${broken}`);
    process.exit(1);
  }
  const seconds = Math.round((performance.now() - began) / 1_000);
  console.log(`${seconds} s, ${kind} ${seed}: ${shown(totals)}`);
}
for (const sentence of totals.left) console.log(sentence);
console.log(
  `kept its word, in ${((performance.now() - began) / 60_000).toFixed(1)} minutes: ${shown(totals)}`,
);
process.exit(0);
