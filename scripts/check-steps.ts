import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { blankOut } from "./source-imports.ts";

/**
 * What ships of these may reach into Node in its folder `node` alone
 * (docs/decisions/0015-steps-into-node.md).
 */
const CHECKED: readonly string[] = ["packages/net/src", "packages/websocket/src"];

/** What Node does not document, or documents as its own. */
const INSIDES: readonly RegExp[] = [
  // socket._handle, socket?._handle
  /\.\s*(?<name>_[a-z]\w*)/g,
  // Symbols without a public name, and Node's own modules.
  /\b(?<name>getOwnPropertySymbols|getOwnPropertyDescriptors|ownKeys|internalBinding|process\s*\.\s*binding)\b/g,
];

/**
 * `const { _handle, _parent: below } = socket`; a method or a field of that name. Between round brackets it
 * is a parameter that is not used.
 */
const MEMBER = /(?<=[{,;\n]\s*(?:(?:readonly|override|async|get|set)\s+)*)_[a-z]\w*(?=\s*[?:,}(=;])/g;

/** "_handle", as in `Reflect.get(socket, "_handle")`; "node:_http_server"; "kHandle"; the event `secure`. */
const INSIDE_NAME = /^(?:(?:node:)?_[a-z]\w*|node:internal\/.*|k[A-Z]\w*|secure)$/;

/** A name of Node's insides. */
export interface Step {
  /** Counted from 1. */
  readonly line: number;
  readonly name: string;
}

/** Lists the names of Node's insides in TypeScript source. What stands in a comment is none. */
export function stepsIntoNode(source: string): Step[] {
  const code = blankOut(source);
  const found: (Step & { at: number })[] = [];
  const report = (at: number, name: string): void => {
    found.push({ at, line: source.slice(0, at).split("\n").length, name });
  };
  for (const form of INSIDES) {
    for (const match of code.matchAll(form)) report(match.index, match.groups?.["name"] ?? match[0]);
  }
  for (const { index, 0: name } of code.matchAll(MEMBER)) {
    if (innermostBracket(code.slice(0, index)) === "{") report(index, name);
  }
  // The quotes are left, and what is between them is blank.
  for (const { index, 0: blank } of code.matchAll(/(["'`]) *\1/g)) {
    const name = source.slice(index + 1, index + blank.length - 1);
    if (INSIDE_NAME.test(name)) report(index, name);
  }
  return found.sort((a, b) => a.at - b.at).map(({ line, name }) => ({ line, name }));
}

/** The bracket that is open at the end of some code. */
function innermostBracket(code: string): string | undefined {
  const open: string[] = [];
  for (const [bracket] of code.matchAll(/[()[\]{}]/g)) {
    if ("([{".includes(bracket)) open.push(bracket);
    else open.pop();
  }
  return open.at(-1);
}

/** Holds what ships of the two packages against `stepsIntoNode`, as `file:line` and what is wrong there. */
export function checkSteps(root: string, directories: readonly string[] = CHECKED): string[] {
  return directories.flatMap((directory) =>
    readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name))
      .filter((name) => name.split(sep)[0] !== "node")
      .sort()
      .flatMap((name) => {
        const file = join(root, directory, name);
        return stepsIntoNode(readFileSync(file, "utf8")).map(
          (step) =>
            `${relative(root, file)}:${step.line} has ${step.name}; steps into Node stand in ${directory}/node`,
        );
      }),
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const violations = checkSteps(dirname(dirname(fileURLToPath(import.meta.url))));
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
}
