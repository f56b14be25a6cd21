import { toUSVString, types } from "node:util";

/**
 * What JavaScript callers may pass, made into what the standard's types say
 * (https://webidl.spec.whatwg.org/): conversions, not checks, so `close("3000")` is `close(3000)`.
 */

/** `DOMString`. @throws TypeError for a symbol, or for an object without a primitive value. */
export function domString(value: unknown): string {
  return "".concat(value as string); // `String` would take a symbol.
}

/** `USVString`: lone surrogates become U+FFFD. @throws TypeError as `domString` does. */
export function usvString(value: unknown): string {
  return toUSVString(domString(value));
}

/** `sequence<USVString>`. @throws TypeError for what cannot be iterated over, and as `usvString` does. */
export function usvStrings(value: unknown): readonly string[] {
  if (!isObject(value) || typeof Reflect.get(value, Symbol.iterator) !== "function") {
    throw new TypeError(`a ${typeof value} is not a list`);
  }
  return Array.from(value as Iterable<unknown>, (item) => usvString(item));
}

/** `[Clamp] unsigned short`: the nearest whole number from 0 to 65,535, and 0 for what is no number. */
export function clampedUnsignedShort(value: unknown): number {
  const number = Math.min(Math.max(toNumber(value), 0), 65_535);
  if (Number.isNaN(number)) return 0;
  const floor = Math.floor(number);
  const isNearer = number - floor < 0.5 || (number - floor === 0.5 && floor % 2 === 0);
  return isNearer ? floor : floor + 1;
}

/** `[EnforceRange] unsigned short`. @throws TypeError for what is not from 0 to 65,535. */
export function enforcedUnsignedShort(value: unknown): number {
  const number = Math.trunc(toNumber(value));
  if (!(number >= 0 && number <= 65_535)) throw new TypeError(`${number} is not from 0 to 65535`);
  return number;
}

/** `unsigned short`: modulo 65,536. */
export function unsignedShort(value: unknown): number {
  return new Uint16Array([toNumber(value)])[0] ?? 0;
}

function toNumber(value: unknown): number {
  return Math.max(value as number); // Throws for a symbol and for a bigint, which `Number` would take.
}

/** A dictionary: an object, or nothing at all. @throws TypeError for any other value. */
export function dictionary(value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (isObject(value)) return value as Record<string, unknown>;
  throw new TypeError(`a ${typeof value} is not an object`);
}

/** True for functions, too. */
export function isObject(value: unknown): value is object {
  return typeof value === "function" || (typeof value === "object" && value !== null);
}

/** @throws TypeError if fewer arguments were passed than the standard requires. */
export function requireArguments(name: string, given: number, required: number): void {
  if (given < required) throw new TypeError(`${name} needs ${required} argument(s), and got ${given}`);
}

/**
 * The bytes of a `BufferSource`, not copied; `undefined` if it is none.
 *
 * @throws TypeError for memory that may be shared or may change its size. (Of a `SharedArrayBuffer` itself
 *   the standard makes the text "[object SharedArrayBuffer]", which nobody wants to send.)
 */
export function bufferSource(value: unknown): Uint8Array | undefined {
  const isView = ArrayBuffer.isView(value);
  if (!isView && !types.isAnyArrayBuffer(value)) return undefined;
  const memory = isView ? value.buffer : value;
  if (types.isSharedArrayBuffer(memory)) throw new TypeError("shared memory cannot be sent: copy it first");
  if ((memory as { resizable?: boolean }).resizable === true) {
    throw new TypeError("a buffer of changing size cannot be sent: copy it first");
  }
  // Of a detached buffer there are no bytes.
  if (value.byteLength === 0) return new Uint8Array(0);
  return isView ? new Uint8Array(memory, value.byteOffset, value.byteLength) : new Uint8Array(memory);
}

/**
 * Gives a class the shape of an interface of the standard: its members can be enumerated, its constants stand
 * on the class and on the prototype and cannot be assigned, and it says its name.
 */
export function defineInterface(
  Class: { readonly prototype: object },
  name: string,
  constants: Readonly<Record<string, number>> = {},
): void {
  const { prototype } = Class;
  for (const member of Object.getOwnPropertyNames(prototype)) {
    if (member !== "constructor") Object.defineProperty(prototype, member, { enumerable: true });
  }
  for (const [constant, value] of Object.entries(constants)) {
    const descriptor = { value, enumerable: true, writable: false, configurable: false };
    Object.defineProperty(Class, constant, descriptor);
    Object.defineProperty(prototype, constant, descriptor);
  }
  Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
  Object.defineProperty(Class, "name", { value: name, configurable: true });
}
