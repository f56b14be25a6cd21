import { onceAborted } from "./abort-listeners.ts";

/** What `waiting` comes to, or a rejection once the signal is aborted. What was waited for goes on, and nobody is told of its failure then. */
export function untilCanceled<T>(
  waiting: Promise<T>,
  signal: AbortSignal | undefined,
  canceled: (signal: AbortSignal) => Error,
): Promise<T> {
  if (signal === undefined) return waiting;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(canceled(signal));
    let forget = (): void => undefined;
    if (signal.aborted) onAbort();
    else forget = onceAborted(signal, onAbort);
    waiting.then(resolve, reject).finally(forget);
  });
}
