import type { IpAddr } from "@zocalo/net";

/** Where a client seems to be. */
export class UdpPath {
  readonly addr: IpAddr;
  /** A ping that was sent there has been answered from there, so its owner takes part. */
  isProved = false;
  /** Bytes that may still be sent there, as so many came from there; of no meaning once it is proved. */
  #credit = 0;

  constructor(addr: IpAddr) {
    this.addr = addr;
  }

  is(addr: IpAddr): boolean {
    return addr === this.addr || (addr.port === this.addr.port && addr.host === this.addr.host);
  }

  heard(bytes: number): void {
    if (!this.isProved) this.#credit += bytes;
  }

  get credit(): number {
    return this.isProved ? Number.POSITIVE_INFINITY : this.#credit;
  }

  spend(bytes: number): void {
    if (!this.isProved) this.#credit -= bytes;
  }
}

/**
 * The way to a client, which may change its address at any moment (a NAT that forgets, Wi-Fi that ends): the
 * newest authenticated datagram says where it is. The last address that was proved is remembered: whoever
 * sends a copy of a datagram from another address ahead of the datagram itself gets the answers until the
 * next one, and no more bytes than that copy had.
 */
export class UdpWay {
  #current: UdpPath | undefined;
  #proved: UdpPath | undefined;

  /** Where the client is now. */
  get current(): UdpPath | undefined {
    return this.#current;
  }

  /**
   * An authenticated datagram has come.
   *
   * @param isNewest whether none of a higher counter came before
   * @returns true if the client is somewhere else than before
   */
  heard(addr: IpAddr, bytes: number, isNewest: boolean): boolean {
    let hasMoved = false;
    if (isNewest && !this.#current?.is(addr)) {
      this.#current = this.#proved?.is(addr) ? this.#proved : new UdpPath(addr);
      hasMoved = true;
    }
    if (this.#current?.is(addr)) this.#current.heard(bytes);
    return hasMoved;
  }

  /** A ping that was sent by this path has been answered by it. */
  proved(path: UdpPath): void {
    path.isProved = true;
    // An answer from where the client no longer is does not bring it back.
    if (path === this.#current) this.#proved = path;
  }
}
