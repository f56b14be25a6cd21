import { onceAborted } from "../flow/abort-listeners.ts";
import { deadlineToMs } from "../flow/deadline.ts";
import { DeadlineTimer } from "../flow/deadline.ts";
import type { DialOptions } from "../options/dial-options.ts";
import { canceledError, type FailureSite, timeoutError } from "../contracts/failures.ts";
import { dialChannels, DialTracer, traceOpened } from "../flow/trace.ts";
import { StreamConn } from "../stream/stream-conn.ts";

const channels = dialChannels("net");

/**
 * What bounds one dial: its deadline and the caller's signal, as one signal whose reason is the `NetError` to
 * throw.
 */
export interface DialLimits {
  readonly signal: AbortSignal;
  /** Milliseconds from now until the deadline, `Infinity` without one. */
  readonly remainingMs: number;
  /** Who is told of it; `undefined`: nobody. */
  readonly tracer?: DialTracer | undefined;
}

/** Runs `work`, which is a dial, within the limits of `options`. */
export async function withinLimits<T>(
  options: DialOptions | undefined,
  site: FailureSite,
  work: (limits: DialLimits) => Promise<T>,
): Promise<T> {
  const { network = "" } = site;
  const controller = new AbortController();
  const timer = new DeadlineTimer(() => controller.abort(timeoutError(site)));
  const { signal, deadline = null } = options ?? {};
  const onAbort = (): void => {
    if (signal) controller.abort(canceledError(site, signal));
  };
  const tracer = DialTracer.begin(channels, network, site.remoteAddr ?? "");
  const limits: DialLimits = {
    tracer,
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
    const conn = await work(limits);
    tracer?.end(conn);
    if (conn instanceof StreamConn) traceOpened(conn, network);
    return conn;
  } catch (error) {
    tracer?.failed(error);
    throw error;
  } finally {
    timer.set(null);
    forget?.();
  }
}
