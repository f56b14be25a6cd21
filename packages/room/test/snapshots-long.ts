// Any number of histories: `npx tsx --conditions=zocalo-source packages/room/test/snapshots-long.ts [COUNT]
// [SEED]`.
import fc from "fast-check";
import { play } from "./play.ts";
import { anyPlay, anyPressedPlay } from "./any-play.ts";

const [count = "1000", seed = "1"] = process.argv.slice(2);
let reads = 0;
let wholes = 0;
for (const any of [anyPlay, anyPressedPlay]) {
  fc.assert(
    fc.property(any, (options) => {
      for (const client of play(options)) {
        reads += client.reads;
        wholes += client.wholes;
      }
    }),
    { seed: Number(seed), numRuns: Number(count) },
  );
}
console.log(
  `${2 * Number(count)} histories, ${reads} snapshots read, ${wholes} of them whole: all as on the server`,
);
