import type { Clock } from "../primitives/clock.ts";

/** How long an answer is given again, in milliseconds: what is past its time meanwhile may still be shown. */
const SHARED_MS = 1_000;
/** What one takes beside its length, and from when it is begun. */
const OVERHEAD = 1_000;

interface Kept<Answer> {
  readonly state: string;
  readonly madeAt: number;
  readonly answer: Promise<Answer>;
  /** Only the overhead while it is being made. */
  length: number;
}

/** Answers that many ask for at once, made once for each state of what they show. */
export class SharedAnswers<Answer> {
  readonly #clock: Clock;
  readonly #lengthOf: (answer: Answer) => number;
  readonly #maxLength: number;
  /** In the order in which they were begun. */
  readonly #kept = new Map<string, Kept<Answer>>();
  #length = 0;
  /** What is old will be forgotten, though nobody asks. */
  #isTimed = false;

  /** @param maxLength of all that are kept together */
  constructor(clock: Clock, lengthOf: (answer: Answer) => number, maxLength: number) {
    this.#clock = clock;
    this.#lengthOf = lengthOf;
    this.#maxLength = maxLength;
  }

  /** Of all that are kept. */
  get length(): number {
    return this.#length;
  }

  /** The answer if it is known, or being made. */
  known(question: string, state: string): Promise<Answer> | undefined {
    this.#forgetOld();
    const known = this.#kept.get(question);
    return known?.state === state ? known.answer : undefined;
  }

  /**
   * @param question names what is asked for
   * @param state names what is shown as it is now: another makes it anew
   */
  get(question: string, state: string, make: () => Promise<Answer>): Promise<Answer> {
    const known = this.known(question, state);
    if (known) return known;
    this.#forget(question);
    const answer = make();
    const kept = { state, madeAt: this.#clock.uptime(), answer, length: OVERHEAD };
    this.#kept.set(question, kept);
    this.#length += OVERHEAD;
    this.#forgetPast();
    this.#forgetLater();
    answer.then(
      (made) => this.#made(question, kept, this.#lengthOf(made)),
      () => this.#kept.get(question) === kept && this.#forget(question), // Whoever asked is told.
    );
    return answer;
  }

  #forgetLater(): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#clock.after(SHARED_MS, () => {
      this.#isTimed = false;
      this.#forgetOld();
      if (this.#kept.size > 0) this.#forgetLater();
    });
  }

  #forgetOld(): void {
    const now = this.#clock.uptime();
    for (const [each, { madeAt }] of this.#kept) {
      if (now - madeAt < SHARED_MS) return;
      this.#forget(each);
    }
  }

  #made(question: string, kept: Kept<Answer>, length: number): void {
    if (this.#kept.get(question) !== kept) return;
    kept.length += length;
    this.#length += length;
    this.#forgetPast();
  }

  /** Forgets the oldest past what is kept at most. */
  #forgetPast(): void {
    for (const each of this.#kept.keys()) {
      if (this.#length <= this.#maxLength) return;
      this.#forget(each);
    }
  }

  #forget(question: string): void {
    this.#length -= this.#kept.get(question)?.length ?? 0;
    this.#kept.delete(question);
  }
}
