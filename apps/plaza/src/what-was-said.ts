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

// The longest JSON that is shown on one line.
const JSON_LINE = 60;

/** Reads the data of a publication: `{ "text": … }` or a bare string is text, everything else is shown as JSON. */
export function readSaid(data: unknown): Said {
  if (typeof data === "string") return { kind: "text", text: data };
  if (typeof data === "object" && data !== null && "text" in data && typeof data.text === "string") {
    return { kind: "text", text: data.text };
  }
  return { kind: "json", text: asJson(data) };
}

/** On one line if it fits on one; JSON has no line breaks but those of its layout. */
function asJson(data: unknown): string {
  const text = JSON.stringify(data, null, 2) ?? "null";
  const line = text.replaceAll(/\n\s*/g, " ");
  return line.length <= JSON_LINE ? line : text;
}

/** The name to show for a user: what they call themselves, or their id. */
export function nameOf(user: string, info: unknown): string {
  if (typeof info === "object" && info !== null && "name" in info && typeof info.name === "string") {
    const name = cleanName(info.name);
    if (name !== "") return name;
  }
  return user;
}

/** A name without control and direction characters, which could disguise it, on one line and at most `NAME_LENGTH` long. */
export function cleanName(text: string): string {
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ").replaceAll(/\s+/g, " ");
  return firstCharacters(plain.trim(), NAME_LENGTH).trim();
}

/** How many characters people would count: code points, so that an emoji is not two. */
export function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text) length++;
  return length;
}

/** The beginning of a long text, or `undefined` if it may be shown whole. */
export function foldedStart(text: string): string | undefined {
  let end = text.length > FOLD_LENGTH ? FOLD_LENGTH : text.length;
  let lines = 0;
  for (let i = text.indexOf("\n"); i >= 0 && i < end; i = text.indexOf("\n", i + 1)) {
    lines++;
    if (lines === FOLD_LINES) end = i;
  }
  // A fold that hides only a few words is more annoying than the words.
  if (text.length - end < 80) return undefined;
  return text.slice(0, end).replace(/[\uD800-\uDBFF]$/, ""); // not half of a character
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
