import { Allowed } from "./allowed.ts";
import type { Clock } from "../primitives/clock.ts";

/** How long a turn of the event loop hands over publications, in milliseconds. */
const LONGEST_RUN_MS = 5;
/** Of what is kept for those who do not have it yet, most bytes, in all channels. */
const MAX_BYTES = 67_108_864;
/** The same of casts, which are dropped past it. */
const MAX_CAST_BYTES = 16_777_216;

/** A channel in which something is new. */
export interface Feed {
  /** Hands over some of it. True once all have all of it. */
  run(): boolean;
}

/**
 * Hands over what is new in the channels: at once, but after a few milliseconds in later turns, in which each
 * channel has its own. So no crowd keeps others waiting for as long as it takes to tell all of it.
 */
export class FanOut {
  readonly #clock: Clock;
  /** The uptime at which this turn's work is over; unset before the first. */
  #endsAt: number | undefined;
  readonly #waiting = new Set<Feed>();
  #isRunning = false;
  /** Kept for those who do not have it yet. The feeds count it. */
  keptBytes = 0;
  /** Where casts count that wait for those who do not have them yet. */
  readonly casts = new Allowed(MAX_CAST_BYTES);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Nothing more may be kept. */
  get isFull(): boolean {
    return this.keptBytes > MAX_BYTES;
  }

  /** Something is new in this one. */
  begin(feed: Feed): void {
    const endsAt = this.#endsAt ?? this.#begin();
    this.#waiting.add(feed);
    // Those who wait have their turn, and their order.
    if (this.#waiting.size === 1 && !this.#isRunning) this.#run(endsAt);
  }

  #begin(): number {
    const endsAt = this.#clock.uptime() + LONGEST_RUN_MS;
    this.#endsAt = endsAt;
    this.#clock.after(0, () => {
      this.#endsAt = undefined;
      if (this.#waiting.size > 0) this.#run(this.#begin());
    });
    return endsAt;
  }

  #run(endsAt: number): void {
    this.#isRunning = true;
    try {
      for (const feed of this.#waiting) {
        if (this.#clock.uptime() >= endsAt) return;
        this.#waiting.delete(feed);
        if (!feed.run()) this.#waiting.add(feed); // Behind the others.
      }
    } finally {
      this.#isRunning = false;
    }
  }
}
