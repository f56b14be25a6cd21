import type { Cell, Layout } from "../contracts/layout.ts";
import type { Placed } from "./field.ts";
import type { Fields, Kinds } from "./types.ts";
import { View } from "./view.ts";

/** Fields in their places. */
export interface PlacedFields {
  readonly fields: readonly Placed[];
  readonly cells: readonly Cell[];
  readonly initial: Int32Array;
}

/** A kind, compiled. */
export interface CompiledKind extends PlacedFields {
  readonly name: string;
  /** Where in a row its references are. */
  readonly references: readonly number[];
  readonly Entity: typeof View;
}

/** The kinds of a game, compiled. */
export interface Schema {
  readonly layout: Layout;
  /** By index. */
  readonly kinds: readonly CompiledKind[];
}

/**
 * Compiles the kinds of a game.
 *
 * @param others what both sides have to agree on beside the kinds.
 * @param weights by the name of a kind.
 */
export function compile(
  kinds: Kinds,
  others: readonly unknown[],
  weights: Readonly<Record<string, number | undefined>>,
): Schema {
  const compiled = Object.entries(kinds).map(([name, definition]): CompiledKind => {
    const placed = place(definition);
    const Entity = View.with(placed.fields);
    Object.defineProperty(Entity.prototype, "kind", { value: name });
    const references = placed.cells.flatMap((cell, index) => (cell.refers ? [index] : []));
    return { ...placed, name, references, Entity };
  });
  const layout: Layout = {
    kinds: compiled.map(({ name, cells }) => ({ name, cells, weight: weights[name] ?? 1 })),
    stride: Math.max(...compiled.map(({ cells }) => cells.length)),
    hash: hashOf([others, compiled.map(({ name, fields }) => [name, described(fields)])]),
  };
  return { layout, kinds: compiled };
}

/** Gives each field its place. */
export function place(definition: Fields): PlacedFields {
  const fields: Placed[] = [];
  const cells: Cell[] = [];
  for (const [name, field] of Object.entries(definition)) {
    fields.push({ name, field, offset: cells.length });
    cells.push(...field.cells);
  }
  const initial = new Int32Array(cells.length);
  for (const { field, offset } of fields) field.write(field.initial, initial, offset);
  return { fields, cells, initial };
}

/** What of fields both sides have to agree on. */
export function described(fields: readonly Placed[]): unknown {
  return fields.map(({ name, field }) => [name, field.type, field.parameters]);
}

/** FNV-1a, 32 bits, over the UTF-16 code units of the JSON text. */
function hashOf(agreed: unknown): number {
  let hash = 0x811c9dc5;
  const json = JSON.stringify(agreed);
  for (let index = 0; index < json.length; index++) {
    hash = Math.imul(hash ^ json.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
