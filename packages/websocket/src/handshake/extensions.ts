import { isToken } from "./fields.ts";

/** One extension as offered or accepted, with its parameters in order; `true` for one without a value. */
export interface ExtensionOffer {
  readonly name: string;
  readonly parameters: readonly (readonly [name: string, value: string | true])[];
}

/** Most extensions one handshake may name. */
const MAX_OFFERS = 32;

/**
 * Parses `Sec-WebSocket-Extensions` (RFC 6455 §9.1). Each character is looked at once.
 *
 * @returns the offers, or `undefined` if the header is malformed.
 */
export function parseExtensions(values: readonly string[]): ExtensionOffer[] | undefined {
  const offers: ExtensionOffer[] = [];
  for (const value of values) {
    const elements = splitOutsideQuotes(value, ",");
    if (elements === undefined || offers.length + elements.length > MAX_OFFERS) return undefined;
    for (const element of elements) {
      const offer = parseOffer(element);
      if (offer === undefined) return undefined;
      offers.push(offer);
    }
  }
  return offers;
}

function parseOffer(text: string): ExtensionOffer | undefined {
  const [name = "", ...rest] = splitOutsideQuotes(text, ";") ?? [];
  if (!isToken(name)) return undefined;
  const parameters: [string, string | true][] = [];
  for (const parameter of rest) {
    const equals = parameter.indexOf("=");
    const key = (equals === -1 ? parameter : parameter.slice(0, equals)).trim();
    const value = equals === -1 ? true : unquote(parameter.slice(equals + 1).trim());
    if (!isToken(key) || value === undefined) return undefined;
    parameters.push([key, value]);
  }
  return { name, parameters };
}

/** A token as it is; of a quoted string what it stands for, which must be a token, too. */
function unquote(text: string): string | undefined {
  if (!text.startsWith('"')) return isToken(text) ? text : undefined;
  if (text.length < 2 || !text.endsWith('"')) return undefined;
  const value = text.slice(1, -1).replaceAll(/\\(.)/g, "$1");
  return isToken(value) ? value : undefined;
}

/** Parts without the spaces around them; `undefined` if a quote stays open. */
function splitOutsideQuotes(text: string, separator: string): string[] | undefined {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (isQuoted && char === "\\") at++;
    else if (char === '"') isQuoted = !isQuoted;
    else if (!isQuoted && char === separator) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  if (isQuoted) return undefined;
  parts.push(text.slice(start).trim());
  return parts;
}
