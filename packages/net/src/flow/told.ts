/**
 * Marks a promise as handled, so that a rejection nobody awaits does not end the process. Whoever awaits it
 * still sees it reject. Use it only where the connection tells the failure too: by `close(error)` of its
 * handler, and by the next call.
 */
export function told<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** A promise that has rejected, see `told`. */
export function rejection(reason: unknown): Promise<never> {
  return told(Promise.reject(reason));
}

function ignore(): void {
  // See `told`.
}

/**
 * Tells the application something by a handler of its. What the handler throws, or its promise rejects with,
 * harms nobody: it becomes a warning of the process, which prints it.
 */
export function tell<T>(handler: ((about: T) => unknown) | undefined, about: T): void {
  try {
    const outcome = handler?.(about);
    if (outcome instanceof Promise) outcome.catch(warn);
  } catch (error) {
    warn(error);
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
