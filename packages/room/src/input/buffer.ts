import { BitReader } from "../bits/reader.ts";
import type { Acknowledgement } from "../contracts/acknowledgement.ts";
import type { Cell } from "../contracts/layout.ts";
import { INPUTS_PER_PACKET, InputPacket, readPacket } from "./packet.ts";
import type { InputReport } from "./report.ts";
import { RowRing } from "./row-ring.ts";

/** How the server takes one seat's inputs. */
export interface InputBufferOptions {
  /** Inputs of ticks further ahead than this are refused; 32 by default, from 1 to 256. */
  readonly maxAhead?: number;
  /**
   * How many ticks after its own an input may still be applied, if no other was repeated in its place; 10 by
   * default, from 0 to 200. It bounds what a client gains by holding back what it sends: this many ticks of
   * standing still, and then as many of moving faster.
   */
  readonly maxLate?: number;
  /**
   * How many inputs are applied in one tick at most, to catch up; 2 by default, from 1 to 256. With 1 a
   * player who was late once stays late.
   */
  readonly maxPerTick?: number;
  /**
   * How many missing inputs in a row are replaced by the last one that came; 3 by default, from 0 to 256.
   * After that nothing is applied.
   */
  readonly maxRepeats?: number;
}

/**
 * Applies an input.
 *
 * @param row Its cells, lent until this returns.
 * @param number The tick that it is for, which is not after the tick that is run.
 * @param displayed Which moment of the world its player saw when it was made, in ticks; `NaN` if that is not
 * known. The client says so: clamp it.
 * @param isRepeated It takes the place of one that did not come.
 */
export type ApplyInput = (row: Int32Array, number: number, displayed: number, isRepeated: boolean) => void;

/** How many packets of one seat were of which sort, and what became of its inputs. */
export interface InputCounts {
  /** Packets that could not be read, or that acknowledged a frame of the future. They changed nothing. */
  malformed: number;
  /** Packets whose newest input was too far ahead: it was not taken. */
  early: number;
  /** Inputs that came after their turn, and were not applied. */
  late: number;
  /** Inputs that were applied. */
  applied: number;
  /** Ticks in which the last input was applied again, as the next did not come. */
  repeated: number;
  /** Ticks for which no input was applied, not even the last one again. */
  missing: number;
}

/** What an `InputBuffer` knows, between two ticks; as JSON can say it. */
export type SavedInputs = {
  /** As `InputReport` has them. */
  readonly taken: number;
  readonly applied: number;
  /** How often in a row the last one was repeated. */
  readonly repeats: number;
  /** Cells of the last one that was applied; null for none. */
  readonly last: readonly number[] | null;
  /** Null, here and below: nothing was shown, which JSON cannot say as `NaN`. */
  readonly displayed: number | null;
  /** Those that came and were not applied yet, ascending. */
  readonly waiting: readonly {
    readonly number: number;
    readonly displayed: number | null;
    readonly row: readonly number[];
  }[];
};

const DEFAULTS = { maxAhead: 32, maxLate: 10, maxPerTick: 2, maxRepeats: 3 };
/** How many inputs are remembered beyond those that may still be taken, so that a late one counts once. */
const REMEMBERED = 64;

/**
 * The server's half of one seat's inputs. It takes bytes from anybody: what is wrong is counted and changes
 * nothing, and its memory is that of `maxAhead + maxLate + 64` inputs. Each input is applied at most once,
 * they are applied in order, and over any time at most one for each tick and `maxLate` more.
 *
 * @example
 * const buffer = new InputBuffer(game.input.cells);
 * lane.onMessage((packet) => buffer.receive(packet, ticker.position()));
 * buffer.take(1, (row) => game.apply?.(player, game.input.fromCells(row, 0), world)); // each tick
 */
export class InputBuffer {
  /** Since it was made. */
  readonly counts: InputCounts = { malformed: 0, early: 0, late: 0, applied: 0, repeated: 0, missing: 0 };
  readonly #frames = { tick: -1, bits: 0 };
  readonly #maxAhead: number;
  readonly #maxLate: number;
  readonly #maxPerTick: number;
  readonly #maxRepeats: number;
  readonly #packet: InputPacket;
  readonly #ring: RowRing;
  readonly #displayed: Float64Array;
  readonly #last: Int32Array;
  #lastDisplayed = Number.NaN;
  #hasLast = false;
  #newest = 0;
  #hasBegun = false;
  #taken = 0;
  #applied = 0;
  #repeats = 0;
  #came = 0;
  #cameAt = 0;

  /**
   * @param cells What an input consists of: `game.input.cells`.
   * @throws RangeError for an option outside of what is allowed.
   */
  constructor(cells: readonly Cell[], options: InputBufferOptions = {}) {
    this.#maxAhead = whole("maxAhead", options.maxAhead ?? DEFAULTS.maxAhead, 1, 256);
    this.#maxLate = whole("maxLate", options.maxLate ?? DEFAULTS.maxLate, 0, 200);
    this.#maxPerTick = whole("maxPerTick", options.maxPerTick ?? DEFAULTS.maxPerTick, 1, 256);
    this.#maxRepeats = whole("maxRepeats", options.maxRepeats ?? DEFAULTS.maxRepeats, 0, 256);
    const size = this.#maxAhead + this.#maxLate + REMEMBERED;
    this.#packet = new InputPacket(cells);
    this.#ring = new RowRing(size, cells.length);
    this.#displayed = new Float64Array(size);
    this.#last = new Int32Array(cells.length);
  }

  /** The newest input that was taken, or for which the last one was repeated; 0 before the first. */
  get taken(): number {
    return this.#taken;
  }

  /** Which frames came, as the last good packet says. The next one changes this object. */
  get frames(): Acknowledgement {
    return this.#frames;
  }

  /**
   * Takes a packet, whose bytes are not kept.
   *
   * @param bytes What `InputSender.write` wrote.
   * @param now The server's time in ticks, with fractions.
   * @returns False if it was malformed.
   */
  receive(bytes: Uint8Array, now: number): boolean {
    const packet = this.#packet;
    const isGood = readPacket(packet, new BitReader(bytes)) && packet.newest < now + 1;
    if (!isGood) {
      this.counts.malformed += 1;
      return false;
    }
    this.#frames.tick = packet.newest;
    this.#frames.bits = packet.before;
    if (packet.number > now + this.#maxAhead) {
      this.counts.early += 1;
      this.#note(packet.number, now);
      return true;
    }
    // From the oldest on, as the first that ever comes decides where it begins.
    for (let back = INPUTS_PER_PACKET - 1; back >= 0; back--) {
      const row = packet.rows[back];
      if (packet.isHere[back] === true && row !== undefined) this.#hold(packet, back, row, now);
    }
    return true;
  }

  /**
   * Applies what is due at `tick`: the input of that tick, and late ones before it, as far as `maxPerTick`
   * goes; or the last one again.
   *
   * @returns How often it applied one.
   */
  take(tick: number, apply: ApplyInput): number {
    if (!this.#hasBegun) return 0;
    this.#pass(tick - this.#maxLate - 1);
    let count = 0;
    for (let number = this.#taken + 1; number <= tick && count < this.#maxPerTick; number++) {
      const row = this.#ring.get(number);
      if (row === undefined) continue;
      this.#pass(number - 1);
      this.#step(1);
      this.#last.set(row);
      this.#hasLast = true;
      this.#lastDisplayed = this.#displayed[number % this.#displayed.length] ?? Number.NaN;
      this.counts.applied += 1;
      count += 1;
      apply(this.#last, number, this.#lastDisplayed, false);
    }
    if (count > 0) {
      this.#repeats = 0;
    } else if (this.#hasLast && this.#repeats < this.#maxRepeats && this.#taken < tick) {
      this.#repeats += 1;
      this.#step(0);
      this.counts.repeated += 1;
      count = 1;
      // Time passes on the screen of a player who sends nothing, too.
      apply(this.#last, this.#taken, this.#lastDisplayed + this.#repeats, true);
    }
    return count;
  }

  /** Says how the inputs stand after `take(tick)`. What came since the last report is told once. */
  report(tick: number, into: InputReport): void {
    // Before the turn of the first none was.
    into.taken = this.#taken <= tick ? this.#taken : 0;
    into.applied = this.#applied;
    into.depth = this.#newest === 0 ? 0 : this.#newest - tick;
    into.came = this.#came;
    into.cameAt = this.#cameAt;
    this.#came = 0;
  }

  /** What `restore` goes on from: what came and was not applied yet is in it. JSON. */
  save(): SavedInputs {
    const waiting: SavedInputs["waiting"][number][] = [];
    for (let number = this.#taken + 1; number <= this.#newest; number++) {
      const row = this.#ring.get(number);
      if (row === undefined) continue;
      waiting.push({
        number,
        displayed: numberOrNull(this.#displayed[number % this.#displayed.length] ?? Number.NaN),
        row: [...row],
      });
    }
    return {
      taken: this.#taken,
      applied: this.#applied,
      repeats: this.#repeats,
      last: this.#hasLast ? [...this.#last] : null,
      displayed: numberOrNull(this.#lastDisplayed),
      waiting,
    };
  }

  /** Goes on where another one was, before anything has come. */
  restore(saved: SavedInputs): void {
    this.#taken = saved.taken;
    this.#applied = saved.applied;
    this.#repeats = saved.repeats;
    this.#hasLast = saved.last !== null;
    if (saved.last !== null) this.#last.set(saved.last);
    this.#lastDisplayed = saved.displayed ?? Number.NaN;
    for (const { number, displayed, row } of saved.waiting) {
      this.#ring.set(number, Int32Array.from(row));
      this.#displayed[number % this.#displayed.length] = displayed ?? Number.NaN;
      this.#newest = number;
    }
    this.#hasBegun = saved.taken > 0 || saved.waiting.length > 0;
  }

  #hold(packet: InputPacket, back: number, row: Int32Array, now: number): void {
    const number = packet.number - back;
    if (number <= 0 || this.#ring.has(number)) return;
    const isForgotten = number < now - this.#maxLate - REMEMBERED / 2;
    if (!this.#hasBegun && !isForgotten) {
      this.#hasBegun = true;
      this.#taken = Math.max(number - 1, Math.floor(now) - this.#maxLate - 1);
    }
    this.#note(number, now);
    if (number <= this.#taken || isForgotten) this.counts.late += 1;
    if (isForgotten) return;
    this.#ring.set(number, row);
    this.#displayed[number % this.#displayed.length] = Math.min(packet.displayed, now) - back;
    if (number > this.#newest) this.#newest = number;
  }

  /** Keeps of what came since the last report what came latest for its tick. */
  #note(number: number, now: number): void {
    if (this.#came !== 0 && number - now >= this.#came - this.#cameAt) return;
    this.#came = number;
    this.#cameAt = now;
  }

  /** Goes on without those up to `number`. */
  #pass(number: number): void {
    const by = number - this.#taken;
    if (by <= 0) return;
    this.counts.missing += by;
    this.#taken = number;
    this.#applied = by < 32 ? (this.#applied << by) >>> 0 : 0;
  }

  #step(bit: 0 | 1): void {
    this.#taken += 1;
    this.#applied = ((this.#applied << 1) | bit) >>> 0;
  }
}

function numberOrNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`${name} is ${value}; it is a whole number from ${least} to ${most}`);
}
