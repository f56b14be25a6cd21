import { StopSignals, type StopSignal } from "../stop-signal.ts";
import { EXIT, type UserError } from "../exit-code.ts";
import { EXIT_BY_SIGNAL } from "./exit.ts";

/** How long connections may take to close once a signal has come, in milliseconds. */
export const STOP_MS = 2000;

/** Why a command is over before its work is: a signal, or nobody reads what it writes. */
export interface Interruption {
  readonly exitCode: number;
  readonly signal?: StopSignal;
  readonly failure?: UserError | undefined;
}

/**
 * Runs `work`; when a signal comes first, or `broken` resolves, `stop` gets the chance to close in order.
 *
 * @returns the exit code.
 * @throws what `work` throws, or the failure of the interruption.
 */
export async function untilInterrupted(
  work: Promise<number>,
  broken: Promise<Interruption>,
  stop: (interruption: Interruption) => Promise<void>,
): Promise<number> {
  using signals = new StopSignals(process, (code) => process.exit(code));
  const signaled = signals.first.then(
    (signal): Interruption => ({ signal, exitCode: EXIT_BY_SIGNAL[signal] }),
  );
  const first = await Promise.race([work, broken, signaled]);
  if (typeof first === "number") return first;
  work.catch(() => undefined); // What is closed in the middle of its work complains of it.
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STOP_MS);
  });
  await Promise.race([stop(first).catch(() => undefined), late]);
  clearTimeout(timer);
  if (first.failure !== undefined) throw first.failure;
  return first.exitCode;
}

/** The reader of standard output has left: that is no failure. */
export function outputGone(failure: UserError | undefined): Interruption {
  return { exitCode: failure?.exitCode ?? EXIT.ok, failure };
}
