import type { MemoryLog } from "./memory-log.ts";
import { Recency } from "./recency.ts";

/** What one address holds in a `MemoryEngine`: the logs that it began. */
export class MemoryShare {
  readonly address: string;
  /** Those that nobody has open, by when they were used: the ones that can be forgotten. */
  readonly idle = new Recency<MemoryLog>();
  /** Logs, open ones included. */
  count = 0;
  /** What they hold, in bytes (estimated). */
  weight = 0;

  constructor(address: string) {
    this.address = address;
  }

  /** Takes a log that nobody's was. */
  take(log: MemoryLog, isOpen: boolean): void {
    log.share = this;
    this.count++;
    this.weight += log.weight;
    if (!isOpen) this.closed(log);
  }

  /** The log is forgotten. */
  drop(log: MemoryLog): void {
    this.opened(log);
    this.count--;
    this.weight -= log.weight;
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

  /** The one used longest ago of those that can be forgotten. */
  get oldest(): MemoryLog | undefined {
    const [first] = this.idle;
    return first;
  }
}
