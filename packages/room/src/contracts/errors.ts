import type { JoinRefusal } from "./wire.ts";

/** Every `code` of a `RoomError`. Stable: programs may compare them. */
export type RoomErrorCode =
  | "invalid_schema" // the definition of a game is not one: a name, a range, a precision
  | "invalid_option" // an option is outside what is allowed
  | "invalid_value" // what was written is of another type, NaN, or of another world
  | "unknown_kind" // the game has no kind of this name
  | "unknown_field" // the kind has no field of this name
  | "removed" // the entity was removed
  | "read_only" // a frame is shown, not written
  | "limit_reached" // the world or the queue is full, or the server has no more rooms or joins
  | "other_schema" // these rows are of another game, or of another version of it
  // The server refuses to join, and `cause` has its `data`.
  | Exclude<JoinRefusal, "limit_reached" | "moving">
  | "bad_answer" // what the server said is none of what it may say
  | "ended"; // the game has ended, or the rooms are closed, and what was asked is not done

/**
 * What games, their worlds and rooms throw, and joining one. Its message shows what was given and says what
 * is allowed. Snapshots, inputs and time throw a `RangeError` for what is out of range, lanes of datagrams a
 * `NetError`.
 */
export class RoomError extends Error {
  /** For messages, and to tell it from other errors where `instanceof` does not reach. */
  override readonly name = "RoomError";
  /** What went wrong, for programs. */
  readonly code: RoomErrorCode;

  constructor(code: RoomErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Longest text that a message quotes, in UTF-16 code units. */
const SHOWN_LENGTH = 40;

/**
 * A value for a message: short, on one line, and nothing that a terminal obeys. It calls nothing of the
 * value's own.
 */
export function shown(value: unknown): string {
  const type = typeof value;
  if (typeof value === "string") {
    const quoted = JSON.stringify(value.slice(0, SHOWN_LENGTH));
    return quoted.replace(/[\p{C}\u2028\u2029]/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`);
  }
  if (type === "object" && value !== null) return "an object";
  return type === "function" || type === "symbol" ? `a ${type}` : String(value);
}

/** Throws, and says what was given and what is allowed. */
export function refuse(code: RoomErrorCode, what: string, value: unknown, allowed: string): never {
  throw new RoomError(code, `${what} is ${shown(value)}; allowed: ${allowed}`);
}
