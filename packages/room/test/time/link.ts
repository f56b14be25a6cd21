import type { Random } from "@zocalo/integrity";
import type { VirtualClock } from "./virtual-clock.ts";

/** What a way of packets is like. */
export interface LinkOptions {
  /** The least that a packet takes, in milliseconds. */
  readonly wayMs: number;
  /** What it takes on average beyond that. */
  readonly jitterMs: number;
  /** How many of them are lost, from 0 to 1. */
  readonly loss: number;
  /** How often in a second the way is held up, as Wi-Fi does. */
  readonly burstsPerSecond: number;
  /** For how long at most; then all that waited comes at once. */
  readonly burstMs: number;
}

/** One way of packets: they are lost, overtake each other, or are held up and come at once. */
export class Link {
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #options: LinkOptions;
  #heldUntil = 0;
  #nextBurst = 0;
  /** While it is cut all is lost, or with `isQueued` comes when it is no more. */
  isCut = false;
  isQueued = false;
  readonly #queue: (() => void)[] = [];

  constructor(clock: VirtualClock, random: Random, options: LinkOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#options = options;
    this.#planBurst();
  }

  send(arrive: () => void): void {
    const { loss, wayMs, jitterMs } = this.#options;
    if (this.#random.chance(loss)) return;
    const now = this.#clock.uptime();
    if (now >= this.#nextBurst) {
      this.#heldUntil = now + this.#random.next() * this.#options.burstMs;
      this.#planBurst();
    }
    const takes = wayMs - Math.log(1 - this.#random.next()) * jitterMs;
    this.#clock.after(Math.max(takes, this.#heldUntil - now), () => {
      if (!this.isCut) arrive();
      else if (this.isQueued) this.#queue.push(arrive);
    });
  }

  /** It is whole again, and what waited comes. */
  mend(): void {
    this.isCut = false;
    for (const arrive of this.#queue.splice(0)) arrive();
  }

  #planBurst(): void {
    const { burstsPerSecond } = this.#options;
    const waits = -Math.log(1 - this.#random.next()) / burstsPerSecond;
    this.#nextBurst = this.#clock.uptime() + 1_000 * waits;
  }
}
