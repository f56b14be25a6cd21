import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** A cookie is good for the window in which it was made and for the next one. */
export const COOKIE_WINDOW_MS = 60_000;
/** Length of a cookie in characters: 96 bits in base64url. */
export const COOKIE_LENGTH = 16;

/**
 * Makes and checks the short strings by which a peer proves that it receives what is sent to its address.
 * Nothing is kept for a peer: a cookie is an HMAC-SHA256 over the address and the time, under a secret of
 * this process.
 */
export class AddressCookies {
  readonly #secret: Uint8Array;
  readonly #now: () => number;

  /** @param now The time in milliseconds, from any beginning. */
  constructor(now: () => number, secret: Uint8Array = randomBytes(32)) {
    this.#now = now;
    this.#secret = secret;
  }

  /** The cookie for `address` at this time. */
  make(address: string): string {
    return this.#at(address, this.#window());
  }

  /** True if `cookie` was made for `address` in this window or in the one before. */
  verify(address: string, cookie: string): boolean {
    if (typeof cookie !== "string") return false; // It comes from the network, and JSON has other kinds.
    const given = Buffer.from(cookie);
    if (given.length !== COOKIE_LENGTH) return false;
    const window = this.#window();
    // Both are compared, so that the time does not tell which one was close.
    const isCurrent = timingSafeEqual(given, Buffer.from(this.#at(address, window)));
    const isPrevious = timingSafeEqual(given, Buffer.from(this.#at(address, window - 1)));
    return isCurrent || isPrevious;
  }

  #window(): number {
    return Math.floor(this.#now() / COOKIE_WINDOW_MS);
  }

  #at(address: string, window: number): string {
    const mac = createHmac("sha256", this.#secret).update(`${window} ${address}`);
    return mac.digest("base64url").slice(0, COOKIE_LENGTH);
  }
}
