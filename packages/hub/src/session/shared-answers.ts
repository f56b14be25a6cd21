import type { Clock } from "../primitives/clock.ts";

/** How long an answer is given again, in milliseconds: what is past its time meanwhile may still be shown. */
const SHARED_MS = 1_000;
/** Answers kept to be given again. */
const MOST_KEPT = 32;
/** What they take at most, in characters: 8 MiB if they are not Latin. One alone may be a few MiB. */
const MOST_KEPT_LENGTH = 4_194_304;

interface Kept<Answer> {
  readonly state: string;
  readonly madeAt: number;
  readonly answer: Promise<Answer>;
  /** In characters; 0 while it is being made. */
  length: number;
}

/** Answers that many ask for at once, made once for each state of what they show. */
export class SharedAnswers<Answer> {
  readonly #clock: Clock;
  readonly #lengthOf: (answer: Answer) => number;
  /** In the order in which they were begun. */
  readonly #kept = new Map<string, Kept<Answer>>();
  #length = 0;

  constructor(clock: Clock, lengthOf: (answer: Answer) => number) {
    this.#clock = clock;
    this.#lengthOf = lengthOf;
  }

  /** What those take that are kept, in characters. */
  get length(): number {
    return this.#length;
  }

  /**
   * @param question names what is asked for
   * @param state names what is shown as it is now: another makes it anew
   */
  get(question: string, state: string, make: () => Promise<Answer>): Promise<Answer> {
    const now = this.#clock.uptime();
    for (const [each, { madeAt }] of this.#kept) {
      if (now - madeAt < SHARED_MS) break;
      this.#forget(each);
    }
    const known = this.#kept.get(question);
    if (known?.state === state) return known.answer;
    this.#forget(question);
    const answer = make();
    const kept = { state, madeAt: now, answer, length: 0 };
    this.#kept.set(question, kept);
    this.#forgetPast();
    answer.then(
      (made) => this.#made(question, kept, this.#lengthOf(made)),
      () => this.#kept.get(question) === kept && this.#forget(question), // Whoever asked is told.
    );
    return answer;
  }

  #made(question: string, kept: Kept<Answer>, length: number): void {
    if (this.#kept.get(question) !== kept) return;
    kept.length = length;
    this.#length += length;
    this.#forgetPast();
  }

  /** Forgets the oldest past what is kept at most. */
  #forgetPast(): void {
    for (const each of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT && this.#length <= MOST_KEPT_LENGTH) return;
      this.#forget(each);
    }
  }

  #forget(question: string): void {
    this.#length -= this.#kept.get(question)?.length ?? 0;
    this.#kept.delete(question);
  }
}
