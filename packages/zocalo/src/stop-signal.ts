import { EXIT } from "./exit-code.ts";

/** The signals that ask for a stop. */
export type StopSignal = "SIGINT" | "SIGTERM";

/**
 * A signal this soon after the first is the same one: a terminal sends Ctrl-C to the whole foreground group,
 * and npm hands on what it gets to its children, who then get it twice. In milliseconds.
 */
const ECHO_MS = 500;

const EXIT_AT_ONCE = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated } as const;

/** Where signals come from; `process` is one. */
export interface SignalSource {
  on(signal: StopSignal, listener: () => void): unknown;
  off(signal: StopSignal, listener: () => void): unknown;
}

/**
 * Waits for the first SIGINT or SIGTERM. A later one calls `exitAtOnce` with 130 or 143: somebody is out of
 * patience.
 *
 * @param now milliseconds, from a clock that does not jump.
 */
export class StopSignals {
  /** Resolves with the first signal. */
  readonly first: Promise<StopSignal>;
  readonly #source: SignalSource;
  readonly #listeners: readonly (readonly [StopSignal, () => void])[];

  constructor(
    source: SignalSource,
    exitAtOnce: (code: number) => void,
    now: () => number = () => performance.now(),
  ) {
    let stoppedAt: number | undefined;
    let resolve: (signal: StopSignal) => void = () => undefined;
    this.first = new Promise((settle) => {
      resolve = settle;
    });
    const onSignal = (signal: StopSignal) => {
      if (stoppedAt === undefined) {
        stoppedAt = now();
        resolve(signal);
      } else if (now() - stoppedAt >= ECHO_MS) {
        exitAtOnce(EXIT_AT_ONCE[signal]);
      }
    };
    this.#source = source;
    this.#listeners = (["SIGINT", "SIGTERM"] as const).map((signal) => [signal, () => onSignal(signal)]);
    for (const [signal, listener] of this.#listeners) source.on(signal, listener);
  }

  /** Leaves signals to the runtime again. */
  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners) this.#source.off(signal, listener);
  }
}
