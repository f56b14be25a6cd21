import type { LogShare, MemoryLog } from "./memory-log.ts";
import { Recency } from "../primitives/recency.ts";

/** Logs that are looked at to find one that can be forgotten: each publication in a new channel looks. */
const MAX_LOOKS = 64;

/** What one address holds in a `MemoryEngine`: the logs that it began, and what it published in any. */
export class MemoryShare implements LogShare {
  readonly address: string;
  readonly #all: Map<string, MemoryShare>;
  /** Logs that it began and nobody has open, by when they were used: the ones that can be forgotten. */
  readonly idle = new Recency<MemoryLog>();
  /**
   * Logs, whoever began them, that would drop something of this address next, about in the order in which
   * they were published to. Only the logs change it.
   */
  readonly droppable = new Recency<MemoryLog>();
  #count = 0;
  #weight = 0;
  #keyWeight = 0;

  /** @param all where it is found by its address as long as it holds something */
  constructor(address: string, all: Map<string, MemoryShare>) {
    this.address = address;
    this.#all = all;
  }

  /** Logs that it began, open ones included. */
  get count(): number {
    return this.#count;
  }

  /** What its publications and keys take, in bytes (estimated). */
  get weight(): number {
    return this.#weight;
  }

  /** Of these its keys. */
  get keyWeight(): number {
    return this.#keyWeight;
  }

  /** Counts what a key takes. */
  holdKey(bytes: number): void {
    this.#keyWeight += bytes;
    this.hold(bytes);
  }

  /** Counts so many bytes more, or, below 0, less. */
  hold(bytes: number): void {
    this.#weight += bytes;
    this.#register();
  }

  /** Takes a log that nobody's was. */
  take(log: MemoryLog, isOpen: boolean): void {
    log.share = this;
    this.#count++;
    this.#register();
    if (!isOpen) this.closed(log);
  }

  /** The log is forgotten. */
  drop(log: MemoryLog): void {
    this.opened(log);
    this.#count--;
    this.#register();
    log.share = undefined;
  }

  /** Somebody has it open. */
  opened(log: MemoryLog): void {
    if (log.placeInShare) this.idle.remove(log.placeInShare);
    log.placeInShare = undefined;
  }

  /** Nobody has it open any more. */
  closed(log: MemoryLog): void {
    log.placeInShare ??= this.idle.add(log);
  }

  /** It was published to. */
  used(log: MemoryLog): void {
    if (log.placeInShare) this.idle.touch(log.placeInShare);
  }

  /**
   * The one used longest ago of those that can be forgotten: it has no key.
   *
   * @param trim makes one forget what is past its time
   */
  oldest(trim: (log: MemoryLog) => void): MemoryLog | undefined {
    let looks = 0;
    for (const log of this.idle) {
      if (looks++ === MAX_LOOKS) return undefined;
      trim(log);
      if (log.keys === 0) return log;
    }
    return undefined;
  }

  #register(): void {
    if (this.#count > 0 || this.#weight > 0) this.#all.set(this.address, this);
    else this.#all.delete(this.address);
  }
}
