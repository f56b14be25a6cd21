import type { StoredPublication } from "@zocalo/protocol";
import { Fifo } from "../primitives/fifo.ts";
import type { Committed, LogPage, NewPublication, Retention } from "../engine/engine.ts";
import type { Recency, RecencyEntry } from "../primitives/recency.ts";
import { contentMemory, ownContent, textMemory } from "../primitives/text-memory.ts";

/** What a key costs beside its own characters, roughly, in bytes. */
const KEY_OVERHEAD = 128;
/** What a publication costs beside its texts, roughly, in bytes. */
const PUBLICATION_OVERHEAD = 104;

/** What a log needs of an address whose memory is limited. */
export interface LogShare {
  /** Logs, whoever began them, that would drop something of this address next. Only the logs change it. */
  readonly droppable: Recency<MemoryLog>;
  /** Counts so many bytes more, or, below 0, less. */
  hold(bytes: number): void;
  /** The same for what a key takes, which is not dropped before its time is over. */
  holdKey(bytes: number): void;
  /** Somebody has a log open that this address began. */
  opened(log: MemoryLog): void;
  /** Nobody has it open any more. */
  closed(log: MemoryLog): void;
  /** It was published to. */
  used(log: MemoryLog): void;
  /** It is forgotten. */
  drop(log: MemoryLog): void;
}

interface KnownKey {
  readonly offset: number;
  readonly at: number;
  /** Uptime. */
  readonly expires: number;
  /** Whose memory it takes; unset: of nobody who has a limit. */
  readonly holder: LogShare | undefined;
}

/** A moment: `wall` is stored and shown, all ages are differences of `uptime`. */
export type Moment = Readonly<Record<"wall" | "uptime", number>>;

/** The log of one channel, in memory, with its idempotency keys. Time is an argument. */
export class MemoryLog {
  readonly channel: string;
  readonly epoch: string;
  /** Of the address that began it; unset: nobody's. Only the share changes these two. */
  share: LogShare | undefined;
  placeInShare: RecencyEntry<MemoryLog> | undefined;
  readonly #allKeys: { bytes: number };
  #head = 0;
  readonly #kept = new Fifo<StoredPublication>();
  /** Whose memory each of them takes; unset: of nobody who has a limit. */
  readonly #holders = new Fifo<LogShare | undefined>();
  /** The uptime at which each of them came. */
  readonly #cameAt = new Fifo<number>();
  /**
   * Who published what `dropOldest` takes next. Among the `droppable` of that share this log has its place.
   */
  #nextHolder: LogShare | undefined;
  #placeAtHolder: RecencyEntry<MemoryLog> | undefined;
  /** Of the publications kept, as UTF-8. */
  #jsonBytes = 0;
  /** What their texts take here. */
  #textMemory = 0;
  #ttlMs = Number.POSITIVE_INFINITY;
  readonly #keys = new Map<string, KnownKey>();
  /** In the order in which they were used first. */
  readonly #keyOrder = new Fifo<string>();
  #keyBytes = 0;

  /** @param allKeys what the keys of all logs take */
  constructor(channel: string, epoch: string, allKeys: { bytes: number }) {
    this.channel = channel;
    this.epoch = epoch;
    this.#allKeys = allKeys;
  }

  get head(): number {
    return this.#head;
  }

  get oldest(): number {
    return this.#head - this.#kept.length + 1;
  }

  /** Idempotency keys that it knows. */
  get keys(): number {
    return this.#keys.size;
  }

  /** True if forgetting this log would lose no publication and no key. */
  get isEmpty(): boolean {
    return this.#kept.length === 0 && this.#keys.size === 0;
  }

  /** True if `dropOldest` frees memory of this share. */
  isNextOf(share: LogShare): boolean {
    return this.#nextHolder === share;
  }

  /** What it holds, roughly, in bytes. */
  get weight(): number {
    return this.#textMemory + this.#kept.length * PUBLICATION_OVERHEAD + this.#keyBytes;
  }

  /** Where the publication that first had this key stands. */
  find(key: string, uptime: number): Committed | undefined {
    this.#forgetKeys(uptime);
    const known = this.#keys.get(key);
    return known && { epoch: this.epoch, offset: known.offset, at: known.at, duplicate: true };
  }

  /** @param holder whose memory it takes; unset: of nobody who has a limit */
  append(
    { user, info, data, key }: NewPublication,
    holder: LogShare | undefined,
    retention: Retention,
    { wall: at, uptime }: Moment,
  ): StoredPublication {
    const publication: StoredPublication = { offset: this.#head + 1, at, user, info, data: ownContent(data) };
    this.#count(publication, holder, 1); // First: what cannot be counted is not added either.
    this.#head++;
    this.#ttlMs = retention.ttlMs;
    this.#kept.push(publication);
    this.#holders.push(holder);
    this.#cameAt.push(uptime);
    if (key !== undefined && retention.keyTtlMs > 0) {
      this.#keys.set(key, { offset: this.#head, at, expires: uptime + retention.keyTtlMs, holder });
      this.#keyOrder.push(key);
      this.#countKey(key, holder, 1);
    }
    while (this.#kept.length > retention.publications || this.#jsonBytes > retention.bytes) this.dropOldest();
    this.trim(uptime);
    this.#place();
    if (this.#placeAtHolder) this.#nextHolder?.droppable.touch(this.#placeAtHolder);
    return publication;
  }

  page(after: number, limit: number): LogPage {
    const { oldest } = this;
    const publications = this.#kept.slice(Math.max(after + 1 - oldest, 0), limit);
    return { epoch: this.epoch, head: this.#head, oldest, publications };
  }

  /** Drops what is past its time. */
  trim(uptime: number): void {
    const from = uptime - this.#ttlMs;
    while ((this.#cameAt.first ?? Number.POSITIVE_INFINITY) <= from) this.dropOldest();
    this.#forgetKeys(uptime);
  }

  /** Drops one publication; false if there is none. */
  dropOldest(): boolean {
    const first = this.#kept.shift();
    if (!first) return false;
    this.#cameAt.shift();
    this.#count(first, this.#holders.shift(), -1);
    this.#place();
    return true;
  }

  /** Drops all, keys too. */
  clear(): void {
    while (this.dropOldest());
    while (this.#forgetOldestKey());
  }

  #count(publication: StoredPublication, holder: LogShare | undefined, sign: 1 | -1): void {
    const { user, info = "", data } = publication;
    const jsonBytes = Buffer.byteLength(data) + Buffer.byteLength(info);
    const memory = textMemory(user) + textMemory(info) + contentMemory(data);
    this.#jsonBytes += sign * jsonBytes;
    this.#textMemory += sign * memory;
    holder?.hold(sign * (memory + PUBLICATION_OVERHEAD));
  }

  #countKey(key: string, holder: LogShare | undefined, sign: 1 | -1): void {
    const bytes = sign * keyBytes(key);
    this.#keyBytes += bytes;
    this.#allKeys.bytes += bytes;
    holder?.holdKey(bytes);
  }

  #forgetKeys(uptime: number): void {
    for (let key = this.#keyOrder.first; key !== undefined; key = this.#keyOrder.first) {
      if ((this.#keys.get(key)?.expires ?? 0) > uptime) return;
      this.#forgetOldestKey();
    }
  }

  #forgetOldestKey(): boolean {
    const key = this.#keyOrder.shift();
    if (key === undefined) return false;
    const holder = this.#keys.get(key)?.holder;
    this.#keys.delete(key);
    this.#countKey(key, holder, -1);
    return true;
  }

  /** What goes next may be somebody else's now. */
  #place(): void {
    const holder = this.#holders.first;
    if (holder === this.#nextHolder) return;
    if (this.#placeAtHolder) this.#nextHolder?.droppable.remove(this.#placeAtHolder);
    this.#nextHolder = holder;
    this.#placeAtHolder = holder?.droppable.add(this);
  }
}

/** What a key costs, roughly, in bytes. */
export function keyBytes(key: string): number {
  return KEY_OVERHEAD + textMemory(key);
}
