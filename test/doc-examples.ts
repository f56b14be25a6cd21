import { fencedBlocks } from "./fenced-blocks.ts";

/** An example in a doc comment. */
export interface DocExample {
  /** Line of its first line of code, counted from 1. */
  readonly line: number;
  readonly code: string;
}

/**
 * Lists the `@example`s in the doc comments of `source`: what follows the tag, up to the next tag or the end
 * of the comment.
 */
export function docExamples(source: string): DocExample[] {
  const examples: DocExample[] = [];
  const lines = source.split(/\r?\n/);
  for (let i = 0; i < lines.length; i++) {
    const [, first] = /^\s*(?:\/\*)?\*\s*@example\b[\t ]?(.*)$/.exec(lines[i] ?? "") ?? [];
    if (first === undefined) continue;
    const code = [first];
    let line = i + 1;
    if (first.trim() === "") {
      code.length = 0;
      line++;
    }
    for (i++; i < lines.length && !/^\s*\*\/|^\s*\*\s*@/.test(lines[i] ?? ""); i++) {
      code.push((lines[i] ?? "").replace(/^\s*\* ?/, "").replace(/\*\/\s*$/, ""));
    }
    i--;
    examples.push({ line, code: code.join("\n").trimEnd() });
  }
  return examples;
}

/** Lists the fenced blocks of TypeScript in the doc comments of `source`. */
export function docFences(source: string): DocExample[] {
  let isInComment = false;
  const text = source.split(/\r?\n/).map((line) => {
    isInComment ||= /^\s*\/\*\*/.test(line);
    const own = isInComment ? line.replace(/^\s*(?:\/\*)?\*+ ?/, "").replace(/\*\/\s*$/, "") : "";
    if (line.includes("*/")) isInComment = false;
    return own;
  });
  return fencedBlocks(text.join("\n"))
    .filter(({ language }) => language === "ts")
    .map(({ code, line }) => ({ code, line }));
}
