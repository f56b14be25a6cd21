import { LEAST_RECEIVED, messageRate, Rate } from "./rate.ts";

/** Which part of what all may have is served as it comes; the rest is for each address alike. */
const COMMON = 1 / 2;
/** Which part of all one address may have of the first. */
const OF_ONE = 1 / 4;
/** Less would leave one address less than a lane needs. */
export const LEAST_TOTAL_RECEIVED = LEAST_RECEIVED / OF_ONE;

/** What the lanes of one address may have. */
interface Share {
  lanes: number;
  /** Of what is served as it comes; `undefined` for who is exempt. */
  readonly common: Rate | undefined;
  /** What is left of its equal part of the rest, and since when. */
  left: number;
  at: number;
}

/**
 * A limit of datagrams that all lanes together have opened in a second. Half of them are served as they come,
 * a quarter at most for one address. The other half is for all addresses that have lanes, in equal parts: so
 * whatever some send, each of the others has its part.
 */
export class ReceivedShares<Address extends object> {
  readonly #perSecond: number;
  readonly #common: Rate;
  readonly #shares = new Map<Address, Share>();

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#common = messageRate(perSecond * COMMON, now);
  }

  /** A lane of an address begins. */
  add(address: Address, isExempt: boolean, now: number): void {
    const share = this.#shares.get(address);
    if (share !== undefined) share.lanes += 1;
    else {
      const common = isExempt ? undefined : messageRate(this.#perSecond * OF_ONE, now);
      this.#shares.set(address, { lanes: 1, common, left: 0, at: now });
    }
  }

  /** A lane of an address has ended. */
  remove(address: Address): void {
    const share = this.#shares.get(address);
    if (share !== undefined && --share.lanes === 0) this.#shares.delete(address);
  }

  /** Whether one more datagram of an address may be opened now; if so, it is counted. */
  take(address: Address, now: number): boolean {
    const share = this.#shares.get(address);
    if (share === undefined) return false;
    if (share.common?.has(1, now) !== false && this.#common.has(1, now)) {
      share.common?.spend(1);
      this.#common.spend(1);
      return true;
    }
    const part = (this.#perSecond * (1 - COMMON)) / this.#shares.size;
    // Of less than one a second nothing would ever be whole.
    share.left = Math.min(Math.max(1, part), share.left + ((now - share.at) * part) / 1_000);
    share.at = now;
    if (share.left < 1) return false;
    share.left -= 1;
    return true;
  }
}
