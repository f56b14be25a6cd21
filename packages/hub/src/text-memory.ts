/**
 * How many bytes a string takes in memory, at most: V8 keeps one with a single character past U+00FF at two
 * bytes for each of them. Those from U+0080 on count as such too, since asking for plain ASCII is quick.
 */
export function textMemory(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : text.length * 2;
}
