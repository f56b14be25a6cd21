import type { Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import { grown, NO_BYTES, NO_INTEGERS, NO_NUMBERS } from "./memory.ts";

/**
 * The rows of a world as they were at one tick: a copy, which may be kept. It is to be read, not to go back
 * to: how many entities a slot had that was free then is not known any more, and is 0.
 */
export class TickRows implements Rows {
  readonly layout: Layout;
  /** -1 before it was filled. */
  tick = -1;
  end = 0;
  kinds: Uint8Array = NO_BYTES;
  generations: Uint32Array = NO_NUMBERS;
  cells: Int32Array = NO_INTEGERS;

  constructor(layout: Layout) {
    this.layout = layout;
  }

  /** Makes room for so many slots. What was there is gone. @internal */
  fit(tick: number, end: number): void {
    if (end > this.kinds.length) {
      const room = grown(this.kinds.length, end);
      this.kinds = new Uint8Array(room);
      this.generations = new Uint32Array(room);
      this.cells = new Int32Array(room * this.layout.stride);
    }
    this.tick = tick;
    this.end = end;
  }
}
