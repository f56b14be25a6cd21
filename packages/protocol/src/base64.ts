/** A call has so many arguments at most. */
const PART = 8_192;

/** How long the base64 of so many bytes is. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** Bytes as base64 (RFC 4648 §4, with padding). */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let from = 0; from < bytes.length; from += PART) {
    // Spread they would be iterated, which takes ten times as long.
    binary += String.fromCharCode.apply(undefined, bytes.subarray(from, from + PART) as unknown as number[]);
  }
  return btoa(binary);
}

/** Reads base64; `undefined` for what is none, or is not as `toBase64` writes it. */
export function fromBase64(text: string): Uint8Array | undefined {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    return undefined;
  }
  // It forgives space, padding that is missing, and bits that belong to no byte.
  if (btoa(binary) !== text) return undefined;
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
