// `npm run boxes --workspace bench`: makes the recording of boxes that `npm run bench -- room` measures with.
import { changedBoxes, FIRST_RECORDED, simulateBoxes } from "./box-physics.ts";
import { writeBoxes } from "./boxes.ts";

/** Ten seconds. */
const FRAMES = 600;

const frames: Int32Array[] = [];
const changed: number[] = [];
let before: Int32Array | undefined;
let frame = 0;
for await (const cells of simulateBoxes(FIRST_RECORDED + FRAMES)) {
  if (frame++ < FIRST_RECORDED) {
    before = cells;
    continue;
  }
  if (before) changed.push(changedBoxes(before, cells));
  before = cells;
  frames.push(cells);
}
changed.sort((a, b) => a - b);
const at = (share: number): number | undefined => changed[Math.floor((changed.length - 1) * share)];
const bytes = writeBoxes(frames);
const mean = changed.reduce((sum, each) => sum + each, 0) / changed.length;
console.log(`${frames.length} frames, ${bytes} bytes; ${mean.toFixed(1)} boxes change in a frame`);
console.log(`least ${at(0)}, tenth ${at(0.1)}, median ${at(0.5)}, nine tenths ${at(0.9)}, most ${at(1)}`);
