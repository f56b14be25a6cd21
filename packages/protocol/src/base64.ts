const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** `btoa` takes a text, which is built in parts of so many bytes: a call has so many arguments at most. */
const PART = 8_190;
const NONE = 0xff;

/** The value of each character of the alphabet. */
const VALUES = new Uint8Array(128).fill(NONE);
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

/** How long the base64 of so many bytes is. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** Bytes as base64 (RFC 4648 §4, with padding). */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PART) {
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + PART)));
  }
  return text;
}

/** Reads base64; `undefined` for what is none, or is not as `toBase64` writes it. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let rest = 0;
  for (let at = 0, to = 0; at < text.length - padding; at++) {
    const value = VALUES[text.charCodeAt(at)] ?? NONE;
    if (value === NONE) return undefined;
    rest = (rest << 6) | value;
    if (at % 4 === 0) continue;
    const bits = 6 - (at % 4) * 2; // that are left of this character
    bytes[to++] = rest >> bits;
    rest &= (1 << bits) - 1;
  }
  return rest === 0 ? bytes : undefined;
}
