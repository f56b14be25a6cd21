import { onceAborted } from "../flow/abort-listeners.ts";
import { deadlineToMs } from "../flow/deadline.ts";
import { DeadlineTimer } from "../flow/deadline.ts";
import type { DialOptions } from "../options/dial-options.ts";
import { canceledError, type FailureSite, timeoutError } from "../contracts/failures.ts";

/** What bounds one dial: its deadline and the caller's signal, as one signal whose reason is the `NetError` to throw. */
export interface DialLimits {
  readonly signal: AbortSignal;
  /** Milliseconds from now until the deadline, `Infinity` without one. */
  readonly remainingMs: number;
}

/** Runs `work` within the limits of `options`. */
export async function withinLimits<T>(
  options: DialOptions | undefined,
  site: FailureSite,
  work: (limits: DialLimits) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const timer = new DeadlineTimer(() => controller.abort(timeoutError(site)));
  const { signal, deadline = null } = options ?? {};
  const onAbort = (): void => {
    if (signal) controller.abort(canceledError(site, signal));
  };
  const limits: DialLimits = {
    signal: controller.signal,
    // Not once and for all: a name may take long to resolve.
    get remainingMs() {
      return deadlineToMs(deadline) - Date.now();
    },
  };
  if (signal?.aborted) onAbort();
  const forget = signal && onceAborted(signal, onAbort);
  try {
    timer.holdProcess(true); // The caller waits, maybe for a resolver that keeps nothing else alive.
    timer.set(deadline);
    controller.signal.throwIfAborted();
    return await work(limits);
  } finally {
    timer.set(null);
    forget?.();
  }
}
