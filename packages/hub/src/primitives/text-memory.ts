/**
 * How many bytes a string takes in memory, at most: V8 keeps one with a single character past U+00FF at two
 * bytes for each of them. Those from U+0080 on count as such too, since asking for plain ASCII is quick.
 */
export function textMemory(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : text.length * 2;
}

/** What a `Uint8Array` takes beside its bytes, roughly: the array, its buffer, and what stands behind it. */
const ARRAY_OVERHEAD = 240;

/** How many bytes a text takes in memory, at most, or bytes, roughly. */
export function contentMemory(content: string | Uint8Array): number {
  return typeof content === "string" ? textMemory(content) : content.length + ARRAY_OVERHEAD;
}

/** The same text, or bytes, in memory of its own. @throws TypeError for what is neither */
export function ownContent(content: string | Uint8Array): string | Uint8Array {
  if (typeof content === "string") return ownText(content);
  if (content instanceof Uint8Array) return new Uint8Array(content);
  throw new TypeError(`a publication has ${typeof content} where text or bytes have to be`);
}

/** V8 makes a text of its own of a part that is shorter. */
const SHORTEST_PART = 13;
const scratch = Buffer.allocUnsafeSlow(4_096);

/**
 * The same text in memory of its own. A part of a text keeps all of it alive, and at two bytes a character if
 * only one anywhere in it needs them: a command of 64 KiB for the sake of the 20 bytes that it publishes.
 */
export function ownText(text: string): string {
  if (text.length < SHORTEST_PART) return text;
  if (Buffer.byteLength(text) !== text.length) return ` ${text}`.slice(1); // a part of one hardly longer
  if (text.length > scratch.length) return Buffer.from(text, "latin1").toString("latin1");
  return scratch.toString("latin1", 0, scratch.write(text, "latin1"));
}
