import { startTimer } from "../flow/deadline.ts";

/** Between the start of one attempt and the next, in milliseconds (RFC 8305 §5 recommends 250). */
export const DEFAULT_ATTEMPT_DELAY_MS = 250;

/** One attempt under way. */
export interface Attempt<T> {
  readonly result: Promise<T>;
  cancel(): void;
}

/**
 * Orders addresses as RFC 8305 §4 wants them tried: the versions in turn, beginning with that of the first,
 * so that one that does not work costs one delay and not one per address.
 */
export function interleaved(addresses: readonly string[]): string[] {
  const isFirstKind = (ip: string): boolean => ip.includes(":") === addresses[0]?.includes(":");
  const first = addresses.filter((ip) => isFirstKind(ip));
  const second = addresses.filter((ip) => !isFirstKind(ip));
  const order: string[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    order.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return order;
}

/**
 * Happy Eyeballs (RFC 8305 §5): starts an attempt after the other, the next when one fails or after
 * `delayMs`, and takes the first that succeeds; the rest is cancelled. With a deadline the delay shrinks so
 * that every address gets its share of the time left.
 *
 * @throws The failure of a sole candidate, or an AggregateError of all in the order of `candidates`; the
 *   reason of `signal`, which cancels all.
 */
export function race<C, T>(
  candidates: readonly C[],
  start: (candidate: C) => Attempt<T>,
  options: { readonly delayMs: number; readonly remainingMs: number; readonly signal: AbortSignal },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const endsAt = performance.now() + options.remainingMs;
    const running = new Set<Attempt<T>>();
    const failures: unknown[] = [];
    let next = 0;
    let failed = 0;
    let isOver = false;
    let timer: NodeJS.Timeout | undefined;

    const stop = (): void => {
      isOver = true;
      clearTimeout(timer);
      options.signal.removeEventListener("abort", onAbort);
      for (const attempt of running) attempt.cancel();
    };
    const onAbort = (): void => {
      stop();
      reject(options.signal.reason);
    };
    if (options.signal.aborted) return onAbort();
    options.signal.addEventListener("abort", onAbort);

    const startNext = (): void => {
      clearTimeout(timer);
      const index = next++;
      const candidate = candidates[index];
      if (candidate === undefined) return;
      void follow(start(candidate), index);
      const left = candidates.length - next;
      if (left === 0) return;
      const share = (endsAt - performance.now()) / (left + 1);
      timer = startTimer(startNext, Math.max(0, Math.min(options.delayMs, share)));
    };

    const follow = async (attempt: Attempt<T>, index: number): Promise<void> => {
      running.add(attempt);
      try {
        const result = await attempt.result;
        running.delete(attempt);
        if (isOver) return attempt.cancel();
        stop();
        resolve(result);
      } catch (error) {
        running.delete(attempt);
        failures[index] = error;
        failed++;
        if (isOver) return;
        if (failed < candidates.length) return startNext();
        stop();
        reject(failures.length === 1 ? error : new AggregateError(failures, "no address answered"));
      }
    };
    startNext();
  });
}
