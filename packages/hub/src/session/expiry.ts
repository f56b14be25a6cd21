import type { Clock, Timer } from "../primitives/clock.ts";

/** What one is told whose token is over. */
export const EXPIRED = "the token has expired";

/** As good as for ever: what is told of it is a number that every form of the protocol has. */
const LONGEST_MS = 2 ** 52;

/** When what a session was begun with is over: a duration from the first moment on. */
export class Expiry {
  readonly #clock: Clock;
  readonly #over: () => void;
  /** By uptime. */
  #endsAt: number | undefined;
  #timer: Timer | undefined;

  /** @param over called when it is over */
  constructor(clock: Clock, over: () => void) {
    this.#clock = clock;
    this.#over = over;
  }

  /** @param expiresAt milliseconds since the Unix epoch; `undefined`: never. What was set before is off. */
  set(expiresAt: number | undefined): void {
    this.end();
    if (expiresAt === undefined) return;
    const leftMs = Math.min(LONGEST_MS, Math.max(0, expiresAt - this.#clock.wall()));
    this.#endsAt = this.#clock.uptime() + leftMs;
    this.#timer = this.#clock.after(leftMs, () => this.#over());
  }

  /** How long it lasts yet, in milliseconds; `undefined`: for ever. */
  get leftMs(): number | undefined {
    if (this.#endsAt === undefined) return undefined;
    return Math.max(0, Math.floor(this.#endsAt - this.#clock.uptime()));
  }

  /** True from the moment on, be it that the timer is late: then it is over now. */
  look(): boolean {
    if (this.#endsAt === undefined || this.#clock.uptime() < this.#endsAt) return false;
    this.#over();
    return true;
  }

  /** It is over with it, for another reason. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#endsAt = undefined;
  }
}
