import type { Cell } from "../contracts/layout.ts";
import { RowRing } from "../input/row-ring.ts";
import { KEPT_INPUTS } from "../input/sender.ts";
import { difference, intoRange } from "../timing/interpolation.ts";
import { SlidingWindow } from "../timing/window.ts";

/** What is predicted: mostly a player's own entity, in a world of its own. */
export interface PredictedState {
  /** What its row consists of. */
  readonly cells: readonly Cell[];
  /**
   * Whether `apply` changes more than the row, or reads what the server may change. Then inputs are run again
   * after each frame, and not only after one that the prediction does not match.
   */
  readonly reachesFurther: boolean;
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
 * - `first`: nothing was predicted of this input; it begins here, or the input was not sent.
 * - `matched`: it was right, to one quantum of cells that move.
 * - `corrected`: it was not; the inputs since were run again, and what is shown glides there.
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
 * A player's own entity, ahead of the server: each input is applied at once. When a frame says what came of
 * it, what was predicted for that input is compared; if it differs, the server's state is restored, and the
 * inputs since are applied again. What is shown does not jump: the difference fades in about 100 ms.
 */
export class Prediction {
  readonly #state: PredictedState;
  readonly #input: (number: number) => Int32Array | undefined;
  readonly #smoothMs: number;
  readonly #snapBeyond: readonly number[];
  readonly #states: RowRing;
  readonly #errors = new SlidingWindow(COMPARED);
  /** The row after the newest input, the one before it, and one for what is at hand. */
  readonly #current: Int32Array;
  readonly #previous: Int32Array;
  readonly #at: Int32Array;
  readonly #offset: Float64Array;
  #offsetAt = Number.NaN;
  #newest = 0;
  /** The input after which it was last restored. */
  #base = Number.POSITIVE_INFINITY;
  #tick = Number.NEGATIVE_INFINITY;
  #lastError = 0;
  #corrections = 0;
  #snaps = 0;

  /**
   * @param input The input of a tick, if there was one and it is kept, as `InputSender.row` has it.
   */
  constructor(
    state: PredictedState,
    input: (number: number) => Int32Array | undefined,
    options: PredictionOptions = {},
  ) {
    const { cells } = state;
    this.#state = state;
    this.#input = input;
    this.#smoothMs = options.smoothMs ?? SMOOTH_MS;
    this.#snapBeyond = cells.map(({ min, max }) => options.snapBeyond ?? (max - min) * SNAP_SHARE);
    this.#states = new RowRing(KEPT_INPUTS, cells.length);
    this.#current = new Int32Array(cells.length);
    this.#previous = new Int32Array(cells.length);
    this.#at = new Int32Array(cells.length);
    this.#offset = new Float64Array(cells.length);
  }

  /** False until a frame said where it begins. */
  get hasBegun(): boolean {
    return this.#tick !== Number.NEGATIVE_INFINITY;
  }

  /** How often a prediction was wrong; `snaps` are among them. */
  get corrections(): number {
    return this.#corrections;
  }

  get snaps(): number {
    return this.#snaps;
  }

  /** By how many quanta cells that move were off in the last comparison. */
  get lastError(): number {
    return this.#lastError;
  }

  /** By how many quanta cells that move were off at most, in the share `q` of the last 256 comparisons. */
  error(q: number): number {
    return this.#errors.quantile(q);
  }

  /** The row after the newest input, lent until the next call of any method. */
  get row(): Int32Array {
    return this.#current;
  }

  /** Applies the input of tick `number`, the newest. Before it has begun nothing happens. */
  predict(number: number): void {
    const input = this.#input(number);
    if (!this.hasBegun || input === undefined || number <= this.#newest) return;
    this.#run(number, input);
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
    const wasAt = this.hasBegun;
    this.#tick = tick;
    const after = taken > 0 ? taken : tick;
    // What was predicted before it was last restored led to nothing that is there now.
    const predicted = after >= this.#base ? this.#states.get(after) : undefined;
    const isMatch = predicted !== undefined && this.#compare(predicted, row);
    if (isMatch && !this.#state.reachesFurther) return "matched";

    this.#at.set(this.#current);
    this.#rerun(after, row);
    if (!wasAt) return "first";
    const hasSnapped = this.#glide();
    if (predicted === undefined) return "first";
    if (isMatch) return "matched";
    this.#corrections += 1;
    if (hasSnapped) this.#snaps += 1;
    return hasSnapped ? "snapped" : "corrected";
  }

  /**
   * What is to be shown.
   *
   * @param fraction How far the next tick has come, from 0 to 1: it is shown between the last two.
   * @param into A place for each cell, in quanta with fractions.
   */
  show(nowMs: number, fraction: number, into: Float64Array): void {
    const passedMs = Math.max(0, nowMs - this.#offsetAt);
    const left = passedMs > 0 ? LEFT ** (passedMs / this.#smoothMs) : 1;
    this.#offsetAt = nowMs;
    for (const [at, cell] of this.#state.cells.entries()) {
      const current = this.#current[at] ?? 0;
      if (!cell.moves) {
        into[at] = current;
        continue;
      }
      const offset = (this.#offset[at] ?? 0) * left;
      this.#offset[at] = Math.abs(offset) < 0.01 ? 0 : offset;
      const previous = this.#previous[at] ?? 0;
      into[at] = intoRange(cell, previous + difference(cell, previous, current) * fraction + offset);
    }
  }

  /** Forgets what was predicted: from here on it is another entity. */
  reset(): void {
    this.#tick = Number.NEGATIVE_INFINITY;
    this.#newest = 0;
    this.#base = Number.POSITIVE_INFINITY;
    this.#offset.fill(0);
    this.#states.clear();
  }

  /** Whether a row is what was predicted, to the tolerance. */
  #compare(predicted: Int32Array, row: Int32Array): boolean {
    let isMatch = true;
    let error = 0;
    for (const [at, cell] of this.#state.cells.entries()) {
      const off = Math.abs(difference(cell, predicted[at] ?? 0, row[at] ?? 0));
      if (cell.moves) error = Math.max(error, off);
      if (off > (cell.moves ? TOLERANCE : 0)) isMatch = false;
    }
    this.#errors.add(error);
    this.#lastError = error;
    return isMatch;
  }

  /** Makes it the server's state after input `after`, and applies those since. */
  #rerun(after: number, row: Int32Array): void {
    const newest = this.#newest;
    this.#base = after;
    this.#state.restore(row);
    this.#states.set(after, row);
    this.#current.set(row);
    this.#previous.set(row);
    this.#newest = after;
    for (let number = Math.max(after + 1, newest - KEPT_INPUTS); number <= newest; number++) {
      const input = this.#input(number);
      if (input !== undefined) this.#run(number, input);
    }
    this.#newest = Math.max(newest, after);
  }

  #run(number: number, input: Int32Array): void {
    this.#state.apply(input);
    this.#previous.set(this.#current);
    this.#state.save(this.#current);
    this.#states.set(number, this.#current);
    this.#newest = number;
  }

  /**
   * Lets what is shown stay where it was and glide from there to where it should be. True if that is too far.
   */
  #glide(): boolean {
    let isTooFar = false;
    for (const [at, cell] of this.#state.cells.entries()) {
      if (!cell.moves) continue;
      const offset = (this.#offset[at] ?? 0) - difference(cell, this.#at[at] ?? 0, this.#current[at] ?? 0);
      this.#offset[at] = offset;
      if (Math.abs(offset) > (this.#snapBeyond[at] ?? 0)) isTooFar = true;
    }
    if (isTooFar) this.#offset.fill(0);
    return isTooFar;
  }
}
