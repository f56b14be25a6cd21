import type { BitWriter } from "../bits/writer.ts";
import type { History } from "./history.ts";
import { grown, regrown, NO_BYTES, NO_INTEGERS, NO_NUMBERS } from "./memory.ts";
import { ENTERED, LEFT, type PartPlan, type PartWriter, UPDATED } from "./part-writer.ts";
import { RING, RING_MASK } from "./ring.ts";
import type { ShownEntities } from "./shown.ts";

/** Of priorities that differ by less than this share, the lowest id comes first. */
const STEPS_PER_OCTAVE = 64;
/** By how much, in octaves, a kind may weigh less than the heaviest, and how long anything may wait. */
const OCTAVES_BELOW = 64;
const OCTAVES_ABOVE = 32;
/** Of the bits of a 32-bit float, the exponent's bias and those of the mantissa that are not looked at. */
const BIAS = 127;
const MANTISSA_LEFT = 23 - Math.log2(STEPS_PER_OCTAVE);
/** How many are of each priority, while they are sorted; else 0. */
const buckets = new Int32Array((OCTAVES_BELOW + OCTAVES_ABOVE + 1) * STEPS_PER_OCTAVE);
const float = new Float32Array(1);
const floatBits = new Int32Array(float.buffer);
/** How often a part is written at most, each time with more entities, because more may fit. */
const TRIES = 3;
/** Past this share of its limit a part is taken for full. */
const FULL = 0.88;

/**
 * What one client has yet to be told where not all fits: for each id what it knows, and since when it waits.
 * Whoever waited longest, by its kind's weight, comes first, so each has its turn.
 */
export class Backlog implements PartPlan {
  says: Uint8Array = NO_BYTES;
  distances: Uint8Array = NO_BYTES;
  readonly #history: History;
  readonly #shown: ShownEntities;
  readonly #writer: PartWriter;
  /** 1 plus the first tick that this client was told. */
  readonly #joined: number;
  /**
   * By id: 1 plus the newest tick of which this client is known to have what was shown by this id, be it
   * nobody; 0 for none.
   */
  #known: Uint32Array = NO_NUMBERS;
  /**
   * By id: 1 plus the tick since which it waits, which is when it was last told or had nothing to tell; 0
   * first.
   */
  #since: Uint32Array = NO_NUMBERS;
  /** What may be said next, those that come first at the beginning; and what and how soon. */
  #order: Int32Array = NO_INTEGERS;
  #choices: Uint8Array = NO_BYTES;
  #priorities: Int32Array = NO_INTEGERS;
  /** The highest and the lowest of them. */
  #highest = 0;
  #lowest = 0;
  /** By number of the kind: its share of the greatest weight; at 0 of an entity that left. */
  readonly #weights: readonly number[];
  /** By place in the ring: which ids were told at that tick, and how many. */
  readonly #lists: Int32Array[] = Array.from({ length: RING }, () => NO_INTEGERS);
  readonly #counts = new Int32Array(RING);
  /** How many fitted last. */
  #fitted = 32;

  constructor(history: History, shown: ShownEntities, writer: PartWriter, firstTick: number) {
    this.#history = history;
    this.#shown = shown;
    this.#writer = writer;
    this.#joined = firstTick + 1;
    const weights = [1, ...history.layout.kinds.map((kind) => kind.weight)];
    const greatest = Math.max(...weights);
    this.#weights = weights.map((weight) => Math.max(weight / greatest, 2 ** -OCTAVES_BELOW));
  }

  /**
   * Writes as much as fits.
   *
   * @param whole The newest tick of which the client is known to have everything, or -1.
   * @returns Whether nothing is left to tell.
   */
  write(out: BitWriter, limit: number, whole: number): boolean {
    this.#reach();
    const count = this.#choose(whole);
    this.#sort(count);
    let fits = 0;
    let next = Math.min(count, this.#fitted);
    let isWritten = false;
    for (let tries = 0; fits < next; tries++) {
      isWritten = this.#write(out, limit, next);
      if (isWritten) {
        fits = next;
        if (tries >= TRIES || out.length >= limit * FULL) break;
        next = Math.min(count, Math.max(next + 1, Math.floor((0.95 * next * limit) / out.length)));
      } else if (fits > 0) break;
      else next = next >> 1;
    }
    if (!isWritten) this.#write(out, limit, fits);
    this.#fitted = Math.max(32, fits);
    this.#note(fits);
    return fits === count;
  }

  /** A part has come. */
  acknowledge(tick: number, whole: number): void {
    const known = this.#known;
    const list = this.#lists[tick & RING_MASK] as Int32Array;
    for (let i = 0; i < (this.#counts[tick & RING_MASK] as number); i++) {
      const id = list[i] as number;
      known[id] = Math.max(known[id] as number, tick + 1);
    }
    // Who is as the client knew already is so at this tick, too.
    const { changedAt } = this.#shown;
    for (let id = 0; id < known.length; id++) {
      const since = Math.max(known[id] as number, whole + 1);
      if (since !== 0 && since <= tick && (changedAt[id] as number) <= since) known[id] = tick + 1;
    }
  }

  #reach(): void {
    const had = this.#known.length;
    const { width } = this.#shown;
    if (had >= width) return;
    this.#known = regrown(this.#known, new Uint32Array(width));
    this.#since = regrown(this.#since, new Uint32Array(width));
    this.says = new Uint8Array(width);
    this.distances = new Uint8Array(width);
    this.#order = new Int32Array(width);
    this.#choices = new Uint8Array(width);
    this.#priorities = new Int32Array(width);
  }

  /** Finds what there is to say, and how soon it has to be. Returns of how many. */
  #choose(whole: number): number {
    const { copies, marks, changedAt, end } = this.#shown;
    const { tick, kinds } = this.#history;
    const now = this.#shown.at(tick);
    let count = 0;
    this.#highest = 0;
    this.#lowest = buckets.length;
    for (let id = 0; id < end; id++) {
      this.#choices[id] = 0;
      const known = Math.max(this.#known[id] as number, whole + 1);
      const changed = changedAt[id] as number;
      const is = copies[now + id] as number;
      if (changed <= (known === 0 && is === 0 ? this.#joined : known)) {
        this.#since[id] = tick + 1;
        continue;
      }
      if (this.#since[id] === 0) this.#since[id] = tick + 1;
      let choice = is === 0 ? LEFT : ENTERED;
      const age = tick + 1 - known;
      if (choice === ENTERED && known !== 0 && age < RING) {
        const old = this.#shown.at(tick - age) + id;
        if (copies[old] !== 0 && marks[old] === marks[now + id]) {
          choice = UPDATED;
          this.distances[id] = age;
        }
      }
      const weight = this.#weights[is === 0 ? 0 : (kinds[is - 1] as number)] as number;
      const priority = priorityOf(weight * (tick + 2 - (this.#since[id] as number)));
      this.#choices[id] = choice;
      this.#priorities[id] = priority;
      this.#highest = Math.max(this.#highest, priority);
      this.#lowest = Math.min(this.#lowest, priority);
      count++;
    }
    return count;
  }

  /** Puts those with the highest priority first, and of equal ones the lowest id. */
  #sort(count: number): void {
    if (count === 0) return;
    const { end } = this.#shown;
    const priorities = this.#priorities;
    for (let id = 0; id < end; id++) {
      if (this.#choices[id] === 0) continue;
      const priority = priorities[id] as number;
      buckets[priority] = (buckets[priority] as number) + 1;
    }
    let before = 0;
    for (let priority = this.#highest; priority >= this.#lowest; priority--) {
      const here = buckets[priority] as number;
      buckets[priority] = before;
      before += here;
    }
    for (let id = 0; id < end; id++) {
      if (this.#choices[id] === 0) continue;
      const priority = priorities[id] as number;
      const at = buckets[priority] as number;
      this.#order[at] = id;
      buckets[priority] = at + 1;
    }
    buckets.fill(0, this.#lowest, this.#highest + 1);
  }

  /** Writes the first `count`. Says whether they fit. */
  #write(out: BitWriter, limit: number, count: number): boolean {
    this.says.fill(0);
    for (let i = 0; i < count; i++) {
      const id = this.#order[i] as number;
      this.says[id] = this.#choices[id] as number;
    }
    out.reset(limit);
    this.#writer.write(out, this.#history, this.#shown, this);
    return !out.overflowed;
  }

  #note(count: number): void {
    const { tick } = this.#history;
    const place = tick & RING_MASK;
    let list = this.#lists[place] as Int32Array;
    if (list.length < count) list = this.#lists[place] = new Int32Array(grown(list.length, count));
    for (let i = 0; i < count; i++) {
      const id = this.#order[i] as number;
      list[i] = id;
      this.#since[id] = tick + 1;
    }
    this.#counts[place] = count;
  }
}

/** A number as a priority: the bits of a float grow as its logarithm does, nearly, and take no time. */
function priorityOf(value: number): number {
  float[0] = value;
  return ((floatBits[0] as number) >> MANTISSA_LEFT) - (BIAS - OCTAVES_BELOW) * STEPS_PER_OCTAVE;
}
