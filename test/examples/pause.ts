/** What an example calls when its server is up, and it turns to its client or to the end. */
const TURNS = /\b(?:dial|connect|close|stop|abort|drain|WebSocket|WebSocketStream)\(/;

/**
 * Puts `await globalThis.pause();` before the first top-level statement that dials or closes, outside of
 * functions.
 *
 * @param code JavaScript as esbuild prints it: a statement at the top level begins in the first column, what
 *   is in it does not.
 * @returns `undefined` if there is no such statement.
 */
export function withPause(code: string): string | undefined {
  const lines = code.split("\n");
  let first = 0;
  for (const [at, line] of lines.entries()) {
    if (/^[^\s})\]]/.test(line)) first = at;
    const isInFunction = /^(?:async )?function\b|^class\b|=> \{$/.test(lines[first] ?? "");
    const own = line.replace(/=>.*/, "");
    if (isInFunction || /^import\b/.test(line) || !TURNS.test(own)) continue;
    return [...lines.slice(0, first), "await globalThis.pause();", ...lines.slice(first)].join("\n");
  }
  return undefined;
}
