/** A text is not JSON. */
export class NotJson extends Error {}

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const UPPER_E = 0x45;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const LOWER_E = 0x65;
const LOWER_N = 0x6e;
const LOWER_T = 0x74;
const LOWER_U = 0x75;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

const ESCAPES = Array.from('"\\/bfnrt', (character) => character.charCodeAt(0));

/** Where one value ends in a text, and how deep arrays and objects nest in it. */
export interface Checked {
  readonly end: number;
  readonly depth: number;
}

/**
 * Passes one value of JSON (RFC 8259), as `JSON.parse` does, which makes a value of each part: in a megabyte
 * there can be a third of a million, and that takes a tenth of a second. This takes a few milliseconds,
 * whatever the text is. Hot path: large commands.
 *
 * @param from where it begins, or space before it
 * @throws NotJson where the text is none
 */
export function checkValue(text: string, from: number): Checked {
  let at = from;
  let depth = 0;
  let deepest = 0;
  /** Whether the innermost that is open is an object; those around it in `kinds`, a bit for each. */
  let isObject = false;
  const kinds: number[] = [];
  for (;;) {
    at = passSpace(text, at);
    const code = text.charCodeAt(at);
    if (code === OPENING_BRACE || code === OPENING_BRACKET) {
      at = passSpace(text, at + 1);
      if (depth === deepest) deepest++;
      if (text.charCodeAt(at) !== closingOf(code === OPENING_BRACE)) {
        const bit = 1 << (depth & 31);
        const others = (kinds[depth >> 5] ?? 0) & ~bit;
        kinds[depth >> 5] = isObject ? others | bit : others;
        depth++;
        isObject = code === OPENING_BRACE;
        if (isObject) at = passName(text, at);
        continue;
      }
      at++;
    } else if (code === QUOTE) at = passString(text, at);
    else if (code === MINUS || isDigit(code)) at = passNumber(text, at);
    else at = passWord(text, at, code);
    // What closes behind it, up to the comma before the next one.
    for (;;) {
      if (depth === 0) return { end: at, depth: deepest };
      at = passSpace(text, at);
      const after = text.charCodeAt(at++);
      if (after === COMMA) break;
      if (after !== closingOf(isObject)) throw new NotJson();
      depth--;
      isObject = (((kinds[depth >> 5] ?? 0) >> (depth & 31)) & 1) === 1;
    }
    if (isObject) at = passName(text, at);
  }
}

function closingOf(isObject: boolean): number {
  return isObject ? CLOSING_BRACE : CLOSING_BRACKET;
}

/** Passes space, the name of a member, and the colon. */
function passName(text: string, from: number): number {
  const colon = passSpace(text, passString(text, passSpace(text, from)));
  if (text.charCodeAt(colon) !== COLON) throw new NotJson();
  return colon + 1;
}

export function passSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code > SPACE) return at; // mostly
    if (code !== SPACE && code !== LINE_FEED && code !== CARRIAGE_RETURN && code !== TAB) return at;
    at++;
  }
}

function passWord(text: string, at: number, code: number): number {
  const word = code === LOWER_N ? "null" : code === LOWER_T ? "true" : "false";
  if (!text.startsWith(word, at)) throw new NotJson();
  return at + word.length;
}

function passNumber(text: string, from: number): number {
  let at = from;
  if (text.charCodeAt(at) === MINUS) at++;
  at = text.charCodeAt(at) === ZERO ? at + 1 : passDigits(text, at);
  if (text.charCodeAt(at) === POINT) at = passDigits(text, at + 1);
  const exponent = text.charCodeAt(at);
  if (exponent !== LOWER_E && exponent !== UPPER_E) return at;
  const sign = text.charCodeAt(at + 1);
  return passDigits(text, at + (sign === PLUS || sign === MINUS ? 2 : 1));
}

/** One at least. */
function passDigits(text: string, from: number): number {
  let at = from;
  while (isDigit(text.charCodeAt(at))) at++;
  if (at === from) throw new NotJson();
  return at;
}

export function passString(text: string, from: number): number {
  if (text.charCodeAt(from) !== QUOTE) throw new NotJson();
  let at = from + 1;
  for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(++at)) {
    if (!(code >= SPACE)) throw new NotJson(); // or the text ends
    if (code !== BACKSLASH) continue;
    const escape = text.charCodeAt(++at);
    if (escape === LOWER_U) {
      for (const last = at + 4; at < last; ) if (!isHexDigit(text.charCodeAt(++at))) throw new NotJson();
    } else if (!ESCAPES.includes(escape)) throw new NotJson();
  }
  return at + 1;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

function isHexDigit(code: number): boolean {
  return isDigit(code) || ((code | SPACE) >= 0x61 && (code | SPACE) <= 0x66);
}
