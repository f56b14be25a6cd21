import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Words of the longest record of a decision: half a page. What is more goes to its appendix. */
export const DECISION_WORDS = 300;

/** Counts words as `wc -w` does, heading and all. */
export function checkDecisions(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => /^\d{4}-.*\.md$/.test(name))
    .toSorted()
    .flatMap((name) => {
      const words = readFileSync(join(directory, name), "utf8").match(/\S+/g)?.length ?? 0;
      if (words <= DECISION_WORDS) return [];
      return `${name} has ${words} words of ${DECISION_WORDS}: move its figures to figures/${name}`;
    });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const violations = checkDecisions(join(root, "docs", "decisions"));
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
}
