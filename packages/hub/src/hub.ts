import { inspect } from "node:util";
import {
  type Deadline,
  exemptSet,
  hostOf,
  type Listener,
  type MessageConn,
  NetError,
  type Peer,
  printableLines,
} from "@zocalo/net";
import {
  checkJson,
  isChannelName,
  isMethodName,
  isWithinDepth,
  type Data,
  type JsonObject,
  LIMITS,
  ProtocolError,
  toOneLine,
} from "@zocalo/protocol";
import { checkKind, checkNames, type Names } from "@zocalo/net/transport";
import { Authentications } from "./session/authentication.ts";
import { Allowed } from "./channel/allowed.ts";
import { Backlog } from "./channel/backlog.ts";
import { Channels } from "./channel/channel.ts";
import { castAsServer, checkKey, handleCasts } from "./session/casts.ts";
import { systemClock, type Timer } from "./primitives/clock.ts";
import { type CastHandler, checkData, commit, fromEngine, type HubContext } from "./session/context.ts";
import type { Committed } from "./engine/engine.ts";
import { Directory } from "./session/directory.ts";
import { guests } from "./session/guests.ts";
import { type CallHandler, type HandleOptions, Handlers } from "./session/handlers.ts";
import { checkOptions, type HubOptions } from "./hub-options.ts";
import { hubLimits } from "./policy/limits.ts";
import { MemoryEngine } from "./memory/memory-engine.ts";
import { type MessageSizes, Namespaces } from "./policy/namespace.ts";
import { systemRandom } from "./primitives/random.ts";
import { type HubHistory, type HubHistoryOptions, readLog } from "./session/read-log.ts";
import { type SendResult, sendToSession, sendToUser } from "./session/messages.ts";
import { Sessions } from "./session/sessions.ts";
import { Counters, type HubStats } from "./channel/stats.ts";
import { PresencePages } from "./session/presence-pages.ts";
import { Reads } from "./session/reads.ts";
import { SharedAnswers } from "./channel/shared-answers.ts";
import { Turns } from "./session/turns.ts";

/** What a hub publishes with. */
export interface HubPublishOptions {
  /** Whose name it bears. Default `server`. */
  readonly user?: string;
  /** Shown beside it. */
  readonly info?: JsonObject;
  /** Idempotency key: publishing again with it adds nothing. */
  readonly key?: string;
}

/** What a hub casts with. */
export interface HubCastOptions {
  /** Whose name it bears. Default `server`. */
  readonly user?: string;
  /** Of what it is the newest, 1 to 64 characters. Default: of all that is cast without a key. */
  readonly key?: string;
}

/** To whom a hub sends: to a session by its public name, or to all sessions of a user. */
export type Recipient = { readonly session: string } | { readonly user: string };

/** What a hub sends with. */
export interface HubSendOptions {
  /**
   * True: it is of this moment. Where a peer does not take it at once it waits, until a newer one of its
   * topic and key comes or there is room. Default false: it is given to the connection, or refused.
   */
  readonly volatile?: boolean;
  /** Of what it is the newest, 1 to 64 characters; only of what is volatile. Default: of its topic. */
  readonly key?: string;
}

const publishOptionNames: Names<HubPublishOptions> = { user: 1, info: 1, key: 1 };
const castOptionNames: Names<HubCastOptions> = { user: 1, key: 1 };
const sendOptionNames: Names<HubSendOptions> = { volatile: 1, key: 1 };

/** Who the server publishes as when it does not say. */
const SERVER_USER = "server";
const SERVER = "zocalo/0.1.0";
/** How long `close` takes at most by default, in milliseconds. */
const CLOSE_MS = 5_000;
/** Of answers to `history` that are kept to be given again, in characters: 8 MiB if they are not Latin. */
const MAX_HISTORY_LENGTH = 4_194_304;
/** Of that time: one peer that does not go must not leave the engine without any. */
const SHARE_OF_PEERS = 0.8;

/**
 * The square: channels that connections of every kind share.
 *
 * @example
 * const hub = new Hub({ namespaces: { plaza: { subscribe: "anyone", publish: "anyone" } } });
 * await hub.serve(listener); // a Listener<MessageConn>, of any transport
 */
export class Hub {
  readonly #context: HubContext;
  readonly #sessions: Sessions;
  readonly #listeners = new Set<Listener<MessageConn>>();
  #closing: Promise<void> | undefined;

  /**
   * @throws NetError `invalid_argument` for a name of an option that is not known, and a value that cannot
   *   be; it says which, and what is allowed.
   */
  constructor(options: HubOptions) {
    checkOptions(options);
    const exempt = exemptSet(options.exemptAddresses);
    const { clock = systemClock, random = systemRandom } = options;
    const namespaces = new Namespaces(options.namespaces);
    const limits = hubLimits(options.limits);
    const engine = options.engine ?? new MemoryEngine({ clock, random });
    const counters = new Counters();
    const backlog = new Backlog(limits.unreadBytes, clock, () => this.#sessions.onStreams());
    const channels = new Channels(engine, counters, clock, limits.presenceBytes, backlog);
    this.#context = {
      engine,
      namespaces,
      channels,
      backlog,
      handlers: new Handlers(),
      waitingCasts: new Allowed(limits.waitingCastBytesInAll),
      directory: new Directory(random, () => this.#sessions.all),
      castHandlers: new Map(),
      turns: new Turns(clock),
      reads: new Reads(),
      pages: new SharedAnswers(clock, ({ body }) => body.length, MAX_HISTORY_LENGTH),
      presencePages: new PresencePages(),
      authenticate: options.authenticate ?? guests(random),
      authentications: new Authentications(limits.authenticationsPerAddress),
      limits,
      server: options.server ?? SERVER,
      clock,
      random,
      counters,
      report: options.onError ?? ((error) => console.error(`zocalo hub: ${printableLines(inspect(error))}`)),
    };
    const whereIs = options.hostOf ?? (({ addr }: Peer) => hostOf(addr));
    this.#sessions = new Sessions(this.#context, whereIs, exempt);
    engine.start({
      publication: (channel, epoch, publication) => channels.get(channel)?.publication(epoch, publication),
      replaced: (channel, state) => channels.get(channel)?.replaced(state),
      presence: (channel, event) => channels.get(channel)?.presence.tell(event),
    });
  }

  /**
   * Takes every connection of a listener. Resolves when the listener is closed; closing the hub does that. A
   * listener that breaks down is told to `onError` too, so nobody has to wait for this.
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

  /** What its listeners have to take, and its connections to send. */
  get sizes(): MessageSizes {
    return this.#context.namespaces.sizes;
  }

  /** True while one more connection would be turned away because there are as many as there may be. */
  get isFull(): boolean {
    return this.#sessions.isFull;
  }

  /**
   * Takes one connection. Past the limit of sessions, of all or of its address, or when the hub is closing,
   * it is told so and closed.
   */
  accept(conn: MessageConn): void {
    this.#sessions.accept(conn);
  }

  /**
   * Publishes as the server; permissions do not apply, limits do. Resolves when it is committed. Bytes are
   * for namespaces with `data: "bytes"`, which take nothing else, and read before this returns.
   *
   * @throws ProtocolError `unknown_channel`, `bad_command`, `too_large`, `limit_reached`, `unavailable`
   * @throws NetError `invalid_argument` for an option whose name or kind is not known
   */
  async publish(channel: string, data: Data, options: HubPublishOptions = {}): Promise<Committed> {
    return this.#publish(channel, toContent(data), options);
  }

  /**
   * `publish` of what is JSON text already. Subscribers get that text, but with spaces for CR and LF between
   * values.
   *
   * @throws ProtocolError and NetError as `publish`; `bad_command` if it is not JSON
   * @example await hub.publishJson("plaza:general", '{"id":1688888483063664642}');
   */
  async publishJson(channel: string, json: string, options: HubPublishOptions = {}): Promise<Committed> {
    checkJson(json);
    return this.#publish(channel, toOneLine(json), options);
  }

  async #publish(channel: string, data: string | Uint8Array, options: HubPublishOptions): Promise<Committed> {
    checkNames("set", "publish", options, publishOptionNames);
    const { user = SERVER_USER, info, key } = options;
    checkKind("set", "user", user, "string");
    checkKind("set", "info", info, "object");
    checkKind("set", "key", key, "string");
    checkName(channel, isChannelName);
    const namespace = this.#context.namespaces.of(channel);
    checkData(data, namespace);
    const publication = { user, info: info && JSON.stringify(info), data, key };
    return fromEngine(this.#context, commit(this.#context, channel, namespace, publication));
  }

  /**
   * Reads a part of a channel's log, oldest first; permissions do not apply.
   *
   * @throws ProtocolError `unknown_channel`, `bad_command` for what is no name of a channel, `unavailable`
   * @throws NetError `invalid_argument` for an option whose name or value is not allowed
   * @example
   * const { publications, head } = await hub.history("plaza:general", { after: 40, limit: 10 });
   */
  async history(channel: string, options: HubHistoryOptions = {}): Promise<HubHistory> {
    checkName(channel, isChannelName);
    return readLog(this.#context, channel, options);
  }

  /**
   * Carries out what clients call by this name. Calls are carried out side by side, each within the time that
   * it asked for, at most `HubLimits.callMs`. The answer to a client whose connection was lost is lost, too.
   *
   * @param method 1 to 128 letters, digits and `_ . ~ @ / : -`
   * @param handler gives the result, or a promise of it; see `CallHandler`
   * @returns takes no more calls; those under way go on
   * @throws ProtocolError `bad_command` for a name that is none, or has a handler already
   * @throws NetError `invalid_argument` for an option whose name or kind is not known
   * @example
   * const stop = hub.handle("shop.price", async ({ user }, item) => {
   *   if (item !== "hat") throw new CallError("unknown_item", "we have hats");
   *   return { price: 7, for: user };
   * });
   */
  handle(method: string, handler: CallHandler, options: HandleOptions = {}): () => void {
    return this.#context.handlers.add(method, handler, options);
  }

  /**
   * Says what is of this moment to those who are subscribed to a channel here: it is in no log, and where one
   * of them does not take it at once only the newest of each key waits. Permissions do not apply. Bytes are
   * read before this returns.
   *
   * @throws ProtocolError `unknown_channel`, `bad_command`, `too_large`
   * @throws NetError `invalid_argument` for an option whose name or kind is not known
   * @example hub.cast("arena:1", { round: 3 }, { key: "round" });
   */
  cast(channel: string, data: Data, options: HubCastOptions = {}): void {
    checkNames("set", "cast", options, castOptionNames);
    const { user = SERVER_USER, key } = options;
    checkKind("set", "user", user, "string");
    checkKind("set", "key", key, "string");
    checkName(channel, isChannelName);
    castAsServer(this.#context, channel, toContent(data), user, key);
  }

  /**
   * Takes what clients cast by a method. Each cast counts against their rates as a command.
   *
   * @param method letters, digits and `_.~@/:-`, at most 128 characters
   * @returns takes no more
   * @throws ProtocolError `bad_command` for a name that is none, or is taken
   * @example
   * const stop = hub.onCast("arena.input", ({ session }, data) => {
   *   hub.send({ session }, "arena.seen", data, { volatile: true });
   * });
   */
  onCast(method: string, handler: CastHandler): () => void {
    checkName(method, isMethodName);
    checkKind("set", "handler", handler ?? null, "function");
    return handleCasts(this.#context, method, handler);
  }

  /**
   * Sends a message to one session, or to all sessions of a user, as they are now. It is given to the
   * connection if there is room, and never waits anywhere else, unless it is volatile. Over UDP it may be
   * lost. Bytes are read before this returns.
   *
   * @param topic made like the name of a method; clients listen by it
   * @returns in how many sessions it was sent, waits, or was refused
   * @throws ProtocolError `bad_command`, `too_large` past 1,048,576 characters or bytes
   * @throws NetError `invalid_argument` for an option whose name or kind is not known
   * @example
   * const { sent } = hub.send({ user: "ana" }, "shop.ready", { order: 7 });
   */
  send(to: Recipient, topic: string, data: Data, options: HubSendOptions = {}): SendResult {
    checkNames("set", "send", options, sendOptionNames);
    const { volatile: isVolatile = false, key } = options;
    checkKind("set", "volatile", isVolatile, "boolean");
    checkKind("set", "key", key, "string");
    checkName(topic, isMethodName);
    if (key !== undefined && !isVolatile) {
      const reason = '"key" is for what is volatile';
      throw new NetError({ op: "set", code: "invalid_argument", reason });
    }
    checkKey(key);
    const sending = { topic, data: toContent(data), isVolatile, key: key ?? "" };
    if ("session" in to) return sendToSession(this.#context, to.session, sending);
    return sendToUser(this.#context, to.user, sending);
  }

  /** What it is doing, and has done. */
  stats(): HubStats {
    const { counters, channels } = this.#context;
    const { count: sessions, unverifiedCount: unverifiedSessions } = this.#sessions;
    return { ...counters.counted(), sessions, unverifiedSessions, channels: channels.size };
  }

  /**
   * Closes everything, in order: no more connections, every session is told to go away (1001), then the
   * listeners and the engine. What has not ended after four fifths of the time is aborted, so that the engine
   * has the last fifth. One that is still closing at the deadline is left to do so, which is told to
   * `onError`. A second call waits for the first.
   *
   * @param options `deadline`: default in 5 seconds; `null`: none
   */
  close(options: { readonly deadline?: Deadline } = {}): Promise<void> {
    const { deadline } = options;
    // At once: a clock that is set meanwhile does not move it.
    const { clock } = this.#context;
    const forMs = deadline === undefined ? CLOSE_MS : deadline && Number(deadline) - clock.wall();
    this.#closing ??= this.#close(forMs);
    return this.#closing;
  }

  /** @param forMs how long it may take; `null`: any time */
  async #close(forMs: number | null): Promise<void> {
    const { clock } = this.#context;
    const beganAt = clock.uptime();
    const endsAt = beganAt + (forMs ?? Number.POSITIVE_INFINITY);
    const peersMs = forMs && forMs * SHARE_OF_PEERS;
    const listeners = [...this.#listeners];
    const stopped = listeners.map((listener) => listener.close());
    await this.#sessions.close(peersMs);
    this.#context.backlog.close();
    await Promise.all(stopped);
    const deadline = peersMs === null ? null : Date.now() + (beganAt + peersMs - clock.uptime());
    await Promise.all(listeners.map((listener) => listener.drain(deadline)));
    await this.#engineClosed(endsAt);
  }

  /** Waits for the engine until then; one that takes longer goes on by itself. */
  async #engineClosed(endsAt: number): Promise<void> {
    const { clock, engine } = this.#context;
    const closed = engine.close();
    if (endsAt === Number.POSITIVE_INFINITY) return closed;
    let timer: Timer | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = clock.after(Math.max(0, endsAt - clock.uptime()), () => resolve("late"));
    });
    const isLate = (await Promise.race([closed, late])) === "late";
    timer?.cancel();
    if (!isLate) return;
    const report = (error: unknown): void => this.#context.report(error);
    report(new Error("the engine has not closed by the deadline; what was acknowledged is safe"));
    closed.catch(report);
  }
}

/** JSON text, or the bytes that were given. @throws ProtocolError `bad_command` */
function toContent(data: Data): string | Uint8Array {
  if (data instanceof Uint8Array) return data;
  const json = isWithinDepth(data, LIMITS.depth) ? JSON.stringify(data) : undefined;
  if (json !== undefined) return json;
  throw new ProtocolError("bad_command", `"data" must be JSON and nest at most ${LIMITS.depth} deep`);
}

/** @throws ProtocolError `bad_command` for what is no name of a channel, method or topic */
function checkName(name: string, isName: (text: string) => boolean): void {
  if (!isName(name)) throw new ProtocolError("bad_command", `${JSON.stringify(name)} is no name of its kind`);
}
