import type { Json, JsonObject, Position, PresentUser } from "@zocalo/protocol";
import { callSafely } from "../primitives/call-safely.ts";
import { type Gap, GapError } from "./gap.ts";
import type { Presence } from "./presence-list.ts";

/** One publication of a channel. */
export interface Publication<T = Json> {
  /** What `JSON.parse` makes of `json`; in a namespace of bytes a `Uint8Array`. */
  readonly data: T;
  /**
   * What was published, as the JSON text that came: numbers that `data` cannot hold, `-0`, members with the
   * same name. CR and LF between values are spaces. Empty where `data` is bytes.
   */
  readonly json: string;
  /** Its place in the channel's log: 1, 2, 3 … */
  readonly offset: number;
  /** When it was committed, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** Who published it, as the server knows them. */
  readonly user: string;
  readonly info?: JsonObject;
  /**
   * True: this session published it, on the connection that it has now; false: another one did. Left out: the
   * namespace does not tell, or it was read from the log.
   */
  readonly isOwn?: boolean;
}

/** After a lost connection (or since a saved position) nothing is missing. */
export interface Recovered {
  /** The last publication that was received before. */
  readonly since: Position;
  /** How many were missed, and follow now. */
  readonly missed: number;
}

/** Where a subscription starts and what it brings. */
export interface SubscribeOptions {
  /** Go on after this position, a saved `subscription.position`. */
  readonly since?: Position | undefined;
  /** Without `since`: start with at most this many of the latest publications, 0 to 1,000. Default 0. */
  readonly last?: number;
  /** Also say who is there. Default: true if there is a `presence` handler. */
  readonly presence?: boolean;
  /**
   * Follow the channel without being counted among who is there, as long as all of the session's
   * subscriptions to it say so. Default false.
   */
  readonly hidden?: boolean;
  /** Ends the subscription, quietly. */
  readonly signal?: AbortSignal;
}

/** For a subscription that is iterated over. */
export interface IterateOptions extends SubscribeOptions {
  /**
   * Publications are lost for good; the iteration goes on after them. Called in order, between two
   * publications. Without it, iterating throws a `GapError`: a gap is never silent.
   */
  readonly gap?: (gap: Gap) => void;
  /** How many publications may wait for a slow loop before they stay at the server. Default 1,000. */
  readonly bufferEntries?: number;
  /** The text of their messages together, in UTF-16 code units. Default 1,048,576. */
  readonly bufferLength?: number;
}

/** Used where `IterateOptions` leaves a field out. */
const defaultBuffer = { bufferEntries: 1_000, bufferLength: 1_048_576 } as const;

/** What happens in a subscribed channel, in order. */
export interface SubscriptionHandlers<T = Json> {
  /** One publication, in the order of the log. */
  publication(publication: Publication<T>): void;
  /** Publications are lost for good; the flow goes on after them. */
  gap(gap: Gap): void;
  /** The flow goes on and nothing is missing; what was missed follows. */
  recovered?(recovered: Recovered): void;
  /** Who is there, at most 10,000 of them, and how many there are, each time that changes. */
  presence?(users: readonly PresentUser[], total: number): void;
  /** The subscription has ended because of this. Called at most once, last. */
  error?(error: Error): void;
}

/**
 * A running subscription. It survives lost connections; it ends when it is closed, refused, or the session
 * closes.
 */
export interface Subscription {
  /**
   * After the last publication that was handed out: save it, and pass it as `since` to go on. Unknown until
   * the first answer.
   */
  readonly position: Position | undefined;
  /** Who is there, if `presence` was asked for; at most 10,000. */
  readonly users: readonly PresentUser[];
  /** How many are there, if `presence` was asked for. */
  readonly total: number;
  /** Ends the subscription. Nothing is handed out afterwards. */
  close(): void;
}

/** A subscription to iterate over, once. Leaving the loop ends it. */
// Not an AsyncIterableIterator: before TypeScript 5.6 that has no type for what it returns at its end.
export interface Publications<T = Json> extends Subscription, AsyncIterator<Publication<T>, undefined> {
  /** Ends the subscription, as leaving the loop does. */
  return(): Promise<IteratorResult<Publication<T>, undefined>>;
  /** Itself: there is one loop. */
  [Symbol.asyncIterator](): Publications<T>;
}

/** What a subscriber asks of its feed. */
export interface SubscriberOwner {
  readonly channel: string;
  readonly present: Presence;
  /** The subscriber has ended. */
  leave(subscriber: Subscriber): void;
  /** It was behind and has room again. */
  rejoin(subscriber: Subscriber): void;
}

type Item =
  | { readonly publication: Publication; readonly position: Position; readonly length: number }
  | { readonly gap: Gap };

interface Reader {
  resolve(result: IteratorResult<Publication, undefined>): void;
  reject(error: Error): void;
}

/** One subscriber of a channel, either with handlers or with a bounded buffer that is iterated over. */
export class Subscriber implements Publications {
  readonly last: number | undefined;
  readonly wantsPresence: boolean;
  readonly isHidden: boolean;
  /** After the last publication that was taken from the feed. */
  received: Position | undefined;
  /** It was told where to start by `last`: what is not kept before is not lost. */
  isFresh: boolean;
  /** From `since`, or after a lost connection: it has not been told yet whether something is missing. */
  isResuming: boolean;
  /** The buffer is past its limit: the feed goes on without this subscriber, who comes back later. */
  isBehind = false;
  position: Position | undefined;

  readonly #owner: SubscriberOwner;
  readonly #handlers: SubscriptionHandlers | undefined;
  readonly #gap: ((gap: Gap) => void) | undefined;
  readonly #mostEntries: number;
  readonly #mostLength: number;
  readonly #signal: AbortSignal | undefined;
  readonly #items: Item[] = [];
  #length = 0;
  readonly #readers: Reader[] = [];
  #hasEnded = false;
  #error: Error | undefined;

  constructor(owner: SubscriberOwner, options: IterateOptions, handlers: SubscriptionHandlers | undefined) {
    this.#owner = owner;
    this.#handlers = handlers;
    this.#gap = options.gap;
    this.last = options.last;
    this.wantsPresence = options.presence ?? handlers?.presence !== undefined;
    this.isHidden = options.hidden ?? false;
    this.received = options.since;
    this.position = options.since;
    this.isFresh = options.since === undefined;
    this.isResuming = options.since !== undefined;
    this.#mostEntries = options.bufferEntries ?? defaultBuffer.bufferEntries;
    this.#mostLength = options.bufferLength ?? defaultBuffer.bufferLength;
    this.#signal = options.signal;
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  readonly #onAbort = (): void => this.close();

  get users(): readonly PresentUser[] {
    return this.#owner.present.users;
  }

  get total(): number {
    return this.#owner.present.total;
  }

  /** True if it takes what the feed brings. */
  get isActive(): boolean {
    return !this.#hasEnded && !this.isBehind;
  }

  /** The flow starts here, without anything handed out. */
  start(position: Position): void {
    this.received = position;
    this.position = position;
  }

  /** @param length what it counts for in the buffer */
  publication(publication: Publication, epoch: string, length: number): void {
    this.received = { epoch, offset: publication.offset };
    if (this.#tell((handlers) => handlers.publication(publication))) return;
    this.#length += length;
    this.#buffer({ publication, position: this.received, length });
  }

  gap(gap: Gap): void {
    this.received = afterGap(gap);
    if (this.#tell((handlers) => handlers.gap(gap))) return;
    this.#buffer({ gap });
  }

  /** All that came after the position at which it resumes is there, up to `head`. */
  resumed(head: number): void {
    const { received } = this;
    if (received === undefined || !this.isResuming) return;
    this.isResuming = false;
    this.#tell((handlers) => handlers.recovered?.({ since: received, missed: head - received.offset }));
  }

  presence({ users, total }: Presence): void {
    this.#tell((handlers) => handlers.presence?.(users, total));
  }

  /** False if there are no handlers: it is iterated over. */
  #tell(run: (handlers: SubscriptionHandlers) => void): boolean {
    const handlers = this.#handlers;
    if (handlers === undefined) return false;
    this.position = this.received; // nothing waits in between
    callSafely(() => run(handlers));
    return true;
  }

  /**
   * Ends it from outside: what is in the buffer can still be read, then `error` is thrown, or the iteration
   * ends.
   */
  end(error: Error | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#error = error;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#owner.leave(this);
    if (error !== undefined) this.#tell((handlers) => handlers.error?.(error));
    this.#pump();
  }

  close(): void {
    this.#forgetAll(undefined);
    this.end(undefined);
  }

  /** @param error to be thrown instead of what is in the buffer, if any */
  #forgetAll(error: Error | undefined): void {
    this.#items.length = 0;
    this.#length = 0;
    this.#error = error;
  }

  next(): Promise<IteratorResult<Publication, undefined>> {
    if (this.#handlers !== undefined) {
      return Promise.reject(new TypeError("with handlers it is not iterable"));
    }
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#pump();
    });
  }

  return(): Promise<IteratorResult<Publication, undefined>> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #buffer(item: Item): void {
    this.#items.push(item);
    this.#pump();
    if (this.#items.length >= this.#mostEntries || this.#length >= this.#mostLength) this.isBehind = true;
  }

  /** Brings waiting readers and what is in the buffer together. */
  #pump(): void {
    for (let reader = this.#readers[0]; reader !== undefined; reader = this.#readers[0]) {
      const item = this.#items.shift();
      if (item === undefined) {
        if (!this.#hasEnded) break;
        this.#readers.shift();
        this.#settleEnd(reader);
      } else if ("gap" in item) {
        this.#passGap(item.gap);
      } else {
        this.#length -= item.length;
        this.position = item.position;
        this.#readers.shift();
        reader.resolve({ done: false, value: item.publication });
      }
    }
    if (this.isBehind && this.#items.length === 0 && !this.#hasEnded) {
      this.isBehind = false;
      this.#owner.rejoin(this);
    }
  }

  /**
   * The consumer is told when it gets there, in order; told nothing, it must not go on as if nothing was
   * missing.
   */
  #passGap(gap: Gap): void {
    this.position = afterGap(gap);
    const { channel } = this.#owner;
    const tell = this.#gap;
    if (tell !== undefined) {
      callSafely(() => tell(gap));
      return;
    }
    this.#forgetAll(new GapError(channel, gap));
    if (!this.#hasEnded) this.end(this.#error);
  }

  #settleEnd(reader: Reader): void {
    const error = this.#error;
    this.#error = undefined; // thrown once; then the iteration is over
    if (error === undefined) reader.resolve({ done: true, value: undefined });
    else reader.reject(error);
  }
}

function afterGap(gap: Gap): Position {
  return { epoch: gap.epoch, offset: gap.reset ? 0 : gap.to };
}
