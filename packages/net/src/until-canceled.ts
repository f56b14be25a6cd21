/** What `waiting` comes to, or a rejection once the signal is aborted. What was waited for goes on, and nobody is told of its failure then. */
export function untilCanceled<T>(
  waiting: Promise<T>,
  signal: AbortSignal | undefined,
  canceled: (signal: AbortSignal) => Error,
): Promise<T> {
  if (signal === undefined) return waiting;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(canceled(signal));
    const forget = (): void => signal.removeEventListener("abort", onAbort);
    waiting.then(resolve, reject).finally(forget);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
