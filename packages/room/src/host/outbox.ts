import type { Json } from "@zocalo/protocol";

/** How much waits for one who does not take it, or is not there. */
const MOST = 64;
/** And how long it is together, in UTF-16 code units; one that is longer waits alone. */
const MOST_CHARACTERS = 262_144;

/** What is said to one place, in order; what cannot be given to its connection at once waits here. */
export class Outbox {
  /** As JSON: what was said is the game's, and may be another thing later. */
  readonly #waiting: string[] = [];
  #characters = 0;
  #dropped = 0;

  /** What was left out because too much waited. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * @param send gives it to the connection; false: it has no room, or there is none
   * @throws what `JSON.stringify` does, and TypeError for what it leaves out
   */
  say(data: Json, send: (data: Json) => boolean): void {
    if (this.#waiting.length === 0 && send(data)) return;
    const text: string | undefined = JSON.stringify(data);
    if (text === undefined) throw new TypeError(`JSON cannot say a ${typeof data}`);
    this.#waiting.push(text);
    this.#characters += text.length;
    while (this.#waiting.length > MOST || (this.#characters > MOST_CHARACTERS && this.#waiting.length > 1)) {
      this.#shift();
      this.#dropped += 1;
    }
  }

  /** Goes on with what waits. */
  go(send: (data: Json) => boolean): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || !send(JSON.parse(first) as Json)) return;
      this.#shift();
    }
  }

  /** What waits, as JSON: the newest, of at most so many UTF-16 code units together. */
  save(mostCharacters: number): readonly string[] {
    let from = this.#waiting.length;
    let left = mostCharacters;
    while (from > 0 && (left -= this.#waiting[from - 1]?.length ?? 0) >= 0) from--;
    return this.#waiting.slice(from);
  }

  /** Goes on with what another one has saved. */
  restore(waiting: readonly string[]): void {
    this.#waiting.push(...waiting);
    this.#characters += waiting.reduce((sum, { length }) => sum + length, 0);
  }

  #shift(): void {
    this.#characters -= this.#waiting.shift()?.length ?? 0;
  }
}
