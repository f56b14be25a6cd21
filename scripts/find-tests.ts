import { readdirSync, statSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";

/** Directories that hold tests, from the root of the repository. */
export const TEST_ROOTS = ["packages", "apps", "test", "scripts", "bench", "tools"];

const SKIPPED = new Set(["node_modules", "dist", "pages", "coverage", "results"]);

/**
 * Finds the test files below `root`, sorted: Node 20's runner finds no TypeScript by itself and knows no
 * globs.
 *
 * @param patterns Files, directories or any part of a path (`packages/net`, `deadline`); none means all.
 */
export function findTests(root: string, patterns: readonly string[] = []): string[] {
  const found: string[] = [];
  for (const top of TEST_ROOTS) walk(join(root, top), found);
  const files = found.map((file) => relative(root, file).split(sep).join("/")).sort();
  if (patterns.length === 0) return files;
  const wanted = patterns.map((pattern) => relative(root, resolve(root, pattern)).split(sep).join("/"));
  return files.filter((file) => wanted.some((part) => file.includes(part)));
}

function walk(directory: string, found: string[]): void {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name)) walk(path, found);
    } else if (/\.test\.tsx?$/.test(entry.name)) {
      found.push(path);
    }
  }
}
