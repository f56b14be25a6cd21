import type { Counters } from "./stats.ts";

/** Something of this moment that may have to wait. */
export interface Volatile {
  /** Of what it is the newest: a newer one with the same slot takes its place. */
  readonly slot: string;
  /** Who said it, as one counts: an address, a session, or the server's program. */
  readonly owner: object;
  /** That it takes while it waits, about. */
  readonly keptBytes: number;
  /** The channel in which it was said, if it was in one. */
  readonly channel?: string;
  /** Called when it begins to wait: what it refers to is in memory of its own from then on. */
  own?(): void;
}

/** Where those that wait are counted, beside the bounds of their own. */
export interface Allotment {
  /** False: there is no room for so many more bytes. */
  take(bytes: number): boolean;
  giveBack(bytes: number): void;
}

/** How many may wait. */
export interface NewestBounds {
  readonly entries: number;
  readonly bytes: number;
}

/**
 * What waits of this moment: of each slot the newest, in the place of the one before it. Bounded: past a
 * bound the oldest goes of whom most waits, so that nobody's many take the place of another's few.
 */
export class Newest<Entry extends Volatile> {
  readonly #bounds: NewestBounds;
  readonly #allotment: Allotment;
  readonly #counters: Counters;
  /** In the order in which their slots came. */
  readonly #entries = new Map<string, Entry>();
  readonly #bytesOf = new Map<object, number>();
  #bytes = 0;

  /** @param counters `castsDropped` counts what is replaced, and what finds no room */
  constructor(bounds: NewestBounds, allotment: Allotment, counters: Counters) {
    this.#bounds = bounds;
    this.#allotment = allotment;
    this.#counters = counters;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The one whose slot waits for longest. */
  get first(): Entry | undefined {
    return this.#entries.values().next().value;
  }

  /** False: there is no room for it. What waited in its slot is gone in any case. */
  put(entry: Entry): boolean {
    const { slot, owner, keptBytes } = entry;
    const former = this.#entries.get(slot);
    // It keeps its place, unless there is no room for the new one.
    if (former !== undefined) this.#uncount(former);
    if (!this.#makeRoom(entry, former)) {
      if (former !== undefined) this.#entries.delete(slot);
      this.#counters.castsDropped++;
      return false;
    }
    entry.own?.();
    this.#entries.set(slot, entry);
    this.#bytes += keptBytes;
    this.#bytesOf.set(owner, (this.#bytesOf.get(owner) ?? 0) + keptBytes);
    return true;
  }

  /** It waits no more: it has gone on. */
  remove(entry: Entry): void {
    if (!this.#entries.delete(entry.slot)) return;
    this.#release(entry);
  }

  /** Forgets what was said in a channel. */
  forget(channel: string): void {
    for (const entry of this.#entries.values()) {
      if (entry.channel !== channel) continue;
      this.#entries.delete(entry.slot);
      this.#uncount(entry);
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#counters.castsDropped += this.#entries.size;
    this.#entries.clear();
    this.#bytesOf.clear();
    this.#allotment.giveBack(this.#bytes);
    this.#bytes = 0;
  }

  /** @param former what stands in its slot, and is not counted any more */
  #makeRoom(entry: Entry, former: Entry | undefined): boolean {
    const { entries, bytes } = this.#bounds;
    const { keptBytes } = entry;
    if (keptBytes > bytes) return false;
    for (;;) {
      const count = this.#entries.size + (former === undefined ? 1 : 0);
      const fits = count <= entries && this.#bytes + keptBytes <= bytes;
      if (fits && this.#allotment.take(keptBytes)) return true;
      const victim = this.#oldestOfWorst(entry, former);
      if (victim === undefined) return false;
      this.#entries.delete(victim.slot);
      this.#uncount(victim);
    }
  }

  /** Nothing if the one for whom there is no room is of whom most waits, and none of its own is older. */
  #oldestOfWorst({ owner, keptBytes }: Entry, former: Entry | undefined): Entry | undefined {
    let worst = owner;
    let most = (this.#bytesOf.get(owner) ?? 0) + keptBytes;
    for (const [other, bytes] of this.#bytesOf) {
      if (bytes <= most) continue;
      worst = other;
      most = bytes;
    }
    for (const each of this.#entries.values()) if (each.owner === worst && each !== former) return each;
    return undefined;
  }

  #uncount(entry: Entry): void {
    this.#counters.castsDropped++;
    this.#release(entry);
  }

  #release({ owner, keptBytes }: Entry): void {
    this.#bytes -= keptBytes;
    const left = (this.#bytesOf.get(owner) ?? 0) - keptBytes;
    if (left > 0) this.#bytesOf.set(owner, left);
    else this.#bytesOf.delete(owner);
    this.#allotment.giveBack(keptBytes);
  }
}
