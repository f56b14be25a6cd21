import type { Clock, Timer } from "../primitives/clock.ts";

/** How long what waits for a peer is not held against it, in milliseconds. */
const GRACE_MS = 250;
/** How full it is, of what may be held, after the worst were ended. */
const FILL_AFTER_MAKING_ROOM = 0.95;

/** Something is kept for it until it reads. */
export interface Debtor {
  /** Bytes that wait for it now. */
  readonly waitingBytes: number;
  /** Who counts with it: an address, or itself. */
  readonly whose: object;
  /** Ends it at once, and with it what waits. */
  cut(): void;
}

/**
 * The sum of what waits for peers that do not read.
 *
 * Nothing is counted while little was sent: what waits is at most what waited at the last look and all that
 * was sent since. Only when that is too much is everybody looked at, and what still waits at the next look is
 * held against whom it waits for.
 */
export class Backlog {
  readonly #most: number;
  readonly #clock: Clock;
  readonly #all: () => Iterable<Debtor>;
  #sinceLook = 0;
  #atLook = 0;
  /** What waited for each at the last look; only while there is another. */
  #before = new Map<Debtor, number>();
  #look: Timer | undefined;

  /** @param most bytes that may wait for all together */
  constructor(most: number, clock: Clock, all: () => Iterable<Debtor>) {
    this.#most = most;
    this.#clock = clock;
    this.#all = all;
  }

  /** So many bytes were sent, at most: to any number of peers. */
  sent(bytes: number): void {
    this.#sinceLook += bytes;
    if (this.#atLook + this.#sinceLook > this.#most) this.#look ??= this.#lookLater();
  }

  /** Looks no more. */
  close(): void {
    this.#look?.cancel();
  }

  #lookLater(): Timer {
    return this.#clock.after(GRACE_MS, () => {
      this.#look = undefined;
      this.#lookAtAll();
    });
  }

  #lookAtAll(): void {
    const now = new Map<Debtor, number>();
    let sum = 0;
    let stuck = 0;
    for (const debtor of this.#all()) {
      const { waitingBytes } = debtor;
      if (waitingBytes === 0) continue;
      now.set(debtor, waitingBytes);
      sum += waitingBytes;
      stuck += Math.min(waitingBytes, this.#before.get(debtor) ?? 0);
    }
    if (stuck > this.#most) sum -= this.#cutWorst(now, stuck - this.#most * FILL_AFTER_MAKING_ROOM);
    this.#sinceLook = 0;
    this.#atLook = sum;
    this.#before = sum > this.#most ? now : new Map();
    if (sum > this.#most) this.#look = this.#lookLater();
  }

  /** Of those for whom most waits, the ones for whom most waits, until so much is free. */
  #cutWorst(waiting: Map<Debtor, number>, excess: number): number {
    const sums = new Map<object, number>();
    for (const [{ whose }, bytes] of waiting) sums.set(whose, (sums.get(whose) ?? 0) + bytes);
    const sumOf = ({ whose }: Debtor): number => sums.get(whose) ?? 0;
    const worst = [...waiting].toSorted(
      ([a, bytes], [b, otherBytes]) => sumOf(b) - sumOf(a) || otherBytes - bytes,
    );
    let freed = 0;
    for (const [debtor, bytes] of worst) {
      if (freed >= excess) break;
      freed += bytes;
      waiting.delete(debtor);
      debtor.cut();
    }
    return freed;
  }
}
