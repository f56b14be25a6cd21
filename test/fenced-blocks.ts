/** A fenced code block of a Markdown file. */
export interface FencedBlock {
  /** The word after the fence, such as `ts`. */
  readonly language: string;
  /** What follows it, such as `no-run`. */
  readonly info: string;
  /** Line of the first line of code, counted from 1. */
  readonly line: number;
  readonly code: string;
}

/**
 * Lists the fenced blocks of `markdown`. A block in a list is taken without its indentation (CommonMark 4.5).
 */
export function fencedBlocks(markdown: string): FencedBlock[] {
  const blocks: FencedBlock[] = [];
  const lines = markdown.split(/\r?\n/);
  for (let i = 0; i < lines.length; i++) {
    const open =
      /^(?<indent>[\t >]*)(?<fence>`{3,}|~{3,})[\t ]*(?<language>[^\s`]*)[\t ]*(?<info>[^`]*)$/.exec(
        lines[i] ?? "",
      )?.groups;
    if (open === undefined) continue;
    const { indent = "", fence = "", language = "", info = "" } = open;
    const first = i + 1;
    const isEnd = (line: string) => {
      const text = line.replace(/^[\t >]*/, "").trimEnd();
      return text.length >= fence.length && text === (fence[0] ?? "").repeat(text.length);
    };
    i++;
    while (i < lines.length && !isEnd(lines[i] ?? "")) i++;
    const code = lines
      .slice(first, i)
      .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line.trimStart()));
    blocks.push({ language, info: info.trim(), line: first + 1, code: code.join("\n") });
  }
  return blocks;
}
