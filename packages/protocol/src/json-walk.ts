import { CLOSING_BRACKET, COMMA, type JsonScanner, QUOTE } from "./json-scanner.ts";

/** Passes an array: `take` is called where each item begins, and passes it. */
export function eachItem(scanner: JsonScanner, take: () => void): void {
  scanner.sign();
  while (scanner.next() !== CLOSING_BRACKET) {
    take();
    if (scanner.next() === COMMA) scanner.sign();
  }
  scanner.sign();
}

/**
 * Passes an object: `take` is called where the value of each member begins, with its name, and passes it.
 *
 * @param text that the scanner has
 */
export function eachMember(
  scanner: JsonScanner,
  text: string,
  take: (name: string, first: number) => void,
): void {
  scanner.sign();
  while (scanner.next() === QUOTE) {
    const { start, end } = scanner.value();
    scanner.sign();
    take(JSON.parse(text.slice(start, end)) as string, scanner.next());
    if (scanner.next() === COMMA) scanner.sign();
  }
  scanner.sign();
}
