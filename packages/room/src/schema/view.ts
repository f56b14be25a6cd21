import { badValue, type Field, type Placed, readFields } from "./field.ts";
import { Row } from "./row.ts";

type Reader = NonNullable<Field["reader"]>;

/** Accessors over cells of an entity: the entity itself, or a part of it, such as a vector. */
export class View {
  readonly #row: Row;
  readonly #path: string;
  /** By field, those that were read. */
  #readers: (() => unknown)[] | undefined;

  /** @param path for messages: `player`, `player.at`. */
  constructor(row: Row, path: string) {
    this.#row = row;
    this.#path = path;
  }

  get slot(): number {
    return this.#row.slot;
  }

  get isAlive(): boolean {
    return this.#row.isAlive;
  }

  /** The row of a view; `undefined` of anything else. */
  static rowOf(value: unknown): Row | undefined {
    return typeof value === "object" && value !== null && #row in value ? value.#row : undefined;
  }

  /** A class of views with accessors for these fields. */
  static with(fields: readonly Placed[]): typeof View {
    const Made = class extends View {};
    for (const [index, { name, field, offset }] of fields.entries()) {
      const { reader } = field;
      Object.defineProperty(Made.prototype, name, {
        enumerable: true,
        get: reader
          ? function (this: View) {
              return (this.#readers?.[index] ?? this.#make(reader, index, name, offset))();
            }
          : function (this: View) {
              const row = this.#row;
              return field.read(row.cells(), row.start + offset, row.owner);
            },
        set(this: View, value: unknown) {
          const row = this.#row;
          const allowed = field.write(value, row.writable(), row.start + offset, row.owner);
          if (allowed !== undefined) this.#refuse(name, value, allowed);
        },
      });
    }
    Object.defineProperty(Made.prototype, "toJSON", {
      value(this: View) {
        return readFields(fields, this.#row.cells(), this.#row.start, {});
      },
    });
    return Made;
  }

  #make(reader: Reader, index: number, name: string, offset: number): () => unknown {
    const row = this.#row;
    const part = new Row(row.owner, row.slot, row.start + offset, row);
    return ((this.#readers ??= [])[index] = reader(part, `${this.#path}.${name}`));
  }

  #refuse(name: string, value: unknown, allowed: string): never {
    badValue(`${this.#path}.${name}`, value, allowed);
  }
}
