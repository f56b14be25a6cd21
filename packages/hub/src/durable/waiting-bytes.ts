/** How much of what may wait may be of one address. */
const SHARE = 0.25;

/** What waits for the store, in bytes: of all, and of each address, so that none takes all there may be. */
export class WaitingBytes {
  readonly #most: number;
  readonly #byAddress = new Map<string, number>();
  #all = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** True if so much more may wait. One alone always may, however much it is. */
  haveRoom(bytes: number, address: string | undefined): boolean {
    const own = address === undefined ? 0 : (this.#byAddress.get(address) ?? 0);
    return isWithin(this.#most, this.#all, bytes) && isWithin(this.#most * SHARE, own, bytes);
  }

  /** So much waits besides; below 0: it does not any more. */
  count(bytes: number, address: string | undefined): void {
    this.#all += bytes;
    if (address === undefined) return;
    const own = (this.#byAddress.get(address) ?? 0) + bytes;
    if (own > 0) this.#byAddress.set(address, own);
    else this.#byAddress.delete(address);
  }
}

function isWithin(most: number, waiting: number, bytes: number): boolean {
  return waiting === 0 || waiting + bytes <= most;
}
