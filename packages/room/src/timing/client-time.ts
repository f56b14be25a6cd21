import { Display, type DisplayOptions } from "./display.ts";
import { InputClock } from "./steering.ts";

/** By how many ticks the quickest ways may contradict each other, as the two clocks drift. */
const DRIFT_TICKS = 1;

/**
 * The times of a client: the server's, that of its own inputs, and that which is shown.
 *
 * @example
 * const time = new ClientTime({ ticksPerSecond: game.ticksPerSecond });
 * const shown = new DisplayFrame(game.layout);
 * // before each picture
 * const count = time.advance(performance.now()); // how many inputs to make now
 * time.display.show(performance.now(), (tick) => reader.frame(tick), shown);
 */
export class ClientTime {
  /** When inputs are to be made. */
  readonly inputs: InputClock;
  /** What is to be shown. */
  readonly display: Display;
  /** The least round trip of late, in ticks. */
  #roundTrip = 0;

  /** @param options of the game, and how others are shown. */
  constructor(options: DisplayOptions) {
    this.inputs = new InputClock(options.ticksPerSecond);
    this.display = new Display(options);
  }

  /**
   * A frame has come.
   *
   * @param came The input of which it says when it came; 0 for none.
   * @param cameAt When that was, in ticks of the server's time.
   */
  frame(tick: number, came: number, cameAt: number, nowMs: number): void {
    const { display, inputs } = this;
    display.came(tick, nowMs);
    if (came > 0) inputs.came(came, cameAt);
    if (!inputs.transit.isKnown) return;
    const roundTrip = display.transit.soonest + inputs.transit.soonest;
    if (roundTrip > -DRIFT_TICKS) {
      this.#roundTrip = Math.max(0, roundTrip);
      return;
    }
    // A clock was set or stood still: what is known of the ways was by another time.
    inputs.transit.clear();
    display.transit.clear();
    display.came(tick, nowMs);
  }

  /** The least round trip of the last 128 frames and inputs, in milliseconds; 0 until an input came. */
  get roundTripMs(): number {
    return this.#roundTrip * this.display.tickMs;
  }

  /**
   * The server's time at `nowMs`, in ticks with fractions. A frame was sent after its tick, and an input came
   * to the server after it was due here: of both the quickest bound the difference between the clocks, and
   * the middle is off by at most half of what the quickest ways differ by. It means nothing before the first
   * frame.
   */
  serverTicks(nowMs: number): number {
    return nowMs / this.display.tickMs - this.display.transit.soonest + this.#roundTrip / 2;
  }

  /**
   * How many inputs are to be made and sent now: those up to `inputs.number`. None before the first frame.
   */
  advance(nowMs: number): number {
    return this.display.transit.isKnown ? this.inputs.advance(nowMs, this.serverTicks(nowMs)) : 0;
  }
}
