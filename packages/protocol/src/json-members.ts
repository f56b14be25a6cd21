import { MEMBERS } from "./binary-members.ts";
import { checkValue, NotJson, passSpace, passString } from "./json-checker.ts";
import { JsonScanner, type JsonSpan, OPENING_BRACE, OPENING_BRACKET } from "./json-scanner.ts";

/** A part of a message as it came, without the space around it. */
export interface JsonText {
  readonly text: string;
  /** How deep arrays and objects nest in it. */
  readonly depth: number;
}

/** What is passed on as it came. */
export type JsonPart = "data" | "info";

/** The members of a message that is JSON text. */
export interface JsonMembers {
  /** A long array or object is empty here, and what `textOf` gives may be missing. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The text of a member; `undefined` where there is none of this name. */
  readonly textOf: (name: JsonPart) => JsonText | undefined;
}

/**
 * Up to this length, in UTF-16 code units, a text is parsed whole: that is fastest for most texts, and takes
 * a third of a millisecond at most. No member of which the value is wanted is longer.
 */
const SHORT = 4_096;
const KNOWN: ReadonlySet<string> = new Set(Object.keys(MEMBERS));
/** The longest name, each character escaped, and the quotes. */
const LONGEST_NAME = 6 * Math.max(...[...KNOWN].map((name) => name.length)) + 2;
const COMMA = 0x2c;
const COLON = 0x3a;
const CLOSING_BRACE = 0x7d;

/**
 * Reads an object that is JSON text.
 *
 * @returns `undefined` for another value
 * @throws NotJson
 */
export function readMembers(text: string): JsonMembers | undefined {
  if (text.length <= SHORT) return readShort(text);
  const start = passSpace(text, 0);
  if (text.charCodeAt(start) !== OPENING_BRACE) {
    jsonText(text);
    return undefined;
  }
  const { members, end } = readObject(text, start);
  if (passSpace(text, end) < text.length) throw new NotJson();
  const textOf = (name: JsonPart): JsonText | undefined => {
    const span = members.get(name);
    return span && { text: text.slice(span.start, span.end), depth: span.depth };
  };
  return { values: valuesOf(text, members, true), textOf };
}

/** A text that is JSON and nothing else. @throws NotJson */
export function jsonText(text: string): JsonText {
  const start = passSpace(text, 0);
  const { end, depth } = checkValue(text, start);
  if (passSpace(text, end) < text.length) throw new NotJson();
  return { text: text.slice(start, end), depth };
}

function readShort(text: string): JsonMembers | undefined {
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    throw new NotJson();
  }
  if (typeof values !== "object" || values === null || Array.isArray(values)) return undefined;
  const textOf = (name: JsonPart): JsonText | undefined => {
    const span = new JsonScanner(text).member(name);
    return span && { text: text.slice(span.start, span.end), depth: span.depth };
  };
  return { values: values as Record<string, unknown>, textOf };
}

/** Where the members stand that are known, of several with one name the last, and where the object ends. */
function readObject(text: string, start: number): { members: Map<string, JsonSpan>; end: number } {
  const members = new Map<string, JsonSpan>();
  let at = passSpace(text, start + 1);
  if (text.charCodeAt(at) === CLOSING_BRACE) return { members, end: at + 1 };
  for (;;) {
    const nameAt = passSpace(text, at);
    const nameEnd = passString(text, nameAt);
    const colonAt = passSpace(text, nameEnd);
    if (text.charCodeAt(colonAt) !== COLON) throw new NotJson();
    const valueAt = passSpace(text, colonAt + 1);
    const { end, depth } = checkValue(text, valueAt);
    const name = knownName(text, nameAt, nameEnd);
    if (name !== undefined) members.set(name, { start: valueAt, end, depth });
    at = passSpace(text, end);
    const after = text.charCodeAt(at++);
    if (after === CLOSING_BRACE) return { members, end: at };
    if (after !== COMMA) throw new NotJson();
  }
}

/** @param start of the quotes */
function knownName(text: string, start: number, end: number): string | undefined {
  if (end - start > LONGEST_NAME) return undefined;
  const inner = text.slice(start + 1, end - 1);
  const name = inner.includes("\\") ? (JSON.parse(text.slice(start, end)) as string) : inner;
  return KNOWN.has(name) ? name : undefined;
}

/** @param isDeep true: of a long object its members are read, too */
function valuesOf(text: string, members: ReadonlyMap<string, JsonSpan>, isDeep: boolean) {
  const values: Record<string, unknown> = {};
  for (const [name, { start, end, depth }] of members) {
    if (name === "data" || name === "info") continue;
    if (end - start <= SHORT || depth === 0) values[name] = JSON.parse(text.slice(start, end));
    else if (text.charCodeAt(start) === OPENING_BRACKET) values[name] = [];
    else values[name] = isDeep ? valuesOf(text, readObject(text, start).members, false) : {};
  }
  return values;
}
