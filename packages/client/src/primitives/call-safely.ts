/**
 * Runs a function of the application. What it throws becomes an uncaught error, as from any event listener,
 * and does not disturb the session.
 */
export function callSafely(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (typeof globalThis.reportError === "function") globalThis.reportError(error);
    else {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
