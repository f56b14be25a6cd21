const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CODES = new TextEncoder().encode(ALPHABET);
const PADDING = "=".charCodeAt(0);
const NONE = 0xff;
const ascii = new TextDecoder();

/** The value of each character of the alphabet. */
const VALUES = new Uint8Array(128).fill(NONE);
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

/** How long the base64 of so many bytes is. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** Bytes as base64 (RFC 4648 §4, with padding). */
export function toBase64(bytes: Uint8Array): string {
  const codes = new Uint8Array(base64Length(bytes.length)).fill(PADDING);
  const whole = bytes.length - (bytes.length % 3);
  let to = 0;
  for (let at = 0; at < whole; at += 3) {
    const group = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    codes[to++] = CODES[group >> 18] ?? 0;
    codes[to++] = CODES[(group >> 12) & 63] ?? 0;
    codes[to++] = CODES[(group >> 6) & 63] ?? 0;
    codes[to++] = CODES[group & 63] ?? 0;
  }
  const rest = bytes.length - whole;
  if (rest > 0) {
    const group = ((bytes[whole] ?? 0) << 16) | ((bytes[whole + 1] ?? 0) << 8);
    codes[to++] = CODES[group >> 18] ?? 0;
    codes[to++] = CODES[(group >> 12) & 63] ?? 0;
    if (rest === 2) codes[to] = CODES[(group >> 6) & 63] ?? 0;
  }
  return ascii.decode(codes);
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
