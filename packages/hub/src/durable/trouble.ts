/** Whoever runs the server is told of an end, and of a new beginning, only so often, in milliseconds. */
const TOLD_EVERY_MS = 60_000;

/** Whether a store can be written to, and what is told of it. */
export class Trouble {
  readonly #directory: string;
  readonly #tell: (sentence: string) => void;
  #why: string | undefined;
  #isTold = false;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(directory: string, tell: (sentence: string) => void) {
    this.#directory = directory;
    this.#tell = tell;
  }

  /** Why nothing can be published, in a few words. */
  get why(): string | undefined {
    return this.#why;
  }

  /** Something could not be written. */
  begins(why: string, uptime: number): void {
    this.#why = why;
    if (this.#isTold || uptime - this.#toldAt < TOLD_EVERY_MS) return;
    this.#isTold = true;
    this.#toldAt = uptime;
    this.#tell(`${this.#directory} cannot be written to (${why}); nothing is published until it can`);
  }

  /** What there is can be written. */
  ends(): void {
    this.#why = undefined;
    if (this.#isTold) this.#tell(`${this.#directory} can be written to again`);
    this.#isTold = false;
  }
}
