/** How much may wait for the consumer before the source is paused. Share one object between connections. */
export interface InboxLimits {
  /** Bytes of messages nobody has taken yet. Default 65,536. */
  readonly receiveHighWaterBytes?: number | undefined;
  /** Messages nobody has taken yet. Default 128. */
  readonly receiveHighWaterMessages?: number | undefined;
}

/** Used where `InboxLimits` leaves a field out. */
export const defaultInboxLimits = { receiveHighWaterBytes: 65_536, receiveHighWaterMessages: 128 } as const;

/** After so many places that were left a queue that is never empty moves to the front of its arrays. */
const COMPACT_AT = 1024;

/** Messages nobody has taken yet, and what they count for. */
export class InboxQueue<T> {
  /** As given to `push`, of all that wait. */
  bytes = 0;
  readonly #messages: (T | undefined)[] = [];
  readonly #sizes: number[] = [];
  #head = 0;

  get length(): number {
    return this.#messages.length - this.#head;
  }

  /** True at or past a high-water mark. */
  isFull({ receiveHighWaterBytes, receiveHighWaterMessages }: InboxLimits): boolean {
    return (
      this.bytes >= (receiveHighWaterBytes ?? defaultInboxLimits.receiveHighWaterBytes) ||
      this.length >= (receiveHighWaterMessages ?? defaultInboxLimits.receiveHighWaterMessages)
    );
  }

  /**
   * True at half of both marks: a consumer that is just too slow would pause and resume for each message if
   * the source went on earlier.
   */
  isLow({ receiveHighWaterBytes, receiveHighWaterMessages }: InboxLimits): boolean {
    return (
      this.bytes * 2 <= (receiveHighWaterBytes ?? defaultInboxLimits.receiveHighWaterBytes) &&
      this.length * 2 <= (receiveHighWaterMessages ?? defaultInboxLimits.receiveHighWaterMessages)
    );
  }

  push(message: T, byteLength: number): void {
    this.#messages.push(message);
    this.#sizes.push(byteLength);
    this.bytes += byteLength;
  }

  /** The oldest message. Call only while there is one. */
  shift(): T {
    const messages = this.#messages;
    const sizes = this.#sizes;
    const message = messages[this.#head];
    if (message === undefined) throw new RangeError("nothing is queued");
    this.bytes -= sizes[this.#head] ?? 0;
    messages[this.#head] = undefined; // lets go of the message before the queue is compacted
    this.#head += 1;
    if (this.#head === messages.length) {
      messages.length = 0;
      sizes.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT) {
      messages.splice(0, this.#head);
      sizes.splice(0, this.#head);
      this.#head = 0;
    }
    return message;
  }
}
