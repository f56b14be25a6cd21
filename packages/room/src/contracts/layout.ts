/**
 * One integer of a row: a field of an entity, or a part of one. What is written is quantised before it comes
 * here, so equal cells are equal values on every machine.
 */
export interface Cell {
  /** Inclusive, and a 32-bit integer, as `max` is. */
  readonly min: number;
  /** The greatest value. */
  readonly max: number;
  /** After `max` comes `min`, as with angles: the shorter way round is the difference. */
  readonly wraps: boolean;
  /** It changes steadily, as positions do, so where it will be is foretold from where it was. */
  readonly moves: boolean;
  /** It names an entity of the same world: its slot plus 1, or 0 for none. `min` is 0, `max` is 65,535. */
  readonly refers: boolean;
}

/** What entities of one kind consist of. */
export interface KindLayout {
  /** As the definition has it. */
  readonly name: string;
  /** At least one and at most 64. */
  readonly cells: readonly Cell[];
  /** How much sooner it is told than others where not all fits in a datagram; 1 is usual. */
  readonly weight: number;
}

/** What a world consists of, in the order in which the wire has it. */
export interface Layout {
  /** At least one and at most 255. */
  readonly kinds: readonly KindLayout[];
  /** Cells of the widest kind: how far apart rows lie. */
  readonly stride: number;
  /** Of everything that both sides must agree on, as an unsigned 32-bit integer. */
  readonly hash: number;
}
