import assert from "node:assert/strict";
import { test } from "node:test";
import { changedBoxes, FIRST_RECORDED, simulateBoxes } from "./box-physics.ts";
import { BOX_CELLS, BOX_LAYOUT, BOXES, packFrames, quantizeBox, readBoxes, unpackFrames } from "./boxes.ts";

test("The recording of boxes has 90 to 110 that change in most frames, all in range", () => {
  const frames = readBoxes();
  const changed = frames.slice(1).map(({ cells }, i) => changedBoxes(frames[i]?.cells ?? cells, cells));
  const within = changed.filter((count) => count >= 90 && count <= 110);
  assert.ok(within.length > 0.8 * changed.length, `${within.length} of ${changed.length}`);
  for (const { cells } of frames) {
    for (let at = 0; at < BOXES * BOX_CELLS; at++) {
      const cell = BOX_LAYOUT.kinds[0]?.cells[at % BOX_CELLS];
      const value = cells[at];
      assert.ok(
        cell && value !== undefined && value >= cell.min && value <= cell.max,
        `cell ${at}: ${value}`,
      );
    }
  }
});

test("The recording of boxes is what its command makes", async () => {
  const recorded = readBoxes();
  let frame = 0;
  for await (const cells of simulateBoxes(FIRST_RECORDED + 20)) {
    if (frame >= FIRST_RECORDED) assert.deepEqual(cells, recorded[frame - FIRST_RECORDED]?.cells);
    frame++;
  }
});

test("Frames are unpacked as they were packed", () => {
  const frames = [-1, 0, 2 ** 31 - 1, -(2 ** 30)].map((value) =>
    new Int32Array(BOXES * BOX_CELLS).fill(value),
  );
  // A step may be as large as 31 bits with its sign.
  frames.splice(2, 1);
  assert.deepEqual(unpackFrames(packFrames(frames)), frames);
});

test("A box is quantised to 512 steps a metre and the three smaller parts of its rotation", () => {
  const cells = new Int32Array(BOX_CELLS);
  quantizeBox({ x: -1.5, y: 0.001, z: 0.2 }, { x: 0, y: 0, z: -1, w: 0 }, true, cells, 0);
  assert.deepEqual([...cells], [-768, 1, 102, 2, 256, 256, 256, 1]);
  const half = Math.SQRT1_2;
  quantizeBox({ x: 1000, y: -1000, z: -1 }, { x: half, y: 0, z: 0, w: -half }, false, cells, 0);
  assert.deepEqual([...cells.subarray(0, 3)], [2 ** 17 - 1, -(2 ** 17), 0]);
  assert.deepEqual([...cells.subarray(3)], [0, 256, 256, 0, 0]);
});
