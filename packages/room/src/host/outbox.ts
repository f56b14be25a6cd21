import type { Json } from "@zocalo/protocol";

/** How much waits for one who does not take it, or is not there. */
const MOST = 64;

/** What is said to one place, in order; what cannot be given to its connection at once waits here. */
export class Outbox {
  readonly #waiting: Json[] = [];
  #dropped = 0;

  /** What was left out because too much waited. */
  get dropped(): number {
    return this.#dropped;
  }

  /** @param send gives it to the connection; false: it has no room, or there is none */
  say(data: Json, send: (data: Json) => boolean): void {
    if (this.#waiting.length === 0 && send(data)) return;
    this.#waiting.push(data);
    if (this.#waiting.length <= MOST) return;
    this.#waiting.shift();
    this.#dropped += 1;
  }

  /** Goes on with what waits. */
  go(send: (data: Json) => boolean): void {
    while (this.#waiting.length > 0) {
      if (!send(this.#waiting[0] as Json)) return;
      this.#waiting.shift();
    }
  }
}
