import type { Rows } from "../contracts/rows.ts";
import { type DisplayFrame, interpolate } from "./interpolation.ts";
import { TransitTimes } from "./jitter.ts";
import { SteeredClock } from "./steering.ts";

/** How others are shown. */
export interface DisplayOptions {
  /** The length of a tick, as ticks in a second: that of the game. */
  readonly ticksPerSecond: number;
  /**
   * How long, in milliseconds, what moves goes on when no newer frame is there; 100 by default. Then it
   * stands.
   */
  readonly maxExtrapolationMs?: number;
  /**
   * When nothing was shown for longer than this, in milliseconds, the page was away; 1,000 by default. So it
   * was if what is shown leaps ahead by more.
   */
  readonly awayMs?: number;
}

/**
 * What is shown now.
 * - `waiting`: no frame has come yet, or none that is still kept.
 * - `returned`: the page was away, and this is the first moment that it shows again; or what is shown has
 *   leapt ahead by more than `awayMs`, as when the frames come only after that, or the clock slept as well.
 *   Of what happened meanwhile, play no sounds, and clear what fades out.
 * - `holding`: nothing newer came for longer than `maxExtrapolationMs`.
 */
export type DisplayState = "waiting" | "showing" | "returned" | "holding";

/** The frames that are there, by tick; the last so many of them. */
export type FrameAt = (tick: number) => Rows | undefined;

/** By what share the rate of the displayed time differs from 1 at most. */
export const DISPLAY_RATE = 0.05;
/** How far the displayed time may be behind where it should be before it jumps there, in milliseconds. */
const DISPLAY_JUMP_MS = 500;
/** How far ahead of it before it stands still, in milliseconds. */
const DISPLAY_STAND_MS = 200;
/** How far back a frame is looked for, in ticks. */
const FRAMES = 64;
/** Defaults of `DisplayOptions`. */
export const MAX_EXTRAPOLATION_MS = 100;
export const AWAY_MS = 1_000;

/**
 * Shows frames that come when the network brings them as if they had come evenly: the displayed time is
 * behind what comes by the jitter of 95 % of the frames and one tick, so that mostly a newer frame is there
 * to go towards. It is drawn there by at most 5 % of its rate, and never goes back.
 */
export class Display extends SteeredClock {
  /** How long frames are on their way, by the clock here and the server's. @internal */
  readonly transit: TransitTimes;
  readonly #maxExtrapolation: number;
  readonly #awayMs: number;
  /** Tick of the newest frame that came; minus infinity before the first. */
  newest = Number.NEGATIVE_INFINITY;
  #shownAt = Number.POSITIVE_INFINITY;
  #first = Number.NEGATIVE_INFINITY;

  /** Made by `ClientTime`. */
  constructor(options: DisplayOptions) {
    const { ticksPerSecond, maxExtrapolationMs = MAX_EXTRAPOLATION_MS, awayMs = AWAY_MS } = options;
    super({ ticksPerSecond, maxRate: DISPLAY_RATE, jumpMs: DISPLAY_JUMP_MS, standMs: DISPLAY_STAND_MS });
    this.transit = new TransitTimes(ticksPerSecond);
    this.#maxExtrapolation = maxExtrapolationMs / this.tickMs;
    this.#awayMs = awayMs;
  }

  /** The displayed time in ticks, with fractions; minus infinity before something was shown. */
  get time(): number {
    return Math.max(this.position, this.#first);
  }

  /** 95 % of the frames are at most this many ticks later than the quickest. */
  get jitter(): number {
    return this.transit.jitter;
  }

  /** How far what is shown lies behind the quickest frames, in ticks: the jitter and one tick. */
  get delay(): number {
    return this.jitter + 1;
  }

  /** The frame of `tick` has come, be it late or a second time. */
  came(tick: number, nowMs: number): void {
    this.transit.arrived(nowMs / this.tickMs - tick);
    this.newest = Math.max(this.newest, tick);
  }

  /** Fills `into` with what is to be shown at `nowMs`. It is left as it is while there is nothing to show. */
  show(nowMs: number, frameAt: FrameAt, into: DisplayFrame): DisplayState {
    let toTick = this.newest;
    let to = frameAt(toTick);
    if (to === undefined) return "waiting";
    const most = toTick + this.#maxExtrapolation;
    const target = Math.min(nowMs / this.tickMs - this.transit.reckoned, most);
    const wasAway = nowMs - this.#shownAt > this.#awayMs;
    const before = this.time;
    if (wasAway) this.jump(nowMs, target);
    else this.steer(nowMs, target, most);
    this.#shownAt = nowMs;

    // The first frame after this time, or the newest; and the one before it.
    const { time } = this;
    let from: Rows | undefined;
    let fromTick = toTick;
    while (from === undefined && fromTick > this.newest - FRAMES) {
      fromTick -= 1;
      const frame = frameAt(fromTick);
      if (fromTick <= time) from = frame;
      else if (frame !== undefined) {
        to = frame;
        toTick = fromTick;
      }
    }
    // Without one before it there is no way that it went: it is shown until its time has come, and nothing
    // before it will be.
    if (from === undefined) this.#first = toTick;
    interpolate(from ?? to, to, from === undefined ? 1 : (time - fromTick) / (toTick - fromTick), into);
    const leapMs = (time - before) * this.tickMs;
    if (wasAway || (leapMs > this.#awayMs && before !== Number.NEGATIVE_INFINITY)) return "returned";
    return time >= most ? "holding" : "showing";
  }
}
