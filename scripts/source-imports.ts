/** One module specifier in a source file. */
export interface SourceImport {
  readonly specifier: string;
  /** Counted from 1. */
  readonly line: number;
  /** True for `import type` and `export type`, which leave no trace in the built file. */
  readonly isTypeOnly: boolean;
}

const FORMS: readonly RegExp[] = [
  // import x from "y", import type { x } from "y", export * from "y"
  /^[ \t]*(?:import|export)\b\s*(?<type>type\s+(?!from\b))?[^;"'()=]*?\bfrom\s*(?<quoted>["'])/gm,
  // import "y"
  /^[ \t]*import\s*(?<quoted>["'])/gm,
  // import("y"), as an expression or as a type; require("y"); import.meta.resolve("y")
  /\b(?:import|require|import\.meta\.resolve)\s*\(\s*(?<quoted>["'])/g,
];

/**
 * Lists the module specifiers of TypeScript (or TSX) source, in the order of their lines.
 * What stands in comments, strings and templates is not taken for an import.
 */
export function sourceImports(source: string): SourceImport[] {
  const code = blankOut(source);
  const found: (SourceImport & { at: number })[] = [];
  for (const form of FORMS) {
    for (const match of code.matchAll(form)) {
      const at = match.index + match[0].length;
      const end = source.indexOf(match.groups?.["quoted"] ?? '"', at);
      const line = source.slice(0, at).split("\n").length;
      const isTypeOnly = match.groups?.["type"] !== undefined;
      found.push({ specifier: source.slice(at, end), line, isTypeOnly, at });
    }
  }
  found.sort((a, b) => a.at - b.at);
  return found.map(({ specifier, line, isTypeOnly }) => ({ specifier, line, isTypeOnly }));
}

/** Where a comment of a source stands: the index of its first character, and the one behind its last. */
export interface SourceComment {
  readonly from: number;
  readonly to: number;
}

/** Lists the comments of TypeScript (or TSX) source, in their order. */
export function sourceComments(source: string): SourceComment[] {
  const found: SourceComment[] = [];
  blankOut(source, (comment) => found.push(comment));
  return found;
}

/**
 * The code with the insides of comments, strings, templates and regular expressions replaced by spaces, lines
 * kept.
 */
export function blankOut(source: string, onComment?: (comment: SourceComment) => void): string {
  const out = source.split("");
  const blank = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (out[i] !== "\n") out[i] = " ";
  };
  // Braces open inside `${…}`, one count per nested template.
  const templates: number[] = [];
  let previous = "";
  let i = 0;
  while (i < source.length) {
    const char = source[i] ?? "";
    if (source.startsWith("//", i) || source.startsWith("/*", i)) {
      const isLine = source[i + 1] === "/";
      const stop = source.indexOf(isLine ? "\n" : "*/", i + 2);
      const end = stop < 0 ? source.length : isLine ? stop : stop + 2;
      blank(i, end);
      onComment?.({ from: i, to: end });
      i = end;
      continue;
    }
    if (char === '"' || char === "'") {
      const end = endOfString(source, i, char);
      blank(i + 1, end);
      i = end + 1;
    } else if (char === "`" || (char === "}" && templates.at(-1) === 0)) {
      if (char === "}") templates.pop();
      const end = endOfTemplatePart(source, i + 1);
      blank(i + 1, end);
      if (source.startsWith("${", end)) templates.push(0);
      i = source.startsWith("${", end) ? end + 2 : end + 1;
    } else if (char === "/" && startsRegExp(previous, source, i)) {
      const end = endOfRegExp(source, i);
      blank(i + 1, end);
      i = end + 1;
    } else {
      const depth = templates.at(-1);
      if (depth !== undefined && char === "{") templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && char === "}") templates[templates.length - 1] = depth - 1;
      i++;
    }
    if (!/\s/.test(char)) previous = char;
  }
  return out.join("");
}

function endOfString(source: string, start: number, quote: string): number {
  let i = start + 1;
  // An apostrophe in JSX text opens no string: give up at the end of the line.
  while (i < source.length && source[i] !== quote && source[i] !== "\n") i += source[i] === "\\" ? 2 : 1;
  return source[i] === quote ? i : start;
}

function endOfTemplatePart(source: string, start: number): number {
  let i = start;
  while (i < source.length && source[i] !== "`" && !source.startsWith("${", i))
    i += source[i] === "\\" ? 2 : 1;
  return i;
}

function startsRegExp(previous: string, source: string, at: number): boolean {
  if (previous === "" || "(,=:[!&|?{;+-*%~^".includes(previous)) return true;
  return /\b(?:return|typeof|case|of|in|yield|await)\s*$/.test(source.slice(Math.max(0, at - 20), at));
}

function endOfRegExp(source: string, start: number): number {
  let isInClass = false;
  for (let i = start + 1; i < source.length && source[i] !== "\n"; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === "[") isInClass = true;
    else if (source[i] === "]") isInClass = false;
    else if (source[i] === "/" && !isInClass) return i;
  }
  return start;
}
