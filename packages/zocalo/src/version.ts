import { readFileSync } from "node:fs";

/** The version of this package, from its package.json: beside `src` as beside `dist`. */
export const VERSION = readVersion();

function readVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
