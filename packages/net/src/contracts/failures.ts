import { inspect } from "node:util";
import { NetError, type NetErrorParts } from "./error.ts";

/** Where a failure happened: all of a `NetError` but what went wrong. */
export type FailureSite = Omit<NetErrorParts, "code" | "reason" | "cause">;

/** What can name itself in an error. */
export interface Sited {
  failureSite(op: FailureSite["op"]): FailureSite;
}

/** The call's signal was aborted; `cause` is the signal's reason. */
export function canceledError(site: FailureSite, signal: AbortSignal): NetError {
  return new NetError({ ...site, code: "canceled", reason: "operation canceled", cause: signal.reason });
}

/** A deadline passed. */
export function timeoutError(site: FailureSite): NetError {
  return new NetError({ ...site, code: "timeout", reason: "i/o timeout" });
}

/** This side has closed the connection, or does while the call waits. */
export function closedError(site: FailureSite): NetError {
  return new NetError({ ...site, code: "closed", reason: "use of closed connection" });
}

/** An option or argument is outside what is allowed; `reason` shows it and what is. */
export function argumentError(op: NetErrorParts["op"], reason: string): NetError {
  return new NetError({ op, code: "invalid_argument", reason });
}

/** What was thrown, or what a stream was aborted or cancelled with, as an `Error`. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(wordsOf(thrown), { cause: thrown });
}

/**
 * The same in words; there are always some. `String`, and here and there `inspect`, throw for what has no
 * text or will not give one.
 */
export function wordsOf(thrown: unknown): string {
  let words = "";
  try {
    words = typeof thrown === "string" ? thrown : inspect(thrown, { depth: 0, customInspect: false });
  } catch {
    // Whoever is told the error has it as its `cause`.
  }
  return thrown === undefined || words === "" ? "no reason was given" : words;
}
