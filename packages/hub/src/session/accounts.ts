import type { Identity } from "../policy/identity.ts";
import type { Clock, Timer } from "../primitives/clock.ts";
import { RateLimit } from "./rate-limit.ts";

/** What the sessions of one address, or of one user, do together. */
export class Account {
  readonly name: string;
  /** What all its sessions may do. */
  readonly rate: RateLimit;
  /** How often they may be told that they may not. */
  readonly refusals: RateLimit;
  sessions = 0;
  subscriptions = 0;
  /** Under way. Some may be of sessions that have ended. */
  calls = 0;
  /** Of casts that wait for its sessions, bytes. */
  castBytes = 0;

  constructor(name: string, rate: RateLimit, refusals: RateLimit) {
    this.name = name;
    this.rate = rate;
    this.refusals = refusals;
  }
}

/**
 * Accounts by name. One without a session is remembered until its rate is what a new one's would be, at most
 * two bursts long, and none of its calls is under way: whoever connects again does not begin anew.
 */
export class Accounts {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  readonly #accounts = new Map<string, Account>();
  /** Those without a session. */
  readonly #departed = new Set<Account>();
  #sweep: Timer | undefined;

  /**
   * @param perSecond commands a second of each
   * @param burst commands at once of each
   */
  constructor(perSecond: number, burst: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#clock = clock;
  }

  /** How many are known. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Counts a session, unless there are so many. To be paired with `leave`. */
  enter(name: string, most = Number.POSITIVE_INFINITY): Account | undefined {
    const account = this.#accounts.get(name) ?? this.#add(name);
    if (account.sessions >= most) return undefined;
    account.sessions++;
    this.#departed.delete(account);
    return account;
  }

  /** One of its sessions is over. */
  leave(account: Account): void {
    account.sessions--;
    if (account.sessions > 0) return;
    this.#departed.add(account);
    this.#forgetSoon();
  }

  /** Forgets all. */
  close(): void {
    this.#sweep?.cancel();
    this.#sweep = undefined;
    this.#departed.clear();
    this.#accounts.clear();
  }

  #add(name: string): Account {
    const now = this.#clock.uptime();
    const limit = (): RateLimit => new RateLimit(this.#perSecond, this.#burst, now);
    const account = new Account(name, limit(), limit());
    this.#accounts.set(name, account);
    return account;
  }

  #forgetSoon(): void {
    const fillMs = Math.ceil((1_000 * this.#burst) / this.#perSecond);
    this.#sweep ??= this.#clock.after(fillMs, () => {
      this.#sweep = undefined;
      const now = this.#clock.uptime();
      for (const account of this.#departed) {
        if (account.calls > 0 || !account.rate.isFull(now) || !account.refusals.isFull(now)) continue;
        this.#departed.delete(account);
        this.#accounts.delete(account.name);
      }
      if (this.#departed.size > 0) this.#forgetSoon();
    });
  }
}

/** Who counts the sessions. */
export interface SessionOwner<S> {
  /** What all whose addresses are not proved may do together. */
  readonly unverifiedRate: RateLimit;
  /** It has sent its first command. */
  spoke(session: S): void;
  /** It acts for somebody, and for nobody before: what that user's sessions share; nothing for a guest. */
  begun(identity: Identity, former: Account | undefined): Account | undefined;
  /** Its address is proved. False if there is no room for it now: then it has been told, and has ended. */
  verified(session: S): boolean;
  /** Its connection has closed. Called once. */
  closed(session: S): void;
}
