import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { EXIT, UserError } from "./exit-code.ts";

/** Read from the working directory when no other file is named. */
export const CONFIG_FILE_NAME = "zocalo.config.json";
/** A configuration larger than this is somebody's mistake. */
const MAX_BYTES = 1_048_576;

/** A configuration file that could be read. */
export interface ConfigFile {
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Reads a configuration file: one JSON object.
 *
 * @param name a path; if relative, from `directory`.
 * @param mustExist false: a file that is not there is no error.
 * @throws UserError (exit code 2) that names the file, and the line where its JSON is broken.
 */
export function readConfigFile(directory: string, name: string, mustExist: boolean): ConfigFile | undefined {
  const path = resolve(directory, name);
  const text = readText(path, mustExist);
  if (text === undefined) return undefined;
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch (error) {
    throw new UserError(
      `The configuration file ${path} is not JSON: ${whereBroken(error, text)}.`,
      EXIT.usage,
    );
  }
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    throw new UserError(`The configuration file ${path} must hold one JSON object.`, EXIT.usage);
  }
  return { path, values: Object.fromEntries(Object.entries(values)) };
}

function readText(path: string, mustExist: boolean): string | undefined {
  try {
    const { size } = statSync(path);
    if (size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    return readFileSync(path, "utf8");
  } catch (error) {
    const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" && !mustExist) return undefined;
    const reasons: Record<string, string> = {
      ENOENT: "there is no such file",
      EACCES: "permission denied",
      EISDIR: "it is a directory",
    };
    const reason = reasons[String(code)] ?? (error instanceof Error ? error.message : String(error));
    throw new UserError(`The configuration file ${path} cannot be read: ${reason}.`, EXIT.usage);
  }
}

/**
 * The engine's own words, in one line, but for what they quote of the file, which may be a secret; where it
 * counts a position, or it can be found, that is a line and a column for people.
 */
function whereBroken(error: unknown, text: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const [, token, isCut, around = ""] =
    /^(Unexpected token .*?), (\.{3})?"(.*)"(?:\.{3})? is not valid JSON$/s.exec(message) ?? [];
  if (token !== undefined) {
    const at = text.indexOf(around);
    const isClear = isCut !== undefined && at === text.lastIndexOf(around);
    return isClear ? `${token} in ${placeOf(at + QUOTED_BEFORE, text)}` : token;
  }
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position === undefined)
    return message.replace(/\s+/g, " ").replace(/^.*is not valid JSON$/, "it is broken");
  const what = message.replace(/(?: in JSON)? at position \d+.*$/, "");
  return `${what} in ${placeOf(Number(position), text)}`;
}

/** How much the engine quotes before what it did not expect, in characters. */
const QUOTED_BEFORE = 10;

function placeOf(position: number, text: string): string {
  const before = text.slice(0, position).split("\n");
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}
