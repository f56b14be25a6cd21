/**
 * Marks a promise as handled, so that a rejection nobody awaits does not end the process. Whoever awaits it still sees it reject. Use it only where the
 * connection tells the failure too: by `close(error)` of its handler, and by the next call.
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
