import { NetError } from "@zocalo/net";
import { WebSocketNetError } from "@zocalo/websocket";
import { EXIT, UserError } from "../exit-code.ts";

/** The exit code of a signal: as a shell gives it to a program that dies of one. */
export const EXIT_BY_SIGNAL = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated } as const;

const USAGE: ReadonlySet<string> = new Set(["invalid_argument", "invalid_address"]);
/** Their message has all that their cause says. */
const SAYS_ALL: ReadonlySet<string> = new Set(["connect_failed", "handshake_failed", "invalid_argument"]);

/**
 * Makes one sentence with an exit code of what the network or the system said.
 *
 * @returns what is no failure of theirs as it is: a defect deserves its stack trace.
 */
export function explained(error: unknown): unknown {
  if (error instanceof UserError) return error;
  const isOurs = error instanceof NetError;
  if (!isOurs && !(error instanceof Error && "code" in error && typeof error.code === "string")) return error;
  const code = String((error as Error & { code: unknown }).code);
  const exitCode = USAGE.has(code) ? EXIT.usage : code === "timeout" ? EXIT.timeout : EXIT.failed;
  return new UserError(sentence(error), exitCode);
}

/** What an error says, with its cause where that says more, on one line. */
export function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const message = error.message || String(Reflect.get(error, "code") ?? error.name);
  const more =
    error instanceof WebSocketNetError &&
    !SAYS_ALL.has(error.code) &&
    cause instanceof Error &&
    !message.includes(reasonOf(cause))
      ? `: ${cause.message}`
      : "";
  return `${message}${more}`.replace(/\s*\n\s*/g, " ");
}

/** What is new in an error's message, if it is one of ours: those around it name its connection, too. */
function reasonOf(cause: Error): string {
  return cause instanceof NetError ? cause.reason.replace(/^TLS: /, "") : cause.message;
}
