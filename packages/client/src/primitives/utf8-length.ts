const encoder = new TextEncoder();

/** What a text takes in UTF-8, in bytes. */
export function utf8Length(text: string): number {
  return encoder.encode(text).length;
}
