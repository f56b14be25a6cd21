import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { sourceComments } from "./source-imports.ts";

/**
 * Columns of the longest line that has a comment. The formatter wraps code there, and leaves comments alone.
 */
export const COMMENT_COLUMNS = 110;

/** Where the sources of this repository are. */
const CHECKED: readonly string[] = ["apps", "bench", "examples", "packages", "scripts", "test", "tools"];

/** Folders that hold what was built or installed. */
const NOT_OURS: ReadonlySet<string> = new Set(["dist", "node_modules"]);

/** A line with a comment that ends past `COMMENT_COLUMNS`. */
export interface LongComment {
  /** Counted from 1. */
  readonly line: number;
  readonly columns: number;
}

/**
 * Lists the lines of TypeScript source that are too long because of a comment. Those that cannot be wrapped
 * are left out: a directive to a tool, code between fences, a table, and one word (mostly an address).
 */
export function longComments(source: string): LongComment[] {
  const lines = source.split("\n");
  const found: LongComment[] = [];
  const seen = new Set<number>();
  for (const { from, to } of sourceComments(source)) {
    const first = source.slice(0, from).split("\n").length - 1;
    const last = first + source.slice(from, to).split("\n").length - 1;
    let isCode = false;
    for (let at = first; at <= last; at++) {
      const line = lines[at] ?? "";
      const comment = at === first ? line.slice(from - source.lastIndexOf("\n", from - 1) - 1) : line;
      const text = comment.replace(/^\s*(?:\/\*+|\*+|\/+)?\s*/, "").replace(/\s*\*\/\s*$/, "");
      if (text.startsWith("```")) isCode = !isCode;
      const columns = Array.from(line).length;
      if (columns <= COMMENT_COLUMNS || isCode || !canWrap(text) || seen.has(at)) continue;
      seen.add(at);
      found.push({ line: at + 1, columns });
    }
  }
  return found;
}

function canWrap(text: string): boolean {
  const isDirective = /^(?:oxlint-|biome-ignore|@ts-|#region|<reference)/.test(text);
  return !isDirective && !text.startsWith("|") && /\S\s+\S/.test(text.replace(/^(?:[-*]|@\w+)\s+/, ""));
}

/** Holds all sources against `longComments`, as `file:line` and what is wrong there. */
export function checkComments(root: string, directories: readonly string[] = CHECKED): string[] {
  return directories.flatMap((directory) =>
    sourcesBelow(join(root, directory)).flatMap((file) =>
      longComments(readFileSync(file, "utf8")).map(
        ({ line, columns }) =>
          `${relative(root, file)}:${line} has ${columns} columns; comments are wrapped at ${COMMENT_COLUMNS}`,
      ),
    ),
  );
}

function sourcesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : sourcesBelow(path);
      return /\.[cm]?tsx?$/.test(entry.name) ? [path] : [];
    });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const violations = checkComments(dirname(dirname(fileURLToPath(import.meta.url))));
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
}
