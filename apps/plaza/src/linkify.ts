/** A piece of a message: plain text, or a web address that may be clicked. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "link"; readonly text: string; readonly href: string };

/** After this many links the rest of a message stays text: nobody clicks the hundredth. */
export const LINK_LIMIT = 50;

/** Ends before a character of direction (UAX #9): one would show another address than the link has. */
const ADDRESS = /\bhttps?:\/\/[^\s<>"`{}|\\^\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gi;

const OPENING: Readonly<Record<string, string>> = { ")": "(", "]": "[" };

/**
 * Cuts a text into plain pieces and http(s) addresses. Joined again, the pieces' texts are the input.
 * Punctuation that ends the sentence around an address is not part of it; a bracket is, if the address opened
 * it.
 */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  let links = 0;
  for (const match of text.matchAll(ADDRESS)) {
    if (links === LINK_LIMIT) break;
    const address = withoutTail(match[0]);
    const href = hrefOf(address);
    if (href === undefined) continue;
    if (match.index > done) pieces.push({ kind: "text", text: text.slice(done, match.index) });
    pieces.push({ kind: "link", text: address, href });
    done = match.index + address.length;
    links++;
  }
  if (done < text.length) pieces.push({ kind: "text", text: text.slice(done) });
  return pieces;
}

function withoutTail(address: string): string {
  let end = address.length;
  const surplus: Record<string, number> = {};
  for (const [close, open] of Object.entries(OPENING)) {
    surplus[close] = count(address, close) - count(address, open);
  }
  while (end > 0) {
    const last = address.charAt(end - 1);
    const excess = surplus[last];
    if (excess !== undefined) {
      if (excess <= 0) break;
      surplus[last] = excess - 1;
    } else if (!".,;:!?'*_~…”’".includes(last)) {
      break;
    }
    end--;
  }
  return address.slice(0, end);
}

function count(text: string, character: string): number {
  let found = 0;
  for (let i = text.indexOf(character); i >= 0; i = text.indexOf(character, i + 1)) found++;
  return found;
}

function hrefOf(address: string): string | undefined {
  try {
    const { protocol, href } = new URL(address);
    return protocol === "http:" || protocol === "https:" ? href : undefined;
  } catch {
    return undefined;
  }
}
