/** Who waits for each signal. */
const waiting = new WeakMap<AbortSignal, AbortListeners>();

/** One listener on a signal for all calls that wait for it: of more than ten Node warns, as of a leak. */
class AbortListeners {
  readonly #signal: AbortSignal;
  readonly #listeners = new Set<() => void>();
  readonly #tell = (): void => {
    waiting.delete(this.#signal);
    for (const listener of this.#listeners) listener();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", this.#tell, { once: true });
  }

  add(listener: () => void): void {
    this.#listeners.add(listener);
  }

  delete(listener: () => void): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
    this.#signal.removeEventListener("abort", this.#tell);
    waiting.delete(this.#signal);
  }
}

/**
 * Calls `listener` when `signal` is aborted; of one that is already nothing more is heard.
 *
 * @returns a function that takes it back.
 */
export function onceAborted(signal: AbortSignal, listener: () => void): () => void {
  let listeners = waiting.get(signal);
  if (listeners === undefined) {
    listeners = new AbortListeners(signal);
    waiting.set(signal, listeners);
  }
  listeners.add(listener);
  const added = listeners;
  return () => added.delete(listener);
}

/**
 * What `waiting` comes to, or a rejection once the signal is aborted. What was waited for goes on, and nobody
 * is told of its failure then.
 */
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
