import { printable, printableJson } from "@zocalo/net";
import pino, { type DestinationStream, type Logger } from "pino";
import { createColors } from "picocolors";
import { hasColors } from "./colors.ts";
import { maskSecrets } from "./secrets.ts";
import type { Settings } from "./settings.ts";

export type { Logger } from "pino";

/**
 * Longest text in a logged value, in UTF-16 code units: a stack trace has room, and a peer that sends a
 * megabyte does not fill the disk.
 */
const MAX_TEXT_LENGTH = 16_384;

/** Where log lines go. */
export interface LogOutput extends DestinationStream {
  readonly isTTY?: boolean | undefined;
}

/**
 * Makes the logger of a process: JSON lines, or lines for people.
 *
 * Whatever is logged, at any depth: values of fields that are called like a secret (`token`, `cookie`,
 * `authorization`, …) and secrets in texts (`?token=…`) are hidden; control and format characters of others
 * are escaped, as text or as JSON, so that a line can be looked at; texts are cut at 16,384 characters.
 *
 * @param output by default standard error, written at once, so that no line is lost when the process ends.
 */
export function createLog(
  settings: Pick<Settings, "logLevel" | "logFormat">,
  output: LogOutput = standardError(),
): Logger {
  const isText = settings.logFormat === "text" || (settings.logFormat === "auto" && output.isTTY === true);
  const options = {
    level: settings.logLevel,
    base: null,
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return pino(options, isText ? new TextLines(output) : new JsonLines(output));
}

function standardError(): LogOutput {
  const destination = pino.destination({ dest: 2, sync: true });
  return { isTTY: process.stderr.isTTY, write: (line) => destination.write(line) };
}

/**
 * What may be shown of a line that pino has made. By then an error is its message, stack and fields, a
 * child's own fields are there, and nothing gets past. It costs whole numbers past 2^53 their last digits.
 */
function shownOf(line: string): Record<string, unknown> {
  return maskSecrets(JSON.parse(line), MAX_TEXT_LENGTH) as Record<string, unknown>;
}

/** JSON lines that can be looked at. */
class JsonLines implements DestinationStream {
  readonly #output: LogOutput;

  constructor(output: LogOutput) {
    this.#output = output;
  }

  write(line: string): void {
    this.#output.write(`${printableJson(JSON.stringify(shownOf(line)))}\n`);
  }
}

/** Turns JSON lines into `12:00:00 WARN what happened door=tcp`. */
class TextLines implements DestinationStream {
  readonly #output: LogOutput;
  readonly #colors: ReturnType<typeof createColors>;

  constructor(output: LogOutput) {
    this.#output = output;
    this.#colors = createColors(hasColors(output));
  }

  write(line: string): void {
    const { time, level, msg = "", ...rest } = shownOf(line);
    const { dim, red, yellow } = this.#colors;
    const label = String(level).toUpperCase().padEnd(5);
    const colored =
      level === "error" || level === "fatal" ? red(label) : level === "warn" ? yellow(label) : label;
    const details = Object.entries(rest).map(([key, value]) => dim(`${printable(key)}=`) + detail(value));
    const words = printable(String(msg), MAX_TEXT_LENGTH);
    this.#output.write(`${[dim(String(time).slice(11, 19)), colored, words, ...details].join(" ")}\n`);
  }
}

/** One word as it is. What could be taken for more than one detail stands in quotes. */
function detail(value: unknown): string {
  if (typeof value === "string" && /^[^\s"=]+$/.test(value)) return printable(value, MAX_TEXT_LENGTH);
  return printableJson(JSON.stringify(value) ?? "");
}
