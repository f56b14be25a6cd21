import { checkJson, type Json, ProtocolError, type ReceivedAnswer } from "@zocalo/protocol";
import { encode } from "../connection/encode.ts";
import { ChannelError } from "../primitives/error.ts";
import type { Feed } from "./feed.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { type Presence, readPresence } from "./presence-list.ts";
import { type Content, type Published, toContent, unexpected } from "../outbox/publication.ts";
import {
  type IterateOptions,
  type Publication,
  type Publications,
  type SubscribeOptions,
  Subscriber,
  type Subscription,
  type SubscriptionHandlers,
} from "./subscription.ts";

/** On a transport of lines they would begin another message. In JSON they stand only between values. */
const LINE_BREAKS = /[\r\n]/g;

/** What every call that waits accepts. */
export interface CallOptions {
  /** Stops waiting. What was sent may still be carried out. */
  readonly signal?: AbortSignal;
}

export interface PublishOptions extends CallOptions {
  /**
   * Idempotency key, 1 to 64 characters: publishing twice with the same key publishes once, as long as the
   * server remembers it. Default: a new one for each call, used for all its attempts. Pass your own to
   * survive a restart of your program, too.
   */
  readonly key?: string;
  /**
   * False: it is not put into the store of `ConnectOptions.keep`, and is lost with the page. For what is of
   * this moment, like who is typing. Default true.
   */
  readonly keep?: boolean;
  /** Called when the store has it: from now on it outlives the page. */
  readonly kept?: () => void;
}

export interface HistoryOptions extends CallOptions {
  /**
   * Only publications below this offset. Default: from the newest. A page with another `epoch` than the one
   * before it is of another log: begin again.
   */
  readonly before?: number;
  /** At most this many, 1 to 1,000. Default 50. */
  readonly limit?: number;
}

/** A page of a channel's log. */
export interface HistoryPage<T = Json> {
  readonly epoch: string;
  /** The newest offset. */
  readonly head: number;
  /** The oldest offset that is still kept; `head + 1` when the log is empty. */
  readonly oldest: number;
  /** Ascending by offset. */
  readonly publications: readonly Publication<T>[];
}

/** What somebody casts. */
export interface Cast<C = Json> {
  /** Who, as the server knows them. */
  readonly user: string;
  readonly key?: string;
  /** Which of their sessions, by its public name; left out where the namespace does not tell. */
  readonly sender?: string;
  /** What `JSON.parse` makes of `json`; in a namespace of bytes a `Uint8Array`. Believed, not checked. */
  readonly data: C;
  /** What was cast, as the JSON text that came. Empty where `data` is bytes. */
  readonly json: string;
}

/** What a channel has of its session. */
export interface ChannelHost {
  readonly outbox: Outbox;
  readonly timeoutMs: number;
  feed(): Feed;
  newKey(): string;
  cast(to: object, data: unknown): boolean;
  onCast<C>(handler: (cast: Cast<C>) => void): () => void;
}

/** A channel of the session's server. `T` is what is published in it: it is believed, not checked. */
export class Channel<T = Json> {
  readonly name: string;
  readonly #host: ChannelHost;

  constructor(name: string, host: ChannelHost) {
    this.name = name;
    this.#host = host;
  }

  /**
   * Publishes once, however often the connection is lost meanwhile: waits in the outbox until the server has
   * committed it. Publications of one session to a channel keep their order, but for one that is put off:
   * those that are on their way already may overtake what the server refuses for now, and all others what the
   * store cannot mark as sent.
   *
   * A refusal that nobody awaits is lost; it does not end the process.
   *
   * @param data what JSON can say, or in a namespace of bytes a `Uint8Array`, which is read at once
   * @throws ChannelError `outbox_full`, `too_large`, `closed`, `unknown_outcome`, or the code of the server's
   * refusal
   * @example const { offset } = await room.publish({ text: "hola" });
   */
  publish(data: T, options: PublishOptions = {}): Promise<Published> {
    return optional(this.#publish(() => toContent(data, this.name), options));
  }

  /**
   * `publish` of what is JSON text already, for what `JSON.stringify` cannot say. Subscribers get that text,
   * but with spaces for CR and LF between values.
   *
   * @throws ChannelError as `publish`; `bad_command` if it is not JSON
   * @example await room.publishJson('{"id":1688888483063664642}');
   */
  publishJson(json: string, options: PublishOptions = {}): Promise<Published> {
    return optional(this.#publish(() => ({ json: this.#checked(json) }), options));
  }

  /**
   * Says what is of this moment to those who are subscribed: where the pointer is, who is typing. It is in no
   * log and is not said again; where somebody does not take it at once, the newest of each key waits for
   * them.
   *
   * @param data as for `publish`
   * @param options `key`: of what it is the newest, 1 to 64 characters; default: of all that this user casts
   *   to the channel without one
   * @returns false: it was not sent. There is no connection, or no room in it; as text it is at most 16,384
   *   characters
   * @throws TypeError for what JSON cannot say
   * @example room.cast({ x: 3, y: 4 }, { key: "pointer" });
   */
  cast(data: unknown, { key }: { readonly key?: string } = {}): boolean {
    return this.#host.cast({ channel: this.name, key }, data);
  }

  /**
   * Calls `handler` with what others cast, while the channel is subscribed.
   *
   * @returns stops that
   * @example const stop = room.onCast(({ user, data }) => console.log(user, data));
   */
  onCast<C = Json>(handler: (cast: Cast<C>) => void): () => void {
    return this.#host.onCast(handler);
  }

  #checked(json: string): string {
    try {
      checkJson(json);
      return json.replace(LINE_BREAKS, " ");
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new ChannelError(error.code, this.name, error.message);
    }
  }

  /** @param toContent called at once: what it throws is the promise's */
  async #publish(toContent: () => Content, options: PublishOptions): Promise<Published> {
    const content = toContent();
    const { key = this.#host.newKey(), keep = true, kept, signal } = options;
    const unpublished = { channel: this.name, key, ...content };
    return this.#host.outbox.publish(unpublished, { isKept: keep, kept, signal });
  }

  /**
   * Subscribes, with handlers or to iterate over. Several subscriptions of one session share one at the
   * server.
   *
   * @example for await (const { data, offset } of room.subscribe({ last: 50 })) show(offset, data.text);
   */
  subscribe(options?: IterateOptions): Publications<T>;
  subscribe(options: SubscribeOptions, handlers: SubscriptionHandlers<T>): Subscription;
  subscribe(options: IterateOptions = {}, handlers?: SubscriptionHandlers<T>): Publications<T> {
    const feed = this.#host.feed();
    const subscriber = new Subscriber(feed, options, handlers as SubscriptionHandlers | undefined);
    if (options.signal?.aborted) subscriber.close();
    else {
      const refusal = this.#host.outbox.refusal(this.name, undefined);
      if (refusal === undefined) feed.join(subscriber);
      else subscriber.end(refusal);
    }
    return subscriber as unknown as Publications<T>;
  }

  /**
   * Reads a page of the log without subscribing.
   *
   * @throws ChannelError `timeout`, `closed`, or the code of the server's refusal
   */
  history(options: HistoryOptions = {}): Promise<HistoryPage<T>> {
    return optional(this.#history(options));
  }

  async #history(options: HistoryOptions): Promise<HistoryPage<T>> {
    const { before, limit, signal } = options;
    const { epoch, head, oldest, publications } = await this.#ask("history", { before, limit }, signal);
    return { epoch, head, oldest, publications: publications as readonly Publication<T>[] };
  }

  /**
   * Asks who is there, page by page, up to 10,000 users.
   *
   * @throws ChannelError `timeout`, `closed`, or the code of the server's refusal
   */
  presence(options: CallOptions = {}): Promise<Presence> {
    return optional(readPresence((after) => this.#ask("presence", { after }, options.signal)));
  }

  /** Asks for what is answered by the type of the command. */
  async #ask<Type extends "history" | "presence">(
    type: Type,
    which: Readonly<Partial<Record<"before" | "limit" | "after", number | undefined>>>,
    signal: AbortSignal | undefined,
  ): Promise<Extract<ReceivedAnswer, { type: Type }>> {
    const { name: channel } = this;
    const { outbox, timeoutMs } = this.#host;
    const answer = await outbox.request({
      channel,
      encode: encode({ type, channel, ...which }),
      timeoutMs,
      signal,
    });
    if (answer.type !== type) throw unexpected(answer, channel);
    return answer as Extract<ReceivedAnswer, { type: Type }>;
  }
}

/**
 * Whoever awaits `promise` is told of its failure. Nobody has to: what a server answers must not end the
 * process.
 */
export function optional<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
