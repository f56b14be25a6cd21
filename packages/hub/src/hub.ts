import { inspect } from "node:util";
import { type Deadline, type Listener, type MessageConn, printableLines } from "@zocalo/net";
import {
  CLOSE,
  isChannelName,
  isWithinDepth,
  type Json,
  type JsonObject,
  LIMITS,
  ProtocolError,
} from "@zocalo/protocol";
import { Channels } from "./channel.ts";
import { type Clock, systemClock } from "./clock.ts";
import { checkDataLength, commit, fromEngine, type HubContext } from "./context.ts";
import type { Committed, Engine } from "./engine.ts";
import { guests } from "./guests.ts";
import type { Authenticate } from "./identity.ts";
import { type HubLimits, hubLimits } from "./limits.ts";
import { MemoryEngine } from "./memory-engine.ts";
import { type NamespaceOptions, Namespaces } from "./namespace.ts";
import { type Random, systemRandom } from "./random.ts";
import { Session } from "./session.ts";
import { Counters, type HubStats } from "./stats.ts";

/** How a hub is set up. */
export interface HubOptions {
  /** By name. A channel whose namespace is not here is answered `unknown_channel`. */
  readonly namespaces: Readonly<Record<string, NamespaceOptions>>;
  /** Where logs and presence are kept. One engine serves one hub, which closes it. Default: `new MemoryEngine()`. */
  readonly engine?: Engine;
  /** Who somebody is. Default: `guests()`, which believes everybody; what guests may do is for the namespaces to say. */
  readonly authenticate?: Authenticate;
  readonly limits?: Partial<HubLimits>;
  /** Told to clients in `connected`. Default `zocalo/0.1.0`. */
  readonly server?: string;
  readonly clock?: Clock;
  /** Names of sessions and guests are made of it; a predictable one is for tests. */
  readonly random?: Random;
  /**
   * Told of what fails and is no client's fault: an engine, an authenticator, a permission. Default: to
   * standard error with its stack, where what it quotes of others is `printable`. Must not throw.
   */
  readonly onError?: (error: unknown) => void;
}

/** Who the server publishes as when it does not say. */
const SERVER_USER = "server";
const SERVER = "zocalo/0.1.0";
/** How long `close` waits for peers by default, in milliseconds. */
const CLOSE_MS = 5_000;

/**
 * The square: channels that connections of every kind share.
 *
 * @example
 * const hub = new Hub({ namespaces: { plaza: { subscribe: "anyone", publish: "anyone" } } });
 * await hub.serve(listener); // a Listener<MessageConn>, of any transport
 */
export class Hub {
  readonly #context: HubContext;
  readonly #sessions = new Set<Session>();
  readonly #listeners = new Set<Listener<MessageConn>>();
  /** One for all sessions: it is part of what an idle connection costs. */
  readonly #onClose = (session: Session): void => {
    this.#sessions.delete(session);
    if (this.#sessions.size === 0) this.#whenEmpty?.();
  };
  #whenEmpty: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  /** @throws RangeError for a namespace or limit that cannot be; it names the option, the value and what is allowed. */
  constructor(options: HubOptions) {
    const { clock = systemClock, random = systemRandom } = options;
    const namespaces = new Namespaces(options.namespaces);
    const limits = hubLimits(options.limits);
    const engine = options.engine ?? new MemoryEngine({ clock, random });
    const counters = new Counters();
    const channels = new Channels(engine, counters);
    this.#context = {
      engine,
      namespaces,
      channels,
      authenticate: options.authenticate ?? guests(random),
      limits,
      server: options.server ?? SERVER,
      clock,
      random,
      counters,
      report: options.onError ?? ((error) => console.error(`zocalo hub: ${printableLines(inspect(error))}`)),
    };
    engine.start({
      publication: (channel, epoch, publication) => channels.get(channel)?.publication(epoch, publication),
      replaced: (channel, state) => channels.get(channel)?.replaced(state),
      presence: (channel, event) => channels.get(channel)?.presence(event),
    });
  }

  /**
   * Takes every connection of a listener. Resolves when the listener is closed; closing the hub does that. A listener that breaks
   * down is told to `onError` too, so nobody has to wait for this.
   *
   * @throws what the listener throws
   */
  serve(listener: Listener<MessageConn>): Promise<void> {
    const serving = this.#serve(listener);
    serving.catch((error: unknown) => this.#context.report(error));
    return serving;
  }

  async #serve(listener: Listener<MessageConn>): Promise<void> {
    if (this.#closing) {
      await listener.close();
      return;
    }
    this.#listeners.add(listener);
    try {
      for await (const conn of listener) this.accept(conn);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  /** Takes one connection. Past the limit of sessions, or when the hub is closing, it is told so and closed. */
  accept(conn: MessageConn): void {
    const session = new Session(conn, this.#context, this.#onClose);
    const isFull = this.#sessions.size >= this.#context.limits.sessions;
    this.#sessions.add(session);
    conn.serve(session);
    if (this.#closing) session.disconnect(CLOSE.goingAway, "the server is closing");
    else if (isFull) session.disconnect(CLOSE.tryAgainLater, "the server is full");
  }

  /**
   * Publishes as the server; permissions do not apply, limits do. Resolves when it is committed.
   *
   * @param options `user`: whose name it bears, default `server`; `key`: publishing again with it adds nothing
   * @throws ProtocolError `unknown_channel`, `bad_command`, `too_large`, `limit_reached`, `unavailable`
   */
  async publish(
    channel: string,
    data: Json,
    options: { readonly user?: string; readonly info?: JsonObject; readonly key?: string } = {},
  ): Promise<Committed> {
    const { user = SERVER_USER, info, key } = options;
    if (!isChannelName(channel))
      throw new ProtocolError("bad_command", `${JSON.stringify(channel)} is no channel name`);
    const namespace = this.#context.namespaces.of(channel);
    const text = isWithinDepth(data, LIMITS.depth) ? JSON.stringify(data) : undefined;
    if (text === undefined) {
      throw new ProtocolError("bad_command", `"data" must be JSON and nest at most ${LIMITS.depth} deep`);
    }
    checkDataLength(text, namespace);
    const publication = { user, info: info && JSON.stringify(info), data: text, key };
    return fromEngine(this.#context, commit(this.#context, channel, namespace, publication));
  }

  /** What it is doing, and has done. */
  stats(): HubStats {
    const { counters, channels } = this.#context;
    return { ...counters.counted(), sessions: this.#sessions.size, channels: channels.size };
  }

  /**
   * Closes everything, in order: no more connections, every session is told to go away (1001), then the listeners and the engine.
   * What has not ended at the deadline is aborted. A second call waits for the first.
   *
   * @param options `deadline`: default in 5 seconds; `null`: none
   */
  close(options: { readonly deadline?: Deadline } = {}): Promise<void> {
    this.#closing ??= this.#close(
      options.deadline === undefined ? this.#context.clock.now() + CLOSE_MS : options.deadline,
    );
    return this.#closing;
  }

  async #close(deadline: Deadline): Promise<void> {
    const listeners = [...this.#listeners];
    const stopped = listeners.map((listener) => listener.close());
    await this.#endSessions(deadline);
    await Promise.all(stopped);
    await Promise.all(listeners.map((listener) => listener.drain(deadline)));
    await this.#context.engine.close();
  }

  async #endSessions(deadline: Deadline): Promise<void> {
    for (const session of this.#sessions) session.disconnect(CLOSE.goingAway, "the server is closing");
    if (this.#sessions.size === 0) return;
    const { clock } = this.#context;
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    const abortAll = (): void => {
      for (const session of this.#sessions) session.conn.abort();
    };
    const timer = deadline === null ? undefined : clock.after(Number(deadline) - clock.now(), abortAll);
    await empty;
    timer?.cancel();
  }
}
