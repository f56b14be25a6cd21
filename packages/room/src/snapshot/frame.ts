import type { Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import { grown, regrown, NO_BYTES, NO_INTEGERS, NO_NUMBERS } from "./memory.ts";

/** What a client was shown at one tick, by the ids of its view in place of slots. */
export class SnapshotFrame implements Rows {
  readonly layout: Layout;
  /** Of which tick it is; -1 before it was filled. */
  tick = -1;
  /** It has everything that was shown at its tick, as it was then; in another, some of it is older. */
  isWhole = false;
  end = 0;
  kinds: Uint8Array = NO_BYTES;
  generations: Uint32Array = NO_NUMBERS;
  cells: Int32Array = NO_INTEGERS;

  constructor(layout: Layout) {
    this.layout = layout;
  }

  /** Makes it one of no entities. @internal */
  clear(): void {
    this.kinds.fill(0, 0, this.end);
    this.end = 0;
  }

  /** Makes it the same as another, but for its tick. @internal */
  copy(other: SnapshotFrame): void {
    this.clear();
    this.reach(other.end);
    const { stride } = this.layout;
    this.kinds.set(other.kinds.subarray(0, other.end));
    this.generations.set(other.generations.subarray(0, other.end));
    this.cells.set(other.cells.subarray(0, other.end * stride));
  }

  /** Has room for ids below `end`. @internal */
  reach(end: number): void {
    if (end > this.kinds.length) {
      const room = grown(this.kinds.length, end);
      this.kinds = regrown(this.kinds, new Uint8Array(room));
      this.generations = regrown(this.generations, new Uint32Array(room));
      this.cells = regrown(this.cells, new Int32Array(room * this.layout.stride));
    }
    this.end = Math.max(this.end, end);
  }

  /** Whether this and another have the same entity by this id. */
  shares(other: SnapshotFrame, id: number): boolean {
    return (
      id < other.end &&
      this.kinds[id] !== 0 &&
      this.kinds[id] === other.kinds[id] &&
      this.generations[id] === other.generations[id]
    );
  }
}
