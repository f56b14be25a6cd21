import { ProtocolError } from "./error.ts";
import { JsonScanner } from "./json-scanner.ts";
import { LIMITS } from "./limits.ts";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
/** A text is built in parts of so many characters: a call has so many arguments at most. */
const PART = 8_192;

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

/**
 * JSON text as it travels: as it came, but that CR and LF are spaces, since on a transport of lines they
 * would begin another message. They can only stand between values: in a string they are escaped.
 *
 * @example toOneLine('[1,\n"\\n"]') // '[1, "\\n"]'
 */
export function toOneLine(json: string): string {
  if (!json.includes("\n") && !json.includes("\r")) return json;
  // A search and a replacement for each would take a tenth of a second for a megabyte of them. By UTF-8
  // half a surrogate pair would be lost.
  const codes: number[] = [];
  let line = "";
  for (let from = 0; from < json.length; from += PART) {
    const length = Math.min(PART, json.length - from);
    codes.length = length;
    for (let at = 0; at < length; at++) {
      const code = json.charCodeAt(from + at);
      codes[at] = code === LINE_FEED || code === CARRIAGE_RETURN ? SPACE : code;
    }
    // Spread they would be iterated, which takes ten times as long.
    line += String.fromCharCode.apply(undefined, codes);
  }
  return line;
}

/**
 * Checks a text that is to be passed on as it is.
 *
 * @throws ProtocolError `bad_command` if it is not JSON, nests deeper than `LIMITS.depth`, or has half of a
 *   surrogate pair that is not escaped, which UTF-8 cannot carry
 */
export function checkJson(json: string): void {
  try {
    JSON.parse(json);
  } catch (error) {
    throw new ProtocolError("bad_command", `"data" is not JSON: ${String(error)}`);
  }
  if (new JsonScanner(json).value().depth > LIMITS.depth) {
    throw new ProtocolError("bad_command", `"data" nests deeper than ${LIMITS.depth}`);
  }
  if (/\p{Surrogate}/u.test(json)) {
    throw new ProtocolError("bad_command", '"data" has half of a surrogate pair that is not escaped');
  }
}
