import type { NetOp } from "../contracts/error.ts";
import { argumentError } from "../contracts/failures.ts";

/** Every name of some options. */
export type Names<Options> = Readonly<Record<keyof Options, 1>>;

/** Of a value that messages show. */
const MAX_SHOWN = 60;

/** Checks a signal; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkSignal(op: NetOp, signal: unknown): void {
  // Not by its class: test runners and polyfills have another one.
  const { aborted, addEventListener } = Object(signal ?? {}) as Partial<AbortSignal>;
  const isSignal = typeof aborted === "boolean" && typeof addEventListener === "function";
  if (signal === undefined || isSignal) return;
  throw argumentError(op, `signal ${shown(signal)} is not an AbortSignal`);
}

/** Refuses names that are not known, and says which are. @throws NetError `invalid_argument`. */
export function checkNames(op: NetOp, what: string, given: object, known: object): void {
  checkKind(op, `what ${what} was given`, given, "object");
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue;
    const names = Object.keys(known).toSorted().join(", ");
    throw argumentError(op, `${what} has no option ${shown(name)}; it has ${names}`);
  }
}

/** Checks a value that is one of a few; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkOneOf(op: NetOp, name: string, value: unknown, allowed: readonly string[]): void {
  if (value === undefined || (typeof value === "string" && allowed.includes(value))) return;
  throw argumentError(op, `${name} ${shown(value)} is not one of ${allowed.map(shown).join(", ")}`);
}

/** Checks how messages are received; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkMessageKind(op: NetOp, value: unknown): void {
  checkOneOf(op, "messages", value, ["text", "binary"]);
}

/** Checks a whole number in a range, and gives it back. @throws NetError `invalid_argument`. */
export function checkCount(op: NetOp, name: string, value: number, most: number, least = 1): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw argumentError(op, `${name} ${shown(value)} is not a whole number from ${least} to ${most}`);
}

/**
 * Checks how many there may be, and gives it back: a whole number of at least 1, or `Infinity` for no limit.
 *
 * @throws NetError `invalid_argument`.
 */
export function checkLimit(op: NetOp, name: string, value: number): number {
  if (value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && value >= 1)) return value;
  throw argumentError(op, `${name} ${shown(value)} is not a whole number of at least 1, nor Infinity`);
}

/**
 * Checks how long something may take, and gives it back: milliseconds above 0, or `Infinity` for ever.
 *
 * @throws NetError `invalid_argument`.
 */
export function checkTime(op: NetOp, name: string, value: number): number {
  // Not from TypeScript it may be text, which compares as a number and is none.
  if (typeof value === "number" && value > 0) return value;
  throw argumentError(op, `${name} ${shown(value)} is not a number of milliseconds above 0, nor Infinity`);
}

/** `checkTime` where 0 means at once. @throws NetError `invalid_argument`. */
export function checkDelay(op: NetOp, name: string, value: number): number {
  return value === 0 ? 0 : checkTime(op, name, value);
}

/**
 * Checks a time that the system is given, which knows nothing of `Infinity`, in milliseconds.
 *
 * @throws NetError `invalid_argument`.
 */
export function checkSystemTime(op: NetOp, name: string, value: number, least: number): void {
  if (typeof value === "number" && value >= least && value <= 2 ** 31 - 1) return;
  throw argumentError(op, `${name} ${shown(value)} is not from ${least} to ${2 ** 31 - 1} milliseconds`);
}

/** Checks what kind of value it is; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkKind(
  op: NetOp,
  name: string,
  value: unknown,
  kind: "boolean" | "string" | "function" | "object",
): void {
  if (value === undefined || (typeof value === kind && value !== null && !isCollection(value))) return;
  // What should be a passphrase or an identity may hold a secret.
  const isSecret = kind === "string" || kind === "object";
  const article = kind === "object" ? "an" : "a";
  throw argumentError(
    op,
    `${name} is ${isSecret ? kindOf(value) : shown(value)}, and not ${article} ${kind}`,
  );
}

/**
 * Checks that what was given has one of these functions: else it is a promise that nobody awaited, or
 * something else altogether. `not` says what it is not.
 *
 * @throws NetError `invalid_argument`.
 */
export function checkHas(op: NetOp, given: unknown, names: readonly string[], not: string): void {
  const has = (name: string): boolean => typeof Reflect.get(Object(given), name) === "function";
  if (names.some(has)) return;
  const reason = has("then") ? `a promise, which is ${not}: await it` : `${kindOf(given)}, which is ${not}`;
  throw argumentError(op, `this was given ${reason}`);
}

/** What kind of value it is, in words that show nothing of it. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return isCollection(value)
    ? `a ${Object.prototype.toString.call(value).slice(8, -1)}`
    : `of type ${typeof value}`;
}

/**
 * True for an array, a Map, a Headers and their like: what they hold is not in properties, and would not be
 * found.
 */
function isCollection(value: unknown): boolean {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}

/** A value as messages show it, whatever its own `toString` and `toJSON` do. */
export function shown(value: unknown): string {
  const text = textOf(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function textOf(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`; // Else it would look like the number that is asked for.
  // JSON has neither NaN nor Infinity, and no symbols.
  if (typeof value === "number" || typeof value === "symbol" || value === undefined) return String(value);
  return jsonOf(value) ?? kindOf(value);
}

/** Nothing for what has no JSON, such as a circle. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined; // Nobody needs to know why: the message says which option it is.
  }
}
