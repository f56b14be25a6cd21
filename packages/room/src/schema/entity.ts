import { RoomError } from "../contracts/errors.ts";
import type { Cells, CellSource, Field, View } from "./field.ts";

/** Where an entity is: a world, or a frame. */
export interface Owner {
  /** No slot from here on is in use. */
  readonly end: number;
  readonly cells: Cells;
  readonly kinds: Uint8Array;
  readonly generations: Uint32Array;
  /** The cells once more; `undefined` where they are not to be written. */
  readonly writable: Int32Array | undefined;
  /** The entity in a slot; `undefined` for a free one. */
  get(slot: number): Entity | undefined;
  /** Makes the cell at `index` name `target`. */
  refer(index: number, target: unknown, name: string): void;
}

/** A field in its place. */
export interface Placed {
  readonly name: string;
  /** For messages: `player.at`. */
  readonly path: string;
  readonly field: Field;
  /** Its first cell, in the row. */
  readonly offset: number;
}

/** The row of an entity, as long as it is this entity's. */
class Row implements CellSource {
  readonly owner: Owner;
  readonly slot: number;
  readonly start: number;
  readonly #tag: number;
  readonly #generation: number;

  constructor(owner: Owner, slot: number, start: number) {
    this.owner = owner;
    this.slot = slot;
    this.start = start;
    this.#tag = owner.kinds[slot] ?? 0;
    this.#generation = owner.generations[slot] ?? 0;
  }

  get isAlive(): boolean {
    const { owner, slot } = this;
    return (
      owner.kinds[slot] === this.#tag && owner.generations[slot] === this.#generation && slot < owner.end
    );
  }

  cells(): Cells {
    if (!this.isAlive) this.#removed();
    return this.owner.cells;
  }

  writableCells(): Int32Array {
    if (!this.isAlive) this.#removed();
    return this.owner.writable ?? readOnly();
  }

  #removed(): never {
    throw new RoomError("removed", `the entity of slot ${this.slot} was removed; isAlive tells before`);
  }
}

function readOnly(): never {
  throw new RoomError("read_only", "this entity is of a frame, which is shown; write to that of the world");
}

/**
 * An entity of a world, or of a frame: accessors over its row. It is made when it is first asked for, and
 * kept as long as no other entity has its slot. Once it was removed its fields throw a `RoomError` `removed`.
 */
export abstract class Entity {
  readonly #row: Row;
  /** By field, those that were read. */
  readonly #views: (View | undefined)[] = [];

  constructor(owner: Owner, slot: number, start: number) {
    this.#row = new Row(owner, slot, start);
  }

  /** Its place among the rows of its world. */
  get slot(): number {
    return this.#row.slot;
  }

  /** False once it was removed. */
  get isAlive(): boolean {
    return this.#row.isAlive;
  }

  /** True if it is one of `owner`. */
  static isOf(entity: unknown, owner: Owner): entity is Entity {
    return typeof entity === "object" && entity !== null && #row in entity && entity.#row.owner === owner;
  }

  /** A class of entities with accessors for these fields. */
  static ofKind(kind: string, fields: readonly Placed[]): EntityClass {
    class OfKind extends Entity {}
    const { prototype } = OfKind;
    Object.defineProperty(prototype, "kind", { value: kind });
    Object.defineProperty(prototype, "toJSON", {
      value(this: Entity) {
        const row = this.#row;
        const values: Record<string, unknown> = { kind, slot: row.slot };
        for (const { name, field, offset } of fields) {
          const at = row.start + offset;
          const target = row.cells()[at] ?? 0;
          // What it refers to may refer to it, so of a reference there is the slot.
          if (field.type !== "reference") values[name] = field.read(row.cells(), at);
          else values[name] = target === 0 ? undefined : target - 1;
        }
        return values;
      },
    });
    for (const [index, placed] of fields.entries()) {
      Object.defineProperty(prototype, placed.name, {
        enumerable: true,
        ...(placed.field.type === "reference" ? Entity.#reference(placed) : Entity.#accessors(placed, index)),
      });
    }
    return OfKind;
  }

  static #accessors({ field, offset, path }: Placed, index: number): PropertyDescriptor & ThisType<Entity> {
    const { view } = field;
    return {
      get:
        view === undefined
          ? function get(this: Entity) {
              const row = this.#row;
              return field.read(row.cells(), row.start + offset);
            }
          : function get(this: Entity) {
              return (this.#views[index] ??= view(this.#row, offset, path)).read();
            },
      set(value: unknown) {
        const row = this.#row;
        field.write(value, row.writableCells(), row.start + offset, path);
      },
    };
  }

  static #reference({ offset, path }: Placed): PropertyDescriptor & ThisType<Entity> {
    return {
      get() {
        const row = this.#row;
        const target = row.cells()[row.start + offset] ?? 0;
        return target === 0 ? undefined : row.owner.get(target - 1);
      },
      set(target: unknown) {
        const row = this.#row;
        row.writableCells();
        row.owner.refer(row.start + offset, target, path);
      },
    };
  }
}

/** Makes entities of one kind. */
export type EntityClass = new (owner: Owner, slot: number, start: number) => Entity;
