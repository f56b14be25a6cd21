/** Where one value stands in a JSON text, without the space around it. */
export interface JsonSpan {
  readonly start: number;
  /** After its last character. */
  readonly end: number;
  /** How deep arrays and objects nest in it; 0 for anything else. */
  readonly depth: number;
}

export const QUOTE = 0x22;
export const COMMA = 0x2c;
const BACKSLASH = 0x5c;
export const OPENING_BRACKET = 0x5b;
export const CLOSING_BRACKET = 0x5d;
export const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const SPACE = 0x20;

/**
 * Finds values in a JSON text, so that they can be passed on as they stand there: what `JSON.parse` makes of
 * one has lost big numbers, `-0`, and members with the same name.
 *
 * The text must be one that `JSON.parse` takes; nothing is checked again. It takes time in proportion to the
 * text. Hot path: every command with a payload is scanned.
 */
export class JsonScanner {
  readonly #text: string;
  #at: number;

  /** @param at where the value that is to be passed begins, or space before it */
  constructor(text: string, at = 0) {
    this.#text = text;
    this.#at = at;
  }

  /**
   * Passes an object.
   *
   * @returns where its member `name` stands; of several with that name the last, as `JSON.parse` has it
   */
  member(name: string): JsonSpan | undefined {
    let found: JsonSpan | undefined;
    this.sign();
    while (this.next() === QUOTE) {
      const isWanted = this.#key(name);
      this.sign();
      if (isWanted) found = this.value();
      else this.#pass(this.next());
      if (this.next() === COMMA) this.sign();
    }
    this.sign();
    return found;
  }

  /** Passes a brace, bracket, colon or comma, whichever comes. */
  sign(): void {
    this.next();
    this.#at++;
  }

  /** Passes space, and gives the code of what stands there: `NaN` at the end. */
  next(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code <= SPACE) code = this.#text.charCodeAt(++this.#at);
    return code;
  }

  /** Passes the name of a member. True if it is this one, in whatever way it is written. */
  #key(name: string): boolean {
    const start = this.#at;
    this.#string();
    const length = this.#at - start - 2;
    if (length === name.length) return this.#text.startsWith(name, start + 1);
    // A character that is escaped takes at most six.
    if (length < name.length || length > name.length * 6) return false;
    const key = this.#text.slice(start, this.#at);
    return key.includes("\\") && JSON.parse(key) === name;
  }

  /** Passes any value, and gives where it stands. */
  value(): JsonSpan {
    const code = this.next();
    const start = this.#at;
    const depth = this.#pass(code);
    return { start, end: this.#at, depth };
  }

  /** Passes the value that begins here, with this code, and gives how deep it is. */
  #pass(code: number): number {
    if (code === OPENING_BRACE || code === OPENING_BRACKET) return this.#container();
    if (code === QUOTE) this.#string();
    else this.#word();
    return 0;
  }

  /** Passes a number, `true`, `false` or `null`. */
  #word(): void {
    const text = this.#text;
    let code: number;
    do code = text.charCodeAt(++this.#at);
    while (code > SPACE && code !== COMMA && code !== CLOSING_BRACKET && code !== CLOSING_BRACE);
  }

  /** Passes an array or object, however deep, and gives how deep it is. */
  #container(): number {
    const text = this.#text;
    let depth = 0;
    let deepest = 0;
    do {
      switch (text.charCodeAt(this.#at)) {
        case QUOTE:
          this.#string();
          continue;
        case OPENING_BRACE:
        case OPENING_BRACKET:
          depth++;
          if (depth > deepest) deepest = depth;
          break;
        case CLOSING_BRACE:
        case CLOSING_BRACKET:
          depth--;
      }
      this.#at++;
    } while (depth > 0 && this.#at < text.length);
    return deepest;
  }

  #string(): void {
    const text = this.#text;
    const start = this.#at + 1;
    const quote = text.indexOf('"', start);
    // Most strings end here. In one that is full of escaped quotes a search for each would be slow.
    if (text.charCodeAt(quote - 1) !== BACKSLASH) {
      this.#at = quote + 1;
      return;
    }
    let at = start;
    for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(at)) {
      at += code === BACKSLASH ? 2 : 1;
    }
    this.#at = at + 1;
  }
}
