import { isIP } from "node:net";
import { type AddressSet, type MessageConn, type Peer, visitorOf } from "@zocalo/net";
import { shown } from "@zocalo/net/transport";
import { CLOSE } from "@zocalo/protocol";
import { type SessionOwner, type Account, Accounts } from "./accounts.ts";
import type { HubContext } from "./context.ts";
import type { Identity } from "../policy/identity.ts";
import type { Timer } from "../primitives/clock.ts";
import { RateLimit } from "./rate-limit.ts";
import { Session } from "./session.ts";

/** Why a connection is not taken, or has to go. */
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

/** The connections of a hub: who may come, who has to go, and who is there. */
export class Sessions implements SessionOwner<Session> {
  readonly unverifiedRate: RateLimit;
  readonly #context: HubContext;
  readonly #hostOf: (peer: Peer) => string;
  readonly #exempt: AddressSet;
  readonly #addresses: Accounts;
  readonly #users: Accounts;
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
  #isClosing = false;
  #whenEmpty: (() => void) | undefined;

  /**
   * @param hostOf see `HubOptions`
   * @param exempt who has no limit of its own
   */
  constructor(context: HubContext, hostOf: (peer: Peer) => string, exempt: AddressSet) {
    const { clock, limits } = context;
    const { commandsPerSecondPerAddress, commandBurstPerAddress } = limits;
    this.unverifiedRate = new RateLimit(commandsPerSecondPerAddress, commandBurstPerAddress, clock.uptime());
    this.#exempt = exempt;
    this.#addresses = new Accounts(commandsPerSecondPerAddress, commandBurstPerAddress, clock);
    this.#users = new Accounts(limits.commandsPerSecondPerUser, limits.commandBurstPerUser, clock);
    this.#context = context;
    this.#hostOf = hostOf;
  }

  /** Those that have a place. */
  get count(): number {
    return this.#sessions.size + this.#unverified.size;
  }

  /** Of these, those whose address is not proved. */
  get unverifiedCount(): number {
    return this.#unverified.size;
  }

  /** True while one more would be turned away because there are as many as there may be. */
  get isFull(): boolean {
    return this.#sessions.size >= this.#context.limits.sessions;
  }

  /** Takes a connection, or tells it why not. */
  accept(conn: MessageConn): void {
    const session = new Session(conn, this.#context, this);
    const refusal = this.#isClosing ? CLOSING : this.#admit(session);
    if (refusal) this.#leaving.add(session);
    else this.#expectCommand(session);
    conn.serve(session);
    if (refusal) session.disconnect(refusal.code, refusal.reason);
  }

  /** Tells all to go, and takes no more. Resolves when all have gone; who has not after this time is cut. */
  async close(forMs: number | null): Promise<void> {
    this.#isClosing = true;
    for (const session of this.all) session.disconnect(CLOSING.code, CLOSING.reason);
    if (!this.#isEmpty) await this.#untilEmpty(forMs);
    this.#addresses.close();
    this.#users.close();
  }

  // --- what its sessions tell

  spoke(session: Session): void {
    this.#silent.get(session)?.cancel();
    this.#silent.delete(session);
  }

  verified(session: Session): boolean {
    if (!this.#unverified.delete(session)) return true;
    const refusal = this.#admitVerified(session, session.conn.peer);
    if (!refusal) return true;
    this.#dismiss(session, refusal);
    return false;
  }

  begun({ user, isGuest }: Identity, former: Account | undefined): Account | undefined {
    if (former) this.#users.leave(former);
    return isGuest ? undefined : this.#users.enter(user);
  }

  closed(session: Session): void {
    this.#giveUpPlace(session);
    if (session.user) this.#users.leave(session.user);
    this.#leaving.delete(session);
    if (this.#isEmpty) this.#whenEmpty?.();
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
    const host = this.#placeOf(peer);
    if (host === undefined) return NO_ADDRESS;
    if (!this.#exempt.has(host)) {
      session.address = this.#addresses.enter(visitorOf(host), this.#context.limits.sessionsPerAddress);
      if (!session.address) return TOO_MANY;
    }
    this.#sessions.add(session);
    return undefined;
  }

  /** Nothing if `hostOf` fails: whoever has no address has no limits, and is not let in. */
  #placeOf(peer: Peer): string | undefined {
    try {
      return placeOf(this.#hostOf(peer));
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

  /** Tells it to go. Its place is another's from now on. */
  #dismiss(session: Session, { code, reason }: Refusal): void {
    this.#giveUpPlace(session);
    this.#leaving.add(session);
    session.disconnect(code, reason);
  }

  #giveUpPlace(session: Session): void {
    this.spoke(session);
    this.#unverified.delete(session);
    if (this.#sessions.delete(session) && session.address) this.#addresses.leave(session.address);
  }

  /** All for whom something may wait here; what waits for datagrams is the socket's. */
  *onStreams(): Generator<Session> {
    for (const sessions of [this.#sessions, this.#leaving]) {
      for (const session of sessions) if (!session.isDatagram) yield session;
    }
  }

  get #isEmpty(): boolean {
    return this.count === 0 && this.#leaving.size === 0;
  }

  /** All there are, those who have to go included. */
  get all(): Session[] {
    return [...this.#sessions, ...this.#unverified, ...this.#leaving];
  }

  async #untilEmpty(forMs: number | null): Promise<void> {
    const { clock } = this.#context;
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    const abortAll = (): void => {
      for (const session of this.all) session.conn.abort();
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
