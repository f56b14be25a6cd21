// Worlds of rows that change at random, and a lossy way from server to client and back.
import type { Cell, KindLayout, Layout } from "../src/contracts/layout.ts";
import type { Rows } from "../src/contracts/rows.ts";

/** Numbers from 0 to 1 that are the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function cell(min: number, max: number, more: Partial<Cell> = {}): Cell {
  return { min, max, wraps: false, moves: false, refers: false, ...more };
}

export function layoutOf(kinds: readonly KindLayout[]): Layout {
  return { kinds, stride: Math.max(...kinds.map((kind) => kind.cells.length)), hash: 1 };
}

/** Players, shots, walls, something with the widest cells there are, and what turns in powers of two. */
export const mixedLayout = layoutOf([
  {
    name: "player",
    weight: 2,
    cells: [
      cell(0, 10_000, { moves: true }),
      cell(0, 10_000, { moves: true }),
      cell(0, 1_023, { wraps: true }),
      cell(0, 100),
      cell(0, 1),
    ],
  },
  {
    name: "shot",
    weight: 1,
    cells: [
      cell(-5_000, 5_000, { moves: true }),
      cell(0, 359, { wraps: true, moves: true }),
      cell(0, 65_535, { refers: true }),
    ],
  },
  { name: "wall", weight: 0.25, cells: [cell(7, 7), cell(-3, 3)] },
  {
    name: "wide",
    weight: 1,
    cells: [
      cell(-2_147_483_648, 2_147_483_647, { moves: true }),
      cell(-2_147_483_648, 2_147_483_647, { wraps: true, moves: true }),
      cell(-2_147_483_648, 2_147_483_647),
      cell(0, 65_535, { refers: true }),
      cell(0, 65_535, { refers: true }),
    ],
  },
  {
    name: "turret",
    weight: 1,
    cells: [
      cell(-128, 127, { wraps: true, moves: true }),
      cell(-128, 127, { wraps: true, moves: true }),
      cell(0, 31, { wraps: true, moves: true }),
      cell(-8_388_608, 8_388_608, { moves: true }),
    ],
  },
]);

/** Rows that a test writes. */
export class TestRows implements Rows {
  readonly layout: Layout;
  end = 0;
  kinds = new Uint8Array(4);
  generations = new Uint32Array(4);
  cells: Int32Array;

  constructor(layout: Layout) {
    this.layout = layout;
    this.cells = new Int32Array(4 * layout.stride);
  }

  /** Adds an entity of a kind into the lowest free slot. */
  add(kind: number, values: readonly number[]): number {
    let slot = 0;
    while (slot < this.end && this.kinds[slot] !== 0) slot++;
    if (slot === this.kinds.length) this.#grow();
    this.end = Math.max(this.end, slot + 1);
    this.kinds[slot] = kind + 1;
    this.generations[slot] = ((this.generations[slot] as number) + 1) >>> 0;
    this.cells.fill(0, slot * this.layout.stride, (slot + 1) * this.layout.stride);
    values.forEach((value, index) => this.set(slot, index, value));
    return slot;
  }

  remove(slot: number): void {
    this.kinds[slot] = 0;
  }

  set(slot: number, index: number, value: number): void {
    this.cells[slot * this.layout.stride + index] = value;
  }

  get(slot: number, index: number): number {
    return this.cells[slot * this.layout.stride + index] as number;
  }

  kindOf(slot: number): KindLayout | undefined {
    return this.layout.kinds[(this.kinds[slot] as number) - 1];
  }

  #grow(): void {
    const { kinds, generations, cells } = this;
    this.kinds = new Uint8Array(kinds.length * 2);
    this.kinds.set(kinds);
    this.generations = new Uint32Array(generations.length * 2);
    this.generations.set(generations);
    this.cells = new Int32Array(cells.length * 2);
    this.cells.set(cells);
  }
}
