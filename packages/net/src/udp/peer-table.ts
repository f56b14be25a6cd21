/** What the table knows of a peer: when something last came from it. */
export interface PeerEntry {
  lastSeenAt: number;
}

/** How many peers there may be. */
export interface PeerLimits {
  /** Verified peers; one more is not let in. */
  readonly maxPeers: number;
  /** Peers whose address may be forged; one more drives out the one unheard for longest. */
  readonly maxUnverifiedPeers: number;
}

/**
 * Peers by their source address. Those that may be forged live in a table of their own, so that however many
 * an attacker makes up, they drive out only each other.
 */
export class PeerTable<P extends PeerEntry> {
  readonly #limits: PeerLimits;
  readonly #verified = new Map<string, P>();
  /** In the order in which they were last heard. */
  readonly #unverified = new Map<string, P>();

  constructor(limits: PeerLimits) {
    this.#limits = limits;
  }

  get verifiedCount(): number {
    return this.#verified.size;
  }

  get unverifiedCount(): number {
    return this.#unverified.size;
  }

  /** The peer at `key`, which has just been heard. */
  heard(key: string, now: number): P | undefined {
    let peer = this.#verified.get(key);
    if (peer === undefined) {
      peer = this.#unverified.get(key);
      if (peer === undefined) return undefined;
      this.#unverified.delete(key);
      this.#unverified.set(key, peer);
    }
    peer.lastSeenAt = now;
    return peer;
  }

  /** True if a verified peer would be let in. */
  get hasRoomForVerified(): boolean {
    return this.#verified.size < this.#limits.maxPeers;
  }

  /** Lets a new peer in. If that drove another out, it is returned; it is then no longer in the table. */
  add(key: string, peer: P, isVerified: boolean): P | undefined {
    if (isVerified) {
      this.#verified.set(key, peer);
      return undefined;
    }
    const evicted = this.#unverified.size < this.#limits.maxUnverifiedPeers ? undefined : this.#takeOldest();
    this.#unverified.set(key, peer);
    return evicted;
  }

  /** The peer's address proved to be its own. False if there is no room for it. */
  verified(key: string): boolean {
    const peer = this.#unverified.get(key);
    if (peer === undefined || !this.hasRoomForVerified) return false;
    this.#unverified.delete(key);
    this.#verified.set(key, peer);
    return true;
  }

  /** Removes `peer`, unless another has taken its place. True if it was there as a verified one. */
  remove(key: string, peer: P): boolean {
    if (this.#verified.get(key) === peer) return this.#verified.delete(key);
    if (this.#unverified.get(key) === peer) this.#unverified.delete(key);
    return false;
  }

  *[Symbol.iterator](): Generator<P, void, undefined> {
    yield* this.#verified.values();
    yield* this.#unverified.values();
  }

  #takeOldest(): P | undefined {
    for (const [key, peer] of this.#unverified) {
      this.#unverified.delete(key);
      return peer;
    }
    return undefined;
  }
}
