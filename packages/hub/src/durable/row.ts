import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * What a row holds beside its checksum. SQLite has none of its own: it gives a flipped byte back as if it had
 * been written.
 */
export function checksum(...fields: readonly (string | number | null)[]): number {
  return fields.every(isAsWritten) ? crc32(fields.join("\0")) : Number.NaN;
}

/** 48 bits of a name: a number that JavaScript and SQLite both hold. */
export function hashOf(name: string): number {
  return createHash("sha1").update(name).digest().readUIntBE(0, 6);
}

/** One bit of a row's header makes bytes of a text, which print as that text. */
export function isAsWritten(field: unknown): boolean {
  return field === null || typeof field !== "object";
}

/** NUL and half a surrogate pair. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;

/**
 * A name as it can stand in a column. SQLite keeps UTF-8, in which half a surrogate pair has no form, and
 * Node 22 reads a text up to its first NUL; both may be in what a client sends.
 */
export function toColumn(name: string): string {
  const isPlain = !UNSTORABLE.test(name) && !name.startsWith('"');
  return isPlain ? name : JSON.stringify(name);
}

/** What `toColumn` was given. */
export function fromColumn(text: string): string {
  return text.startsWith('"') ? (JSON.parse(text) as string) : text;
}

/** JSON text as it can stand in a column: what cannot is written as the escape that means the same. */
export function toJsonColumn(json: string): string {
  if (!UNSTORABLE.test(json)) return json;
  return json.replace(
    /[\0\p{Surrogate}]/gu,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
