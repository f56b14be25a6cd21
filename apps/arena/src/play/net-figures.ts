import type { Carrier } from "@zocalo/room/client";

/** How the network play is doing just now. */
export interface NetFigures {
  readonly roundTripMs: number;
  readonly jitterMs: number;
  /** Of the server's datagrams, 0 to 1. */
  readonly lossShare: number;
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  /** By how much the server moved what was foretold, in units, p95. */
  readonly predictionErrorUnits: number;
  /** How late the server's ticks begin, p99, as it tells. */
  readonly tickLatenessMs: number;
  readonly carrier: Carrier;
  /** Inputs that wait at the server for their tick. */
  readonly inputDepth: number;
}

export const NET_NUMBERS = [
  "roundTripMs",
  "jitterMs",
  "lossShare",
  "bytesInPerSecond",
  "bytesOutPerSecond",
  "predictionErrorUnits",
  "tickLatenessMs",
  "inputDepth",
] as const;
export type NetNumber = (typeof NET_NUMBERS)[number];

/** From one sample to the next, in milliseconds. */
export const SAMPLE_MS = 100;
/** The ring holds the last ten seconds. */
export const SAMPLES = 100;

/**
 * The figures of the last ten seconds. It may be offered some in each frame and keeps one for each tenth of a
 * second; a tenth for which there were none is a gap. Nothing is allocated once it is made.
 */
export class NetRing {
  readonly #values = new Map<NetNumber, Float64Array>();
  /** The tenth of a second of the newest sample. */
  #newest = Number.NEGATIVE_INFINITY;
  #figures: NetFigures | undefined;
  #heard: (() => void) | undefined;

  constructor() {
    for (const name of NET_NUMBERS) this.#values.set(name, new Float64Array(SAMPLES).fill(Number.NaN));
  }

  /** Those of the newest sample. */
  get figures(): NetFigures | undefined {
    return this.#figures;
  }

  /** Told after each sample; the last listener counts. @returns ends it. */
  onSample(heard: () => void): () => void {
    this.#heard = heard;
    return () => {
      if (this.#heard === heard) this.#heard = undefined;
    };
  }

  /**
   * Takes a sample if a tenth of a second has passed.
   *
   * @param now of a clock that does not go back, in milliseconds.
   */
  offer(now: number, figures: NetFigures): void {
    const tenth = Math.floor(now / SAMPLE_MS);
    if (tenth <= this.#newest) return;
    const skipped = Math.min(SAMPLES, tenth - this.#newest - 1);
    for (const [name, values] of this.#values) {
      for (let i = 1; i <= skipped; i++) values[indexOf(tenth - i)] = Number.NaN;
      values[indexOf(tenth)] = figures[name];
    }
    this.#newest = tenth;
    this.#figures = figures;
    this.#heard?.();
  }

  /** @param ago samples, 0 to 99. @returns NaN where there is a gap. */
  at(name: NetNumber, ago: number): number {
    if (this.#figures === undefined || ago < 0 || ago >= SAMPLES) return Number.NaN;
    return this.#values.get(name)?.[indexOf(this.#newest - ago)] ?? Number.NaN;
  }

  /** The largest of the ten seconds, 0 if there is none. */
  most(name: NetNumber): number {
    let most = 0;
    for (const value of this.#values.get(name) ?? []) if (value > most) most = value;
    return most;
  }
}

function indexOf(tenth: number): number {
  return ((tenth % SAMPLES) + SAMPLES) % SAMPLES;
}
