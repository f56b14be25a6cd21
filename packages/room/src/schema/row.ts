import { RoomError, type RoomErrorCode } from "../contracts/errors.ts";
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

/** The row of one entity, as long as it is this entity's. */
export class Row {
  readonly owner: Owner;
  readonly slot: number;
  /** Where its cells begin. */
  readonly start: number;
  readonly #kind: number;
  readonly #generation: number;

  constructor(owner: Owner, slot: number) {
    this.owner = owner;
    this.slot = slot;
    this.start = slot * owner.layout.stride;
    this.#kind = owner.kinds[slot] ?? 0;
    this.#generation = owner.generations[slot] ?? 0;
  }

  get isAlive(): boolean {
    const { owner, slot } = this;
    return (
      owner.generations[slot] === this.#generation && owner.kinds[slot] === this.#kind && slot < owner.end
    );
  }

  /** @throws RoomError `removed`. */
  cells(): Cells {
    if (!this.isAlive) this.#fail("removed", "was removed");
    return this.owner.cells;
  }

  /** @throws RoomError `removed`, or `read_only` in a frame. */
  writable(): Int32Array {
    if (!this.isAlive) this.#fail("removed", "was removed");
    if (this.owner.isReadOnly) this.#fail("read_only", "is of a frame: write to that of the world");
    return this.owner.cells as Int32Array;
  }

  #fail(code: RoomErrorCode, what: string): never {
    throw new RoomError(code, `the entity of slot ${this.slot} ${what}`);
  }
}
