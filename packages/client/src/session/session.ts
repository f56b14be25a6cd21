import { type Connected, type Refreshed, isChannelName, type Json, type JsonObject } from "@zocalo/protocol";
import { type BackoffOptions, backoffMs } from "./backoff.ts";
import { NORMAL } from "../connection/close-codes.ts";
import { callSafely } from "../primitives/call-safely.ts";
import { callMethod, type MethodOptions } from "../channel/call.ts";
import { Channel, type ChannelHost, optional } from "../channel/channel.ts";
import type { Clock } from "../primitives/clock.ts";
import { SessionError } from "../primitives/error.ts";
import { Feed } from "../channel/feed.ts";
import type { KeepOptions } from "../outbox/keep.ts";
import type { Link } from "../connection/link.ts";
import { type LinkTarget, openLink } from "../connection/open-link.ts";
import type { Network } from "./network.ts";
import { encodeCast, toContent } from "../outbox/publication.ts";
import { Outbox, type OutboxLimits } from "../outbox/outbox.ts";
import { uniqueName } from "../primitives/unique-name.ts";
import { onSleep } from "./wake.ts";
import { withResolvers } from "../primitives/with-resolvers.ts";

/** After a connection that lasted this long, in milliseconds, the next loss counts as the first. */
const STABLE_MS = 5_000;

/** What a session is doing. */
export type SessionState =
  | {
      readonly name: "connecting";
      /** 1 for the first attempt since there was a connection that lasted. */
      readonly attempt: number;
    }
  | {
      readonly name: "connected";
      /** The user, as the server knows us. */
      readonly user: string;
      /** The name of this connection at the server, which no other has. */
      readonly session: string;
    }
  | {
      readonly name: "waiting";
      /** How many attempts have failed, or 1 after a connection was lost. */
      readonly attempt: number;
      /** When it connects again, in milliseconds of the clock's `uptime`: that of `performance.now()`. */
      readonly retryAt: number;
      /** Why there is no connection. */
      readonly cause: SessionError;
    }
  | {
      readonly name: "closed";
      /** Why, unless `close` was called. */
      readonly cause?: SessionError;
    };

/** What the server's program sends to a session. */
export interface Message<T = Json> {
  readonly topic: string;
  /** What `JSON.parse` makes of `json`, or a `Uint8Array`. It is believed, not checked. */
  readonly data: T;
  /** The same as the JSON text that came. Empty where `data` is bytes. */
  readonly json: string;
}

/** What `connect` hands over, all defaults filled in. */
export interface SessionSettings extends LinkTarget {
  readonly backoff: Required<BackoffOptions>;
  readonly outbox: Required<OutboxLimits>;
  readonly keep: KeepOptions | undefined;
  readonly network: Network;
  readonly random: () => number;
}

/**
 * A user's session at a server. It outlives connections: it connects again by itself, takes subscriptions up
 * where they were and publishes what is not acknowledged yet. Made by `connect`.
 */
export class Session {
  readonly #settings: SessionSettings;
  readonly #clock: Clock;
  readonly #outbox: Outbox;
  readonly #feeds = new Map<string, Feed>();
  /** Of states with "", of casts with the channel, of messages with the topic behind a space. */
  readonly #listeners = new Set<readonly [string, (said: never) => void]>();
  readonly #stopWake: (() => void)[];
  readonly #keyPrefix = uniqueName();
  #lastKey = 0;
  #state: SessionState = { name: "connecting", attempt: 1 };
  #attempt = 0;
  #connectedAt: number | undefined;
  #link: Link | undefined;
  #user: string | undefined;
  #info: JsonObject | undefined;
  #stopOpening: (() => void) | undefined;
  #stopWaiting: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(settings: SessionSettings) {
    this.#settings = settings;
    this.#clock = settings.clock;
    this.#outbox = new Outbox(settings.clock, settings.outbox, settings.keep);
    this.#stopWake = [
      settings.network.watch((event) => (event === "offline" ? this.#offline() : this.reconnectNow())),
      onSleep(this.#clock, (pause) => {
        if (pause === "slept") {
          this.#link?.renew?.();
          this.reconnectNow();
        } else this.#probe();
      }),
    ];
    this.#open();
  }

  /** What the session is doing now. */
  get state(): SessionState {
    return this.#state;
  }

  /** The user, as the server knows us; unknown before the first connection. */
  get user(): string | undefined {
    return this.#user;
  }

  /** What others are shown about the user, as the server keeps it. */
  get info(): JsonObject | undefined {
    return this.#info;
  }

  /**
   * Calls `listener` at each change of state, not for the present one.
   *
   * @returns stops that
   */
  onState(listener: (state: SessionState) => void): () => void {
    return this.#listen("", listener);
  }

  /**
   * Says what is of this moment to the server's program, which takes it by `hub.onCast`: what is pressed now.
   * It is not said again.
   *
   * @param method letters, digits and `_.~@/:-`, at most 128 characters
   * @param data what JSON can say, or a `Uint8Array`
   * @returns false: it was not sent. There is no connection, or no room in it; as text it is at most 16,384
   *   characters
   * @throws TypeError for what JSON cannot say
   * @example session.cast("arena.input", { left: true });
   */
  cast(method: string, data: unknown): boolean {
    return this.#cast({ method }, data);
  }

  /**
   * Calls `handler` with what the server's program sends to this session, or to its user, by `hub.send`.
   *
   * @returns stops that
   * @example session.onMessage("shop.ready", ({ data }) => console.log(data));
   */
  onMessage<T = Json>(topic: string, handler: (message: Message<T>) => void): () => void {
    return this.#listen(` ${topic}`, handler);
  }

  #cast(to: object, data: unknown): boolean {
    return this.#link?.cast(encodeCast(to, toContent(data, "cast"))) ?? false;
  }

  #listen(to: string, listener: (said: never) => void): () => void {
    const entry = [to, listener] as const;
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  #tell(to: string, said: unknown): void {
    // One that is added meanwhile hears of the next.
    for (const [name, listener] of [...this.#listeners]) {
      if (name === to) callSafely(() => listener(said as never));
    }
  }

  /**
   * A channel. Costs nothing and sends nothing: the same name gives a handle on the same channel.
   *
   * @param name namespace:name of letters, digits and `_.~@/-`, at most 128 characters
   * @throws TypeError for another
   */
  channel<T = Json>(name: string): Channel<T> {
    if (!isChannelName(name)) throw new TypeError(`not a channel name: ${JSON.stringify(name)}`);
    const host: ChannelHost = {
      outbox: this.#outbox,
      timeoutMs: this.#settings.timeoutMs,
      feed: () => this.#feed(name),
      cast: (to, data) => this.#cast(to, data),
      onCast: (handler) => this.#listen(name, handler),
      newKey: () => `${this.#keyPrefix}-${++this.#lastKey}`,
    };
    return new Channel<T>(name, host);
  }

  /**
   * Has the server's program do something, once: a call waits for a connection, and is not sent again. Calls
   * are carried out side by side, in whatever order they are done.
   *
   * @param input what JSON can say, a `Uint8Array`, or nothing; read at once
   * @returns what the program gives; `Output` is believed, not checked. `undefined` if it gives nothing
   * @throws CallError what the program refused, with its own code
   * @throws ChannelError `connection_lost` after it was sent, so that it may have been carried out;
   *   `deadline_exceeded`, `unknown_method`, `forbidden`, `limit_reached`, `rate_limited`, `too_large`,
   *   `unavailable` if the program failed, `closed`. The signal's reason if it is aborted, which the server
   *   is told
   * @example const { price } = await session.call<{ price: number }>("shop.price", "hat");
   */
  call<Output = Json>(method: string, input?: unknown, options: MethodOptions = {}): Promise<Output> {
    const { deadlineMs = this.#settings.timeoutMs, signal } = options;
    return optional(callMethod<Output>(this.#outbox, this.#clock, method, input, deadlineMs, signal));
  }

  /**
   * Connects at once instead of waiting; where there is a connection, has it show a sign of life. In browsers
   * the session does so by itself when the machine is online again or the page is looked at again.
   */
  reconnectNow(): void {
    if (this.#state.name === "waiting") this.#open();
    else this.#probe();
  }

  /**
   * Ends the session: subscriptions end quietly, and publications that are not acknowledged are rejected with
   * `closed` (the server may or may not have them). Await them before to be sure. What is in the store of
   * `ConnectOptions.keep` stays there for the next session.
   */
  close(): Promise<void> {
    return this.#close(undefined);
  }

  /** `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #probe(): void {
    if (this.#state.name === "connected") this.#link?.awoke();
  }

  /** The browser has no network any more. A connection is not waited for to be found dead. */
  #offline(): void {
    const state = this.#state;
    const error = offline();
    if (state.name === "waiting") this.#become({ ...state, cause: error });
    else if (this.#link !== undefined) this.#link.abort(error.message);
    else if (this.#stopOpening !== undefined) {
      this.#stopOpening();
      this.#wait(error);
    }
  }

  #open(): void {
    this.#stopWaiting?.();
    this.#attempt += 1;
    this.#become({ name: "connecting", attempt: this.#attempt });
    if (this.#state.name !== "connecting") return; // a listener closed the session
    this.#stopOpening = openLink(this.#settings, {
      opened: (link, connected) => this.#opened(link, connected),
      failed: (error) => this.#wait(error),
      lost: (error) => this.#lost(error),
      push: (push, length) => {
        if (push.type === "message") this.#tell(` ${push.topic}`, push);
        else if (push.type === "cast") this.#tell(push.channel, push);
        else this.#feeds.get(push.channel)?.push(push, length);
      },
    });
  }

  #opened(link: Link, connected: Connected): void {
    const { user, session, pingMs, commandBytes, keyMs, sender } = connected;
    link.sender = sender;
    link.allowance.told(connected);
    this.#stopOpening = undefined;
    this.#link = link;
    this.#user = user;
    this.#connectedAt = this.#clock.uptime();
    link.keepAlive(pingMs);
    this.#took(link, connected);
    this.#become({ name: "connected", user, session });
    if (this.#link !== link) return; // a listener closed the session
    for (const feed of this.#feeds.values()) feed.connected(link);
    this.#outbox.connected(link, commandBytes, keyMs);
  }

  /** The server has a token of ours, and says how long it lasts. */
  #took(link: Link, answer: Connected | Refreshed): void {
    const { token, random } = this.#settings;
    const { info, tokenMs = 0 } = answer;
    this.#info = info;
    if (typeof token === "function") link.keepFresh(token, tokenMs, random, (next) => this.#took(link, next));
  }

  #lost(error: SessionError): void {
    this.#link = undefined;
    this.#outbox.lost();
    for (const feed of this.#feeds.values()) feed.lost();
    const lastedMs = this.#clock.uptime() - (this.#connectedAt ?? this.#clock.uptime());
    if (lastedMs >= STABLE_MS) this.#attempt = 0;
    this.#wait(error);
  }

  #wait(cause: SessionError): void {
    this.#stopOpening = undefined;
    if (cause.isFinal) {
      void this.#close(cause);
      return;
    }
    const attempt = Math.max(1, this.#attempt);
    const jittered = backoffMs(attempt, this.#settings.random(), this.#settings.backoff);
    const ms = Math.max(jittered, cause.retryMs ?? 0);
    this.#stopWaiting = this.#clock.after(ms, () => this.#open());
    const told = this.#settings.network.isOffline ? offline(cause) : cause;
    this.#become({ name: "waiting", attempt, retryAt: this.#clock.uptime() + ms, cause: told });
  }

  #close(cause: SessionError | undefined): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    const link = this.#link;
    this.#link = undefined;
    // Before anybody is told, who might call `close` in turn. Whether it ends in order or not, it is gone.
    const { promise, resolve } = withResolvers<void>();
    this.#closing = promise;
    const outboxClosed = this.#outbox.close(cause); // cancels calls, while it can
    const linkClosed = Promise.resolve(link?.close(NORMAL, ""));
    this.#stopOpening?.();
    this.#stopWaiting?.();
    for (const stop of this.#stopWake) stop();
    this.#become({ name: "closed", ...(cause && { cause }) });
    for (const feed of this.#feeds.values()) feed.close(cause);
    void Promise.allSettled([linkClosed, outboxClosed]).then(() => resolve());
    return promise;
  }

  #feed(channel: string): Feed {
    let feed = this.#feeds.get(channel);
    if (feed === undefined) {
      const made = new Feed(channel, this.#clock, this.#link, () => {
        if (this.#feeds.get(channel) === made) this.#feeds.delete(channel);
      });
      this.#feeds.set(channel, made);
      feed = made;
    }
    return feed;
  }

  #become(state: SessionState): void {
    this.#state = state;
    this.#tell("", state);
  }
}

function offline(cause?: SessionError): SessionError {
  if (cause?.code === "offline") return cause;
  return new SessionError("offline", "this browser has no network", { cause });
}
