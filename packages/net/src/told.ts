/**
 * Marks a promise as handled: if it rejects and nobody waits for it, the process goes on. Who waits still sees it reject. For calls whose failure
 * the connection tells all the same: by `close(error)` of its handler, and by each call that follows.
 */
export function told<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** A promise that has rejected, see `told`. */
export function rejection(reason: Error): Promise<never> {
  return told(Promise.reject(reason));
}

function ignore(): void {
  // See `told`.
}
