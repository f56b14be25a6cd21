import type { Rows } from "../contracts/rows.ts";
import type { ReferenceField } from "./choices.ts";
import type { Field } from "./field.ts";

/** The fields of a kind, or of an input, by name. */
export interface Fields {
  readonly [name: string]: Field;
}

/** The kinds of a game, by name. */
export interface Kinds {
  readonly [name: string]: Fields;
}

/** The names of kinds. */
export type KindName<K extends Kinds> = keyof K & string;

/** What every entity has. */
export interface EntityMembers<Name extends string> {
  /** The name of its kind. */
  readonly kind: Name;
  /** Its place among the rows of its world. Another one may have it later. */
  readonly slot: number;
  /** False once it was removed. From then on its fields throw a `RoomError` `removed`. */
  readonly isAlive: boolean;
}

/** An entity of a world, of the kind `Name`. */
export type EntityOf<K extends Kinds, Name extends KindName<K> = KindName<K>> = {
  [N in Name]: EntityMembers<N> & {
    -readonly [F in keyof K[N]]: K[N][F] extends ReferenceField
      ? EntityOf<K> | undefined
      : ReturnType<K[N][F]["read"]>;
  };
}[Name];

/** An entity of a frame, of the kind `Name`: it is read, not written. */
export type FrameEntityOf<K extends Kinds, Name extends KindName<K> = KindName<K>> = {
  [N in Name]: EntityMembers<N> & {
    readonly [F in keyof K[N]]: K[N][F] extends ReferenceField
      ? FrameEntityOf<K> | undefined
      : Readonly<ReturnType<K[N][F]["read"]>>;
  };
}[Name];

/** What a new entity may be given. Fields that are left out have their initial value. */
export type GivenOf<K extends Kinds, Name extends KindName<K>> = {
  readonly [F in keyof K[Name]]?: K[Name][F] extends ReferenceField
    ? EntityOf<K> | undefined
    : K[Name][F]["initial"] | undefined;
};

/** An input, as a game reads it. */
export type InputOf<F extends Fields> = { -readonly [N in keyof F]: ReturnType<F[N]["read"]> };

/** An input, as a page or a bot writes it. Fields that are left out have their initial value. */
export type GivenInputOf<F extends Fields> = { readonly [N in keyof F]?: F[N]["initial"] | undefined };

/** What a world can be told when it is made. */
export interface WorldOptions {
  /**
   * Most entities at a time. Default 1,024; at most 65,535. One more is refused with a `RoomError`
   * `limit_reached`. A world begins small and doubles when it is full; a row takes 4 bytes for each cell of
   * the widest kind, and 9 more.
   */
  readonly maxEntities?: number;
}

/**
 * The entities of a game. `Game.world` makes one.
 *
 * A new entity has the lowest free slot, so what a world does next follows from its rows alone: a world that
 * was copied goes on as the other one does.
 */
export interface World<K extends Kinds = Kinds> extends Rows {
  /** How many entities there are. */
  readonly size: number;
  /** Most entities at a time, as `WorldOptions` has it. */
  readonly maxEntities: number;
  /**
   * Adds an entity.
   *
   * @param values of its fields; those that are left out have their initial value. Another entity of the same
   *   kind will do, too.
   * @throws RoomError `unknown_kind`, `unknown_field`, `invalid_value`, `limit_reached`. Then none was added.
   */
  add<Name extends KindName<K>>(kind: Name, values?: GivenOf<K, Name>): EntityOf<K, Name>;
  /**
   * Removes an entity; what referred to it refers to none.
   *
   * @returns false if it had been removed before.
   * @throws RoomError `invalid_value` for one of another world.
   */
  remove(entity: EntityOf<K>): boolean;
  /** The entity in a slot; `undefined` for a free one. It is the same object each time. */
  get(slot: number): EntityOf<K> | undefined;
  /**
   * Those of one kind, by slot. Any may be removed meanwhile. Those that are added meanwhile may be among
   * them or not, and on every machine alike.
   *
   * @throws RoomError `unknown_kind`.
   */
  all<Name extends KindName<K>>(kind: Name): Iterable<EntityOf<K, Name>>;
  /**
   * Becomes equal to `rows`: values, slots and generations. Entities that are there in both stay alive, and
   * one that had been removed since is alive again. A reference to a free slot becomes none.
   *
   * @param rows of this package: they are not checked.
   * @throws RoomError `other_schema`, `limit_reached`. Then nothing was copied.
   */
  copyFrom(rows: Rows): void;
  /** `world.copyFrom(this)`. */
  copyTo(world: World<K>): void;
}

/**
 * Rows that are read, not written: what is shown between two ticks, or a world of the past. `Game.frame`
 * makes one. Its entities throw a `RoomError` `read_only` when they are written.
 */
export interface Frame<K extends Kinds = Kinds> {
  /** What is read. Whoever changes them changes the frame. */
  readonly rows: Rows<Int32Array | Float64Array>;
  /** The entity in a slot; `undefined` for a free one. It is the same object each time. */
  get(slot: number): FrameEntityOf<K> | undefined;
  /**
   * Those of one kind, by slot.
   *
   * @throws RoomError `unknown_kind`.
   */
  all<Name extends KindName<K>>(kind: Name): Iterable<FrameEntityOf<K, Name>>;
}
