/** Calls back once when nothing has happened for some time. Without a time it never does. */
export class IdleTimer {
  readonly #timer: NodeJS.Timeout | undefined;

  /** @param timeoutMs milliseconds; `undefined`: never. */
  constructor(timeoutMs: number | undefined, onIdle: () => void) {
    this.#timer = timeoutMs === undefined ? undefined : setTimeout(onIdle, timeoutMs);
  }

  /** Something has happened. */
  touch(): void {
    this.#timer?.refresh();
  }

  /** Never calls back from now on. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
