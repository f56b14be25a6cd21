import { isIP } from "node:net";
import { inspect } from "node:util";
import {
  type Deadline,
  exemptSet,
  hostOf,
  type Listener,
  type MessageConn,
  type Peer,
  printableLines,
} from "@zocalo/net";
import { shown } from "@zocalo/net/transport";
import {
  checkJson,
  CLOSE,
  isChannelName,
  isWithinDepth,
  type Json,
  type JsonObject,
  LIMITS,
  ProtocolError,
} from "@zocalo/protocol";
import { Channels } from "./channel/channel.ts";
import { type Clock, systemClock, type Timer } from "./primitives/clock.ts";
import { checkDataLength, commit, fromEngine, type HubContext } from "./session/context.ts";
import type { Committed, Engine } from "./engine/engine.ts";
import { guests } from "./session/guests.ts";
import type { Authenticate } from "./policy/identity.ts";
import { type HubLimits, hubLimits } from "./policy/limits.ts";
import { MemoryEngine } from "./memory/memory-engine.ts";
import { type NamespaceOptions, Namespaces } from "./policy/namespace.ts";
import { type Random, systemRandom } from "./primitives/random.ts";
import { RateLimit } from "./session/rate-limit.ts";
import { Session, type SessionOwner } from "./session/session.ts";
import { Counters, type HubStats } from "./channel/stats.ts";
import { Visitors } from "./session/visitors.ts";

/** What a hub publishes with. */
export interface HubPublishOptions {
  /** Whose name it bears. Default `server`. */
  readonly user?: string;
  /** Shown beside it. */
  readonly info?: JsonObject;
  /** Idempotency key: publishing again with it adds nothing. */
  readonly key?: string;
}

/** How a hub is set up. */
export interface HubOptions {
  /** By name. A channel whose namespace is not here is answered `unknown_channel`. */
  readonly namespaces: Readonly<Record<string, NamespaceOptions>>;
  /**
   * Where logs and presence are kept. One engine serves one hub, which closes it. Default:
   * `new MemoryEngine()`.
   */
  readonly engine?: Engine;
  /**
   * Who somebody is. Default: `guests()`, which believes everybody; what guests may do is for the namespaces
   * to say.
   */
  readonly authenticate?: Authenticate;
  readonly limits?: Partial<HubLimits>;
  /**
   * Who has no limit of its own, such as a proxy: addresses, networks as `"10.0.0.0/8"`, `"unix"` and
   * `"pipe"`. Default `localAddresses` of `@zocalo/net`, this machine. `[]` exempts nobody.
   */
  readonly exemptAddresses?: readonly string[];
  /**
   * At which address somebody is: an IP address without a port, or `"unix"` or `"pipe"`. Default: that of
   * `peer.addr`. Behind a proxy that says so in a header, take it from `peer.request`; **risk**: whoever may
   * write that header may have any address. If it throws or gives anything else, that is told to `onError`,
   * and the connection is closed with 1011.
   */
  readonly hostOf?: (peer: Peer) => string;
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

/** Why a connection is not taken. */
interface Refusal {
  readonly code: number;
  readonly reason: string;
}
const CLOSING: Refusal = { code: CLOSE.goingAway, reason: "the server is closing" };
const FULL: Refusal = { code: CLOSE.tryAgainLater, reason: "the server is full" };
const TOO_MANY: Refusal = { code: CLOSE.tryAgainLater, reason: "too many connections from your address" };
const DRIVEN_OUT: Refusal = { code: CLOSE.tryAgainLater, reason: "too many unverified peers" };
const NO_ADDRESS: Refusal = { code: CLOSE.internal, reason: "it cannot be decided now where you are" };
const SILENT: Refusal = { code: CLOSE.slowConsumer, reason: "no command came in time" };

/**
 * The square: channels that connections of every kind share.
 *
 * @example
 * const hub = new Hub({ namespaces: { plaza: { subscribe: "anyone", publish: "anyone" } } });
 * await hub.serve(listener); // a Listener<MessageConn>, of any transport
 */
export class Hub {
  readonly #context: HubContext;
  readonly #hostOf: (peer: Peer) => string;
  readonly #visitors: Visitors;
  readonly #sessions = new Set<Session>();
  /** In the order in which they came. */
  readonly #unverified = new Set<Session>();
  /**
   * Those that were told to go and have not gone yet. They hold no place, or whoever is refused would keep
   * others out.
   */
  readonly #leaving = new Set<Session>();
  /** Those that have sent no command, and what ends them. */
  readonly #silent = new Map<Session, Timer>();
  readonly #listeners = new Set<Listener<MessageConn>>();
  /** One for all sessions: it is part of what an idle connection costs. */
  readonly #owner: SessionOwner;
  #whenEmpty: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  /**
   * @throws RangeError for a namespace or limit that cannot be; it names the option, the value and what is
   *   allowed.
   */
  constructor(options: HubOptions) {
    const { clock = systemClock, random = systemRandom } = options;
    const namespaces = new Namespaces(options.namespaces);
    const limits = hubLimits(options.limits);
    const engine = options.engine ?? new MemoryEngine({ clock, random });
    const counters = new Counters();
    const channels = new Channels(engine, counters, clock);
    const { commandsPerSecondPerAddress, commandBurstPerAddress } = limits;
    this.#owner = {
      unverifiedRate: new RateLimit(commandsPerSecondPerAddress, commandBurstPerAddress, clock.uptime()),
      spoke: (session) => this.#spoke(session),
      verified: (session) => this.#verified(session),
      closed: (session) => this.#closed(session),
    };
    this.#hostOf = options.hostOf ?? (({ addr }) => hostOf(addr));
    this.#visitors = new Visitors(limits, exemptSet(options.exemptAddresses), clock);
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

  /** True while one more connection would be turned away because there are as many as there may be. */
  get isFull(): boolean {
    return this.#sessions.size >= this.#context.limits.sessions;
  }

  /**
   * Takes one connection. Past the limit of sessions, of all or of its address, or when the hub is closing,
   * it is told so and closed.
   */
  accept(conn: MessageConn): void {
    const session = new Session(conn, this.#context, this.#owner);
    const refusal = this.#closing ? CLOSING : this.#admit(session);
    if (refusal) this.#leaving.add(session);
    else this.#expectCommand(session);
    conn.serve(session);
    if (refusal) session.disconnect(refusal.code, refusal.reason);
  }

  /** Gives it a place, or says why there is none. */
  #admit(session: Session): Refusal | undefined {
    const { peer } = session.conn;
    if (peer.verification !== undefined) {
      this.#admitUnverified(session);
      return undefined;
    }
    return this.#admitVerified(session, peer);
  }

  /** Whoever can forge addresses can make up any number of these: they drive out only each other. */
  #admitUnverified(session: Session): void {
    const [oldest] = this.#unverified;
    if (oldest && this.#unverified.size >= this.#context.limits.unverifiedSessions) {
      this.#dismiss(oldest, DRIVEN_OUT);
    }
    this.#unverified.add(session);
  }

  #admitVerified(session: Session, peer: Peer): Refusal | undefined {
    if (this.isFull) return FULL;
    const visitor = this.#visit(peer);
    if (visitor === undefined) return NO_ADDRESS;
    if (visitor === "full") return TOO_MANY;
    if (visitor !== "exempt") session.visitor = visitor;
    this.#sessions.add(session);
    return undefined;
  }

  /** Nothing if `hostOf` fails: a visitor without an address has no limits, and is not let in. */
  #visit(peer: Peer): ReturnType<Visitors["enter"]> | undefined {
    try {
      return this.#visitors.enter(placeOf(this.#hostOf(peer)));
    } catch (error) {
      this.#context.report(error);
      return undefined;
    }
  }

  #expectCommand(session: Session): void {
    if (session.isDatagram) return;
    const { clock, limits } = this.#context;
    const end = (): void => this.#dismiss(session, SILENT);
    this.#silent.set(session, clock.after(limits.firstCommandMs, end));
  }

  #spoke(session: Session): void {
    this.#silent.get(session)?.cancel();
    this.#silent.delete(session);
  }

  #verified(session: Session): boolean {
    if (!this.#unverified.delete(session)) return true;
    const refusal = this.#admitVerified(session, session.conn.peer);
    if (!refusal) return true;
    this.#dismiss(session, refusal);
    return false;
  }

  /** Tells it to go. Its place is another's from now on. */
  #dismiss(session: Session, { code, reason }: Refusal): void {
    this.#giveUpPlace(session);
    this.#leaving.add(session);
    session.disconnect(code, reason);
  }

  #closed(session: Session): void {
    this.#giveUpPlace(session);
    this.#leaving.delete(session);
    if (this.#isEmpty) this.#whenEmpty?.();
  }

  #giveUpPlace(session: Session): void {
    this.#spoke(session);
    this.#unverified.delete(session);
    if (this.#sessions.delete(session) && session.visitor) this.#visitors.leave(session.visitor);
  }

  get #isEmpty(): boolean {
    return this.#sessions.size === 0 && this.#unverified.size === 0 && this.#leaving.size === 0;
  }

  get #all(): Session[] {
    return [...this.#sessions, ...this.#unverified, ...this.#leaving];
  }

  /**
   * Publishes as the server; permissions do not apply, limits do. Resolves when it is committed.
   *
   * @throws ProtocolError `unknown_channel`, `bad_command`, `too_large`, `limit_reached`, `unavailable`
   */
  async publish(channel: string, data: Json, options: HubPublishOptions = {}): Promise<Committed> {
    const json = isWithinDepth(data, LIMITS.depth) ? JSON.stringify(data) : undefined;
    if (json === undefined) {
      throw new ProtocolError("bad_command", `"data" must be JSON and nest at most ${LIMITS.depth} deep`);
    }
    return this.#publish(channel, json, options);
  }

  /**
   * `publish` of what is JSON text already. Subscribers get that text, but with spaces for CR and LF between
   * values.
   *
   * @throws ProtocolError as `publish`; `bad_command` if it is not JSON
   * @example await hub.publishJson("plaza:general", '{"id":1688888483063664642}');
   */
  async publishJson(channel: string, json: string, options: HubPublishOptions = {}): Promise<Committed> {
    return this.#publish(channel, checkJson(json), options);
  }

  async #publish(channel: string, data: string, options: HubPublishOptions): Promise<Committed> {
    const { user = SERVER_USER, info, key } = options;
    if (!isChannelName(channel))
      throw new ProtocolError("bad_command", `${JSON.stringify(channel)} is no channel name`);
    const namespace = this.#context.namespaces.of(channel);
    checkDataLength(data, namespace);
    const publication = { user, info: info && JSON.stringify(info), data, key };
    return fromEngine(this.#context, commit(this.#context, channel, namespace, publication));
  }

  /** What it is doing, and has done. */
  stats(): HubStats {
    const { counters, channels } = this.#context;
    const unverifiedSessions = this.#unverified.size;
    const sessions = this.#sessions.size + unverifiedSessions;
    return { ...counters.counted(), sessions, unverifiedSessions, channels: channels.size };
  }

  /**
   * Closes everything, in order: no more connections, every session is told to go away (1001), then the
   * listeners and the engine. What has not ended at the deadline is aborted. A second call waits for the
   * first.
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
    const endsAt = clock.uptime() + (forMs ?? Number.POSITIVE_INFINITY);
    const listeners = [...this.#listeners];
    const stopped = listeners.map((listener) => listener.close());
    await this.#endSessions(forMs);
    await Promise.all(stopped);
    const deadline = forMs === null ? null : Date.now() + (endsAt - clock.uptime());
    await Promise.all(listeners.map((listener) => listener.drain(deadline)));
    this.#visitors.close();
    await this.#context.engine.close();
  }

  async #endSessions(forMs: number | null): Promise<void> {
    for (const session of this.#all) session.disconnect(CLOSING.code, CLOSING.reason);
    if (this.#isEmpty) return;
    const { clock } = this.#context;
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    const abortAll = (): void => {
      for (const session of this.#all) session.conn.abort();
    };
    const timer = forMs === null ? undefined : clock.after(forMs, abortAll);
    await empty;
    timer?.cancel();
  }
}

/** An address with a port would make each connection a visitor of its own. */
function placeOf(host: unknown): string {
  if (typeof host === "string" && (isIP(host) !== 0 || host === "unix" || host === "pipe")) return host;
  throw new TypeError(`what hostOf gave is no IP address, and not "unix" or "pipe": ${shown(host)}`);
}
