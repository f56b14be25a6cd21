/** A name that no other session has by accident: 96 random bits, in 24 characters. */
export function uniqueName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join("");
}
