import type { InputReport } from "./report.ts";
import { type InputSender, KEPT_INPUTS } from "./sender.ts";

/**
 * What became of an input.
 * - `applied`: the server applied it, once, and after all that were applied before it.
 * - `lost`: it came too late or not at all, and the server does not apply it any more.
 * - `unknown`: the server went past it, and no frame came that said how.
 */
export type InputOutcome = "applied" | "lost" | "unknown";

/** How many inputs a report tells of. */
const TOLD = 32;

/**
 * Learns from reports what became of the inputs of a sender.
 *
 * @example
 * const outcomes = new InputOutcomes(sender);
 * const news = reader.read(bytes);
 * if (news.ok && news.report) outcomes.learn(news.report, (number, outcome) => console.log(number, outcome));
 */
export class InputOutcomes {
  readonly #sender: InputSender;
  #settled = 0;

  /** @param sender whose inputs are asked about. */
  constructor(sender: InputSender) {
    this.#sender = sender;
  }

  /** Learns from a report; each outcome is told once, in the order of the inputs. */
  learn(report: Readonly<InputReport>, tell: (number: number, outcome: InputOutcome) => void): void {
    const { newest } = this.#sender;
    const last = Math.min(report.taken, newest);
    // Of those that are not kept any more nothing is told.
    const first = Math.max(this.#settled, newest - KEPT_INPUTS) + 1;
    this.#settled = Math.max(this.#settled, last);
    for (let number = first; number <= last; number++) {
      if (this.#sender.row(number) === undefined) continue;
      const age = report.taken - number;
      if (age >= TOLD) tell(number, "unknown");
      else tell(number, ((report.applied >>> age) & 1) === 1 ? "applied" : "lost");
    }
  }
}
