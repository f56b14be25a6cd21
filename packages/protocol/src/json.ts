/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** A JSON object, as `JSON.parse` makes it. */
export type JsonObject = { readonly [name: string]: Json };

/** True for a JSON object, and not for an array or `null`. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * True if arrays and objects nest at most `depth` deep. Without the check a small, deep text would
 * exhaust the stack of whoever serializes it again.
 */
export function isWithinDepth(value: Json, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth === 0) return false;
  const children: readonly Json[] = Array.isArray(value) ? value : Object.values(value);
  return children.every((child) => isWithinDepth(child, depth - 1));
}
