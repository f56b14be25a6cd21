/** Longest text that `printable` shows, in UTF-16 code units, where nothing else is said. */
const DEFAULT_MAX_LENGTH = 1_024;

/**
 * What a terminal obeys, and what changes how the text around it is shown: control characters (C0 with its
 * line ends, DEL, C1), format characters (bidirectional overrides, isolates and marks, invisible ones, tags),
 * line and paragraph separators, halves of a surrogate pair.
 *
 * The two joiners, U+200C and U+200D, stay: Persian, Indic scripts and emoji are written with them, and they
 * move nothing.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu;

const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Text of a peer, for a person's eyes: a name, a close reason, a header, a status text. A terminal obeys
 * escape sequences, whoever sent them, and a bidirectional override shows what is not there. Here such
 * characters become visible: `\n`, `\x1b`, `\u202e`, `\u{e0041}`. It stays on one line.
 *
 * Messages of this project's errors have passed here. What a field holds (`reason` of a close,
 * `request.headers`, `tls.serverName`) is what the peer sent.
 *
 * The result is to be read, not to be parsed: a backslash that the peer sent looks the same. Use it for each
 * part that is another's, as in `` console.error(`the peer closed: ${printable(info.reason)}`) ``.
 *
 * @param maxLength how much of it is shown, in UTF-16 code units of `text`; what is longer ends with `…`.
 *   Default 1,024. What is shown is at most six times as long.
 */
export function printable(text: string, maxLength: number = DEFAULT_MAX_LENGTH): string {
  if (text.length <= maxLength) return text.replace(UNPRINTABLE, escaped);
  // Half of a pair that the cut has made is left out, too.
  const start = text.slice(0, maxLength).replace(/[\ud800-\udbff]$/, "");
  return `${start.replace(UNPRINTABLE, escaped)}…`;
}

/**
 * `printable` for text of several lines: line ends (`\n`, of which `\r\n` becomes one) and tabs stay. It is
 * not cut.
 */
export function printableLines(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(/[^\n\t]+/g, (part) => printable(part, Infinity));
}

/**
 * JSON that a person may look at, too: what `printable` shows escaped is escaped as JSON has it, and it
 * stands for the same value.
 *
 * @param json as `JSON.stringify(value)` writes it, without indentation.
 */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (char) => {
    let units = "";
    for (let at = 0; at < char.length; at++) units += `\\u${hex(char.charCodeAt(at), 4)}`;
    return units;
  });
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code > 0xffff) return `\\u{${hex(code, 0)}}`;
  return SHORT_ESCAPES[char] ?? (code > 0xff ? `\\u${hex(code, 4)}` : `\\x${hex(code, 2)}`);
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
