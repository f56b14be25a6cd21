import { type AddressSet, visitorOf } from "@zocalo/net";
import type { Clock, Timer } from "../primitives/clock.ts";
import type { HubLimits } from "../policy/limits.ts";
import { RateLimit } from "./rate-limit.ts";

/** What the sessions of one address hold together. */
export class Visitor {
  /** The address, or its network: see `visitorOf`. */
  readonly name: string;
  /** What all its sessions may do. */
  readonly rate: RateLimit;
  /** How often they may be told that they may not. */
  readonly refusals: RateLimit;
  sessions = 0;
  subscriptions = 0;

  constructor(name: string, rate: RateLimit, refusals: RateLimit) {
    this.name = name;
    this.rate = rate;
    this.refusals = refusals;
  }
}

/**
 * Those who hold something of a hub, by address. One that has left is remembered until its rate is what a new
 * one's would be, at most two bursts long: whoever connects again does not begin anew.
 */
export class Visitors {
  readonly #limits: HubLimits;
  readonly #exempt: AddressSet;
  readonly #clock: Clock;
  readonly #visitors = new Map<string, Visitor>();
  /** Those without a session. */
  readonly #departed = new Set<Visitor>();
  #sweep: Timer | undefined;

  /** @param exempt who has no limit of its own */
  constructor(limits: HubLimits, exempt: AddressSet, clock: Clock) {
    this.#limits = limits;
    this.#exempt = exempt;
    this.#clock = clock;
  }

  /** How many are known. */
  get size(): number {
    return this.#visitors.size;
  }

  /**
   * Counts a session of this host; `full`: it has as many as it may. To be paired with `leave`, unless it is
   * exempt or full.
   */
  enter(host: string): Visitor | "exempt" | "full" {
    if (this.#exempt.has(host)) return "exempt";
    const name = visitorOf(host);
    const visitor = this.#visitors.get(name) ?? this.#add(name);
    if (visitor.sessions >= this.#limits.sessionsPerAddress) return "full";
    visitor.sessions++;
    this.#departed.delete(visitor);
    return visitor;
  }

  /** One of its sessions is over. */
  leave(visitor: Visitor): void {
    visitor.sessions--;
    if (visitor.sessions > 0) return;
    this.#departed.add(visitor);
    this.#forgetSoon();
  }

  /** Forgets all. */
  close(): void {
    this.#sweep?.cancel();
    this.#sweep = undefined;
    this.#departed.clear();
    this.#visitors.clear();
  }

  #add(name: string): Visitor {
    const { commandsPerSecondPerAddress, commandBurstPerAddress } = this.#limits;
    const now = this.#clock.uptime();
    const limit = (): RateLimit => new RateLimit(commandsPerSecondPerAddress, commandBurstPerAddress, now);
    const visitor = new Visitor(name, limit(), limit());
    this.#visitors.set(name, visitor);
    return visitor;
  }

  #forgetSoon(): void {
    const { commandsPerSecondPerAddress, commandBurstPerAddress } = this.#limits;
    const fillMs = Math.ceil((1_000 * commandBurstPerAddress) / commandsPerSecondPerAddress);
    this.#sweep ??= this.#clock.after(fillMs, () => {
      this.#sweep = undefined;
      const now = this.#clock.uptime();
      for (const visitor of this.#departed) {
        if (!visitor.rate.isFull(now) || !visitor.refusals.isFull(now)) continue;
        this.#departed.delete(visitor);
        this.#visitors.delete(visitor.name);
      }
      if (this.#departed.size > 0) this.#forgetSoon();
    });
  }
}
