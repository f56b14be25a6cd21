import pino, { type DestinationStream, type Logger } from "pino";
import { createColors } from "picocolors";
import { hasColors } from "./colors.ts";
import type { Settings } from "./settings.ts";

export type { Logger } from "pino";

/** What must never be read in a log, wherever it stands in a logged object. */
const SECRETS = ["token", "*.token", "cookie", "*.cookie", "authorization", "*.authorization"];

/** Where log lines go. */
export interface LogOutput extends DestinationStream {
  readonly isTTY?: boolean | undefined;
}

/**
 * Makes the logger of a process: JSON lines, or lines for people. Tokens and cookies are left out.
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
    redact: SECRETS,
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return pino(options, isText ? new TextLines(output) : output);
}

function standardError(): LogOutput {
  const destination = pino.destination({ dest: 2, sync: true });
  return { isTTY: process.stderr.isTTY, write: (line) => destination.write(line) };
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
    const { time, level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
    const { dim, red, yellow } = this.#colors;
    const shown = String(level).toUpperCase().padEnd(5);
    const colored =
      level === "error" || level === "fatal" ? red(shown) : level === "warn" ? yellow(shown) : shown;
    const details = Object.entries(rest).map(([key, value]) => dim(`${key}=`) + plain(value));
    this.#output.write(`${[dim(String(time).slice(11, 19)), colored, plain(msg), ...details].join(" ")}\n`);
  }
}

/** Text as it is, but for control characters, which could move the cursor of the terminal it is shown on. */
function plain(value: unknown): string {
  const shown = typeof value === "string" && !/\p{Cc}/u.test(value) ? value : JSON.stringify(value);
  return shown ?? "";
}
