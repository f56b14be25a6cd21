/**
 * True if what is written there is read by a person at a terminal who has not asked for plain text
 * (https://no-color.org). Nothing else counts: a CI system captures output too, and whoever parses it wants
 * no escape codes.
 */
export function hasColors(output: { readonly isTTY?: boolean | undefined }): boolean {
  return output.isTTY === true && process.env["NO_COLOR"] === undefined;
}
