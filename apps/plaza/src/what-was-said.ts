import { counted, WORDS } from "./words.ts";

/** What a publication says, ready to be shown as text. Nothing in it is ever markup. */
export type Said =
  | { readonly kind: "text"; readonly text: string }
  /** Data in no form this page knows: any JSON that a TCP or UDP peer has published. */
  | { readonly kind: "json"; readonly text: string };

/** The longest message this page sends, in characters. */
export const MESSAGE_LENGTH = 4_000;

/** The longest name, in characters. */
export const NAME_LENGTH = 32;

/** From this many characters left on, the composer shows how many. */
export const COUNTER_FROM = 500;

// A message longer than this is folded until somebody asks for the rest.
const FOLD_LENGTH = 1_200;
const FOLD_LINES = 16;

// A fold hides at least this many characters, or this many lines.
const FOLD_WORTH = 80;
const FOLD_WORTH_LINES = 4;

// Whatever a browser or another program's author may take for the end of a line.
const LINE_BREAK = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/g;

// The longest JSON that is shown on one line.
const JSON_LINE = 60;

/**
 * Reads what a publication says: `{ "text": … }` or a bare string is text, everything else is shown as the
 * JSON that came. So is a text in which there is nothing to see: its row would be blank.
 */
export function readSaid({ data, json }: { readonly data: unknown; readonly json: string }): Said {
  const text = textOf(data);
  return text === undefined || isBlank(text) ? { kind: "json", text: laidOut(json) } : { kind: "text", text };
}

function textOf(data: unknown): string | undefined {
  if (typeof data === "string") return data;
  if (typeof data !== "object" || data === null || !("text" in data)) return undefined;
  return typeof data.text === "string" ? data.text : undefined;
}

/** True if a text shows nothing: white space, and characters without a shape. */
export function isBlank(text: string): boolean {
  return /^[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]*$/u.test(text);
}

// A string or a word, an array or object without anything in it, or what stands between values.
const JSON_TOKEN = /"(?:[^"\\]|\\.)*"|\[\s*\]|\{\s*\}|[[\]{},:]|[^\s[\]{},:"]+/g;

/** On one line if it fits on one, else indented. What it says stays as it came: big numbers, `-0`. */
function laidOut(json: string): string {
  const tokens = json.match(JSON_TOKEN) ?? [];
  const line = spaced(tokens, () => " ");
  return line.length <= JSON_LINE ? line : spaced(tokens, (depth) => `\n${"  ".repeat(depth)}`);
}

/** @param lineBreak what stands between two values, so deep in arrays and objects */
function spaced(tokens: readonly string[], lineBreak: (depth: number) => string): string {
  let depth = 0;
  let text = "";
  for (const token of tokens) {
    if (token === "[" || token === "{") text += token + lineBreak(++depth);
    else if (token === "]" || token === "}") text += lineBreak(--depth) + token;
    else if (token === ",") text += token + lineBreak(depth);
    else if (token === ":") text += ": ";
    else text += /^[[{]/.test(token) ? token.replaceAll(/\s/g, "") : token;
  }
  return text;
}

/** The name to show for a user: what they call themselves, or their id. */
export function nameOf(user: string, info: unknown): string {
  if (typeof info === "object" && info !== null && "name" in info && typeof info.name === "string") {
    const name = cleanName(info.name);
    if (name !== "") return name;
  }
  return user;
}

/** What is not seen; or, captured, an emoji with what joins it and the next one into one. */
const UNSEEN =
  /(\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]?\u200D(?=\p{Extended_Pictographic}))|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * A name without control and direction characters, which could disguise it, on one line and at most
 * `NAME_LENGTH` long; empty if there is nothing to see in it.
 */
export function cleanName(text: string): string {
  const seen = text.replaceAll(UNSEEN, (_, joined: string | undefined) => joined ?? " ");
  const plain = seen.replaceAll(/\s+/g, " ");
  const name = firstCharacters(plain.trim(), NAME_LENGTH)
    .replace(/\u200D$/, "")
    .trim();
  return isBlank(name) ? "" : name;
}

/** How many characters people would count: code points, so that an emoji is not two. */
export function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text) length++;
  return length;
}

/** A long text, as it is shown until somebody asks for the rest. */
export interface Fold {
  readonly start: string;
  /** What there is in all, in words. */
  readonly showAll: string;
}

/** Folds a text that is long, or has many lines; `undefined` if it may be shown whole. */
export function folded(text: string): Fold | undefined {
  const breaks = [...text.matchAll(LINE_BREAK)];
  const byLines = breaks[FOLD_LINES - 1]?.index ?? text.length;
  const end = Math.min(byLines, FOLD_LENGTH, text.length);
  const hiddenLines = breaks.filter(({ index }) => index >= end).length;
  // A fold that hides only a few words is more annoying than the words.
  if (text.length - end < FOLD_WORTH && hiddenLines < FOLD_WORTH_LINES) return undefined;
  const start = text.slice(0, end).replace(/[\uD800-\uDBFF]$/, ""); // not half of a character
  const isByLines = hiddenLines >= FOLD_WORTH_LINES;
  const showAll = isByLines
    ? WORDS.showLines(counted(breaks.length + 1))
    : WORDS.showCharacters(counted(lengthOf(text)));
  return { start, showAll };
}

function firstCharacters(text: string, most: number): string {
  let end = 0;
  let taken = 0;
  for (const character of text) {
    if (taken === most) break;
    end += character.length;
    taken++;
  }
  return text.slice(0, end);
}
