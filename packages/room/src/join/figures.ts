import type { Carrier } from "../lanes/lane.ts";

/** How many ticks back losses are counted, and ticks are told of that were passed at once. */
export const WINDOW_TICKS = 64;

/** How a game goes over the network, as a net graph shows it. */
export interface Figures {
  /** There and back, in milliseconds: the least of the last 128 snapshots. 0 while it is not known. */
  readonly roundTripMs: number;
  /** 95 % of the snapshots come at most this much later than the quickest, in milliseconds. */
  readonly jitterMs: number;
  /** Which share of the snapshots of the last 64 ticks did not come, or came after a newer one; 0 to 1. */
  readonly lossShare: number;
  /** Bytes of snapshots that come, without what carries them: of about the last second. */
  readonly bytesInPerSecond: number;
  /** Bytes of inputs that go, in the same way. */
  readonly bytesOutPerSecond: number;
  /** In 95 % of the last 256 snapshots the prediction was off by at most so many quanta. */
  readonly predictionErrorQuanta: number;
  /** How many ticks the newest input is ahead of the server as it comes; below 0 inputs are missing. */
  readonly inputDepth: number;
  /** By what the next input goes. */
  readonly carrier: Carrier;
  /** How often the prediction was wrong; `snaps` are among them. */
  readonly corrections: number;
  /** How often by so much that what is shown jumped. */
  readonly snaps: number;
}

/** In which time, in milliseconds, what flowed counts for a third of what flows. */
const FADE_MS = 1_000;

/** Bytes a second, smoothly. */
export class ByteFlow {
  #bytes = 0;
  #at = 0;

  add(bytes: number, nowMs: number): void {
    this.#bytes = this.perSecond(nowMs) + bytes;
    this.#at = nowMs;
  }

  perSecond(nowMs: number): number {
    return this.#bytes * Math.exp(Math.min(0, this.#at - nowMs) / FADE_MS);
  }
}
