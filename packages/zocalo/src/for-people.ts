import { printable, printableLines } from "@zocalo/net";
import { withoutSecrets } from "./secrets.ts";

/**
 * Text for a line on a terminal: what a terminal would obey is visible, and what looks like a secret is not.
 * Cut as `printable` does.
 */
export function forPeople(text: string): string {
  return printable(withoutSecrets(text));
}

/** The same for text of several lines, such as a stack trace. It is not cut. */
export function linesForPeople(text: string): string {
  return printableLines(withoutSecrets(text));
}
