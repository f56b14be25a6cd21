import type { Cell } from "../contracts/layout.ts";
import { KEPT_INPUTS } from "../input/sender.ts";
import { difference, intoRange } from "../schema/cells.ts";
import { SlidingWindow } from "../timing/window.ts";

/** What is predicted: mostly a player's own entity, in a world of its own. */
export interface PredictedState {
  /** What its row consists of. */
  readonly cells: readonly Cell[];
  /** Copies the row as it is now. */
  save(into: Int32Array): void;
  /** Makes everything as it is in the server's frame; `row` is the row in it. */
  restore(row: Int32Array): void;
  /** Applies an input, as the server does. The row is lent. */
  apply(input: Int32Array): void;
}

/** How predictions are corrected. */
export interface PredictionOptions {
  /** How long it takes, in milliseconds, until 95 % of a correction is seen; 100 by default. */
  readonly smoothMs?: number;
  /**
   * A correction by more than this, in quanta of a cell that moves, is seen at once. By default a tenth of
   * what the cell can be.
   */
  readonly snapBeyond?: number;
}

/**
 * What a frame said of a prediction.
 * - `old`: a newer one was compared before.
 * - `first`: nothing was predicted before it.
 * - `matched`: it was right, to one quantum of cells that move.
 * - `corrected`: it was not, and what is shown glides to where it should be.
 * - `snapped`: it was wrong by so much that it is shown at once.
 */
export type Reconciliation = "old" | "first" | "matched" | "corrected" | "snapped";

/** Defaults of `PredictionOptions`. */
export const SMOOTH_MS = 100;
const SNAP_SHARE = 0.1;
/** This share of a correction is still to be seen after `smoothMs`. */
const LEFT = 0.05;
/** Of how many comparisons the error is remembered. */
const COMPARED = 256;
/** By how many quanta a cell that moves may be off: two machines round differently. */
const TOLERANCE = 1;

/**
 * A player's own entity, ahead of the server: each input is applied at once. With each frame the server's
 * state is restored, and the inputs are applied again that it had not taken yet; if that leads elsewhere than
 * before, the prediction was wrong. What is shown does not jump: the difference fades in about 100 ms.
 *
 * @example
 * const state = new PredictedWorld(game);
 * const prediction = new Prediction(state, (number) => sender.row(number));
 * prediction.predict(sender.newest); // as soon as an input was made
 */
export class Prediction {
  readonly #state: PredictedState;
  readonly #input: (number: number) => Int32Array | undefined;
  readonly #options: PredictionOptions;
  readonly #errors = new SlidingWindow(COMPARED);
  /** The row before the newest input, and before the last frame. */
  readonly #previous: Int32Array;
  readonly #before: Int32Array;
  readonly #offset: Float64Array;
  #shownAt = Number.NaN;
  #newest = 0;
  #tick = Number.NEGATIVE_INFINITY;
  /** The row after the newest input. */
  readonly row: Int32Array;
  /** How often a prediction was wrong; `snaps` are among them. */
  corrections = 0;
  /** How often it was wrong by so much that it was shown at once. */
  snaps = 0;
  /** By how many quanta cells that move were off in the last comparison. */
  lastError = 0;

  /**
   * @param state What is predicted, mostly a `PredictedWorld`.
   * @param input The input of a tick, if there was one and it is kept, as `InputSender.row` has it.
   */
  constructor(
    state: PredictedState,
    input: (number: number) => Int32Array | undefined,
    options: PredictionOptions = {},
  ) {
    const { length } = state.cells;
    this.#state = state;
    this.#input = input;
    this.#options = options;
    this.row = new Int32Array(length);
    this.#previous = new Int32Array(length);
    this.#before = new Int32Array(length);
    this.#offset = new Float64Array(length);
  }

  /** False until a frame said where it begins. */
  get hasBegun(): boolean {
    return this.#tick !== Number.NEGATIVE_INFINITY;
  }

  /** By how many quanta cells that move were off at most, in the share `q` of the last 256 comparisons. */
  error(q: number): number {
    return this.#errors.quantile(q);
  }

  /** Applies the input of tick `number`, the newest. Before it has begun nothing happens. */
  predict(number: number): void {
    const input = this.#input(number);
    if (!this.hasBegun || input === undefined || number <= this.#newest) return;
    this.#newest = number;
    this.#previous.set(this.row);
    this.#state.apply(input);
    this.#state.save(this.row);
  }

  /**
   * Compares what a frame says with what was predicted.
   *
   * @param tick of the frame.
   * @param taken The newest input that the server had taken by then; 0 for none.
   * @param row The entity's row in the frame.
   */
  reconcile(tick: number, taken: number, row: Int32Array): Reconciliation {
    if (tick <= this.#tick) return "old";
    const isFirst = !this.hasBegun;
    const newest = this.#newest;
    this.#tick = tick;
    this.#before.set(this.row);
    this.#state.restore(row);
    this.row.set(row);
    this.#previous.set(row);
    this.#newest = taken > 0 ? taken : tick;
    for (let number = Math.max(this.#newest, newest - KEPT_INPUTS) + 1; number <= newest; number++) {
      this.predict(number);
    }
    this.#newest = Math.max(this.#newest, newest);
    return isFirst ? "first" : this.#compare();
  }

  /**
   * What is to be shown.
   *
   * @param fraction How far the next tick has come, from 0 to 1: it is shown between the last two.
   * @param into A place for each cell, in quanta with fractions.
   */
  show(nowMs: number, fraction: number, into: Float64Array): void {
    const passedMs = nowMs - this.#shownAt;
    const left = passedMs > 0 ? LEFT ** (passedMs / (this.#options.smoothMs ?? SMOOTH_MS)) : 1;
    this.#shownAt = nowMs;
    for (const [at, cell] of this.#state.cells.entries()) {
      const to = this.row[at] ?? 0;
      const from = this.#previous[at] ?? 0;
      const offset = (this.#offset[at] ?? 0) * left;
      this.#offset[at] = offset;
      into[at] = cell.moves ? intoRange(cell, from + difference(cell, from, to) * fraction + offset) : to;
    }
  }

  /** Forgets what was predicted: from here on it is another entity. */
  reset(): void {
    this.#tick = Number.NEGATIVE_INFINITY;
    this.#newest = 0;
    this.#offset.fill(0);
  }

  /**
   * Compares with what it was before the frame. What is shown stays where it was, and glides from there to
   * where it should be, unless that is too far.
   */
  #compare(): Reconciliation {
    let outcome: Reconciliation = "matched";
    this.lastError = 0;
    for (const [at, cell] of this.#state.cells.entries()) {
      const { min, max, moves } = cell;
      const off = difference(cell, this.row[at] ?? 0, this.#before[at] ?? 0);
      const distance = Math.abs(off);
      if (distance > (moves ? TOLERANCE : 0) && outcome === "matched") outcome = "corrected";
      if (!moves) continue;
      this.lastError = Math.max(this.lastError, distance);
      const offset = (this.#offset[at] ?? 0) + off;
      this.#offset[at] = offset;
      if (Math.abs(offset) > (this.#options.snapBeyond ?? (max - min) * SNAP_SHARE)) outcome = "snapped";
    }
    this.#errors.add(this.lastError);
    if (outcome !== "matched") this.corrections += 1;
    if (outcome !== "snapped") return outcome;
    this.snaps += 1;
    this.#offset.fill(0);
    return outcome;
  }
}
