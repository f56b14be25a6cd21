import type { Feed } from "../channel/fan-out.ts";

/** Receivers that are served before others have their turn. */
const RUN = 64;

/** One message, and those who do not have it yet. */
export class Delivery<Receiver> {
  readonly #left: Set<Receiver>;
  readonly #give: (receiver: Receiver) => void;

  /** @param give hands it over to one of them */
  constructor(receivers: Iterable<Receiver>, give: (receiver: Receiver) => void) {
    this.#left = new Set(receivers);
    this.#give = give;
  }

  /** Those who do not have it yet. */
  get left(): number {
    return this.#left.size;
  }

  /** Hands it over to one, unless that has it, or is not meant. */
  serve(receiver: Receiver): void {
    if (this.#left.delete(receiver)) this.#give(receiver);
  }

  /** Hands it over to some. True once all have it. */
  run(): boolean {
    let count = 0;
    for (const receiver of this.#left) {
      if (count++ === RUN) break;
      this.serve(receiver);
    }
    return this.left === 0;
  }
}

/** The messages to one user that some of its many sessions do not have yet: one after the other. */
export class UserFeed<Receiver> implements Feed {
  readonly #deliveries = new Set<Delivery<Receiver>>();
  readonly #finished: () => void;

  /** @param finished called when all have all of it */
  constructor(finished: () => void) {
    this.#finished = finished;
  }

  add(delivery: Delivery<Receiver>): void {
    this.#deliveries.add(delivery);
  }

  /** Hands over to one what it does not have yet: something newer is about to go to it. */
  serve(receiver: Receiver): void {
    for (const delivery of this.#deliveries) delivery.serve(receiver);
  }

  run(): boolean {
    const [first] = this.#deliveries;
    if (first?.run() === true) this.#deliveries.delete(first);
    if (this.#deliveries.size > 0) return false;
    this.#finished();
    return true;
  }
}
