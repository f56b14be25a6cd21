/** A name that no other session has by accident: 128 random bits, at most 43 characters. */
export function uniqueName(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
