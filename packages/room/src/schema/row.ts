import { RoomError } from "../contracts/errors.ts";
import type { Rows } from "../contracts/rows.ts";

/** Cells of a world, or of a frame that is shown between two ticks. */
export type Cells = Int32Array | Float64Array;

/** Where an entity is: a world, or a frame. */
export interface Owner extends Rows<Cells> {
  /** True where the cells are shown, and not to be written. */
  readonly isReadOnly: boolean;
  /** The entity in a slot; `undefined` for a free one. */
  get(slot: number): object | undefined;
  /**
   * Makes the cell at `index` name `target`.
   *
   * @returns what is allowed, where this is not.
   */
  refer(index: number, target: unknown): string | undefined;
}

/**
 * Cells of one entity, as long as they are this entity's. Each access to a field goes through here: plain
 * properties and short functions are what a compiler puts into the function that has the access.
 */
export class Row {
  readonly owner: Owner;
  readonly slot: number;
  /** The first of these cells. */
  readonly start: number;
  readonly kind: number;
  readonly generation: number;

  /** @param of the entity, where these are some of its cells; it may be gone by now. */
  constructor(owner: Owner, slot: number, start: number, of?: Row) {
    this.owner = owner;
    this.slot = slot;
    this.start = start;
    this.kind = of?.kind ?? owner.kinds[slot] ?? 0;
    this.generation = of?.generation ?? owner.generations[slot] ?? 0;
  }

  get isAlive(): boolean {
    const { owner, slot } = this;
    return owner.generations[slot] === this.generation && owner.kinds[slot] === this.kind && slot < owner.end;
  }

  /** @throws RoomError `removed`. */
  cells(): Cells {
    if (!this.isAlive) this.removed();
    return this.owner.cells;
  }

  /** @throws RoomError `removed`, or `read_only` in a frame. */
  writable(): Int32Array {
    if (!this.isAlive) this.removed();
    if (this.owner.isReadOnly) this.readOnly();
    return this.owner.cells as Int32Array;
  }

  private removed(): never {
    throw new RoomError("removed", `the entity of slot ${this.slot} was removed`);
  }

  private readOnly(): never {
    const what = `the entity of slot ${this.slot} is of a frame`;
    throw new RoomError("read_only", `${what}: write to that of the world`);
  }
}
