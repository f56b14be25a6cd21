import type { Clock } from "../primitives/clock.ts";

/** How long an answer is given again, in milliseconds: what is past its time meanwhile may still be shown. */
const SHARED_MS = 1_000;
/** Answers kept to be given again: each as large as a history page may be. */
const MOST_KEPT = 32;

/** Answers that many ask for at once, made once for each state of what they show. */
export class SharedAnswers<Answer> {
  readonly #clock: Clock;
  readonly #kept = new Map<string, { state: string; madeAt: number; answer: Promise<Answer> }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param question names what is asked for
   * @param state names what is shown as it is now: another makes it anew
   */
  get(question: string, state: string, make: () => Promise<Answer>): Promise<Answer> {
    const now = this.#clock.uptime();
    const known = this.#kept.get(question);
    if (known?.state === state && now - known.madeAt < SHARED_MS) return known.answer;
    const answer = make();
    this.#kept.delete(question);
    this.#kept.set(question, { state, madeAt: now, answer });
    const [oldest] = this.#kept;
    if (oldest && this.#kept.size > MOST_KEPT) this.#kept.delete(oldest[0]);
    answer.catch(() => {
      // Whoever asked is told.
      if (this.#kept.get(question)?.answer === answer) this.#kept.delete(question);
    });
    return answer;
  }
}
