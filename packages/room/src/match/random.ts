/**
 * Numbers from 0 to below 1 that follow from one integer, the same on every machine (mulberry32, by Tommy
 * Ettinger; public domain). Its state is that integer, so a match that is handed over goes on with the same
 * numbers. What depends on nobody guessing it needs another source.
 */
export class SeededRandom {
  /** 32 bits. */
  state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
}
