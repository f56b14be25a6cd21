/** Samples are kept for so many seconds: what drift makes of that is far below what jitter does. */
const SECONDS = 8;
/** How many ticks samples may contradict each other by, as the two clocks run at slightly different rates. */
const DRIFT_TICKS = 0.25;

/**
 * Finds the server's time, in ticks, at a moment of the clock here. What the server sent at a tick came after
 * it; what came to the server at a tick was sent before it. So each packet bounds the difference between the
 * clocks from one side, and the quickest ones of the last 8 seconds bound it best. The middle of the two
 * bounds is off by at most half the difference between the quickest way there and the quickest way back. A
 * slow or late packet changes nothing. If the bounds contradict each other, a clock was set or stood still,
 * and it begins anew with the newest.
 */
export class ClockOffset {
  readonly #tickMs: number;
  /** By second: the greatest lower and the least upper bound of how far the server is ahead, in ticks. */
  readonly #least = new Float64Array(SECONDS);
  readonly #most = new Float64Array(SECONDS);
  readonly #seconds = new Float64Array(SECONDS);
  #roundTrip = 0;
  #steps = 0;

  constructor(ticksPerSecond: number) {
    this.#tickMs = 1_000 / ticksPerSecond;
    this.#clear();
  }

  /** False before the first sample. */
  get isKnown(): boolean {
    return this.#lower() > Number.NEGATIVE_INFINITY || this.#upper() < Number.POSITIVE_INFINITY;
  }

  /** The least round trip of the last 8 seconds, in milliseconds; 0 until there were samples of both ways. */
  get roundTripMs(): number {
    return this.#roundTrip * this.#tickMs;
  }

  /** How often a clock was set or stood still so that it had to begin anew. */
  get steps(): number {
    return this.#steps;
  }

  /** What came here at `nowMs` left the server at `sentTicks` of its time, or after that. */
  down(sentTicks: number, nowMs: number): void {
    const least = sentTicks - nowMs / this.#tickMs;
    if (!Number.isFinite(least)) return;
    if (least > this.#upper() + DRIFT_TICKS) this.#step();
    const at = this.#bucket(nowMs);
    this.#least[at] = Math.max(this.#least[at] ?? least, least);
    this.#measure();
  }

  /** What left here at `sentMs` came to the server at `cameTicks` of its time, or before; told at `nowMs`. */
  up(sentMs: number, cameTicks: number, nowMs: number): void {
    const most = cameTicks - sentMs / this.#tickMs;
    if (!Number.isFinite(most)) return;
    if (most < this.#lower() - DRIFT_TICKS) this.#step();
    const at = this.#bucket(nowMs);
    this.#most[at] = Math.min(this.#most[at] ?? most, most);
    this.#measure();
  }

  /** The server's time at `nowMs`, in ticks with fractions; `nowMs` of an unknown clock says nothing. */
  serverTicks(nowMs: number): number {
    const lower = this.#lower();
    const upper = this.#upper();
    let offset = (lower + upper) / 2;
    if (upper === Number.POSITIVE_INFINITY) offset = lower + this.#roundTrip / 2;
    else if (lower === Number.NEGATIVE_INFINITY) offset = upper - this.#roundTrip / 2;
    return nowMs / this.#tickMs + (Number.isFinite(offset) ? offset : 0);
  }

  #bucket(nowMs: number): number {
    const second = Math.floor(nowMs / 1_000);
    const at = ((second % SECONDS) + SECONDS) % SECONDS;
    for (let i = 0; i < SECONDS; i++) {
      const age = second - (this.#seconds[i] ?? second);
      if (i === at ? age !== 0 : age < 0 || age >= SECONDS) this.#forget(i);
    }
    this.#seconds[at] = second;
    return at;
  }

  #lower(): number {
    return Math.max(...this.#least);
  }

  #upper(): number {
    return Math.min(...this.#most);
  }

  #measure(): void {
    const width = this.#upper() - this.#lower();
    if (Number.isFinite(width)) this.#roundTrip = Math.max(0, width);
  }

  #step(): void {
    this.#steps += 1;
    this.#clear();
  }

  #clear(): void {
    for (let i = 0; i < SECONDS; i++) this.#forget(i);
  }

  #forget(at: number): void {
    this.#least[at] = Number.NEGATIVE_INFINITY;
    this.#most[at] = Number.POSITIVE_INFINITY;
  }
}
