import type { Addr } from "../contracts/addr.ts";
import { type Addressless, AddressSet } from "./address-set.ts";
import type { AddressLimitOptions } from "../options/listen-options.ts";
import { checkLimit } from "../options/check-values.ts";

/** Used where `AddressLimitOptions` leaves a field out. */
export const defaultAddressLimits = {
  maxConnectionsPerAddress: 1_000,
  maxHalfOpenPerAddress: 64,
  maxHandshakesPerAddress: 64,
} as const satisfies AddressLimitOptions;

/** The addresses of this machine, for `exemptAddresses`. */
export const localAddresses: readonly string[] = Object.freeze(["127.0.0.0/8", "::1", "unix", "pipe"]);

const ADDRESSLESS: readonly Addressless[] = ["unix", "pipe"];
let exemptByDefault: AddressSet | undefined;

/** The set of those who have no limit. @throws NetError `invalid_argument`. */
export function exemptSet(list: readonly string[] | undefined): AddressSet {
  if (list !== undefined) return new AddressSet("exemptAddresses", list, ADDRESSLESS);
  return (exemptByDefault ??= new AddressSet("exemptAddresses", localAddresses, ADDRESSLESS));
}

/** What one visitor holds. It lives as long as it holds something. */
export interface Holder {
  readonly visitor: string;
  held: number;
}

/** Stands for everybody where there is no limit. */
const ANYBODY: Holder = { visitor: "", held: 0 };

/**
 * Counts what each visitor holds, up to a limit. Memory grows with the visitors that hold something, and
 * shrinks with them: about a hundred bytes each. Where the limit is `Infinity` nothing is counted.
 *
 * @example
 * const sessions = new AddressCounts(100, exemptSet(undefined));
 * const holder = sessions.take("203.0.113.7"); // undefined: it has its 100 already
 * if (holder !== undefined) sessions.release(holder); // when it is over
 */
export class AddressCounts {
  readonly limit: number;
  readonly #exempt: AddressSet;
  readonly #holders = new Map<string, Holder>();

  constructor(limit: number, exempt: AddressSet) {
    this.limit = limit;
    this.#exempt = exempt;
  }

  /** True if nothing is counted: then a caller need not find out whose it is. */
  get isUnlimited(): boolean {
    return this.limit === Number.POSITIVE_INFINITY;
  }

  /** Visitors that hold something. */
  get visitorCount(): number {
    return this.#holders.size;
  }

  /**
   * Counts `amount` more for the visitor at `host`. The answer is to be given to `release`; `undefined`: it
   * would be more than it may hold, and nothing was counted.
   */
  take(host: string, amount = 1): Holder | undefined {
    if (this.isUnlimited) return ANYBODY;
    const visitor = visitorOf(host);
    const holder = this.#holders.get(visitor);
    const held = holder?.held ?? 0;
    if (!this.#mayHold(held + amount, visitor, host)) return undefined;
    if (holder !== undefined) {
      holder.held = held + amount;
      return holder;
    }
    const first: Holder = { visitor, held: amount };
    this.#holders.set(visitor, first);
    return first;
  }

  /** True if `take` would count one more. */
  hasRoom(host: string): boolean {
    if (this.isUnlimited) return true;
    const visitor = visitorOf(host);
    const held = this.#holders.get(visitor)?.held ?? 0;
    return this.#mayHold(held + 1, visitor, host);
  }

  /** Who is exempt is asked only at the limit: it costs more than counting does. */
  #mayHold(amount: number, visitor: string, host: string): boolean {
    return amount <= this.limit || this.#exempt.has(isNetwork(visitor) ? host : visitor);
  }

  /** What `take` counted is no longer held. */
  release(holder: Holder, amount = 1): void {
    if (holder === ANYBODY) return;
    holder.held -= amount;
    if (holder.held <= 0) this.#holders.delete(holder.visitor);
  }

  /** The same for who has kept the address and not the holder, which spares each connection a field. */
  releaseAt(host: string, amount = 1): void {
    if (this.isUnlimited) return;
    const holder = this.#holders.get(visitorOf(host));
    if (holder !== undefined) this.release(holder, amount);
  }
}

/** What a listener counts of each visitor. */
export class AddressLimits {
  readonly connections: AddressCounts;
  readonly halfOpen: AddressCounts;
  readonly handshakes: AddressCounts;

  /** @throws NetError `invalid_argument` for a wrong limit, and for `exemptAddresses`. */
  constructor(options: AddressLimitOptions) {
    const exempt = exemptSet(options.exemptAddresses);
    const counts = (name: keyof typeof defaultAddressLimits): AddressCounts => {
      const { [name]: limit = defaultAddressLimits[name] } = options;
      return new AddressCounts(checkLimit("listen", name, limit), exempt);
    };
    this.connections = counts("maxConnectionsPerAddress");
    this.halfOpen = counts("maxHalfOpenPerAddress");
    this.handshakes = counts("maxHandshakesPerAddress");
  }
}

/** The host of an address; the name of its network if it has none. */
export function hostOf(addr: Addr): string {
  return "host" in addr ? addr.host : addr.network;
}

/** Groups of an IPv6 address, of 16 bits each, that make a visitor. */
const VISITOR_GROUPS = 4;

/** Who is at `host`: an IPv4 address itself, or the /64 of an IPv6 address, as text. */
export function visitorOf(host: string): string {
  if (!host.includes(":")) return host; // Hot path (bench: idle-memory, open and close): IPv4 and Unix.
  const groups = groupsOf(host.split("%")[0] ?? "");
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const isInLowest = a === 0 && b === 0 && c === 0 && d === 0;
  const ipv4 = [g >> 8, g & 255, h >> 8, h & 255].join(".");
  // RFC 4291 §2.5.5.2: IPv4 within IPv6.
  if (isInLowest && e === 0 && f === 0xffff) return ipv4;
  // RFC 6052 §2.1: behind a NAT64 all of IPv4 shares one /64. It stays an IPv6 address, since none of them is
  // this machine.
  if (a === 0x64 && b === 0xff9b && c === 0 && d === 0 && e === 0 && f === 0) return `64:ff9b::${ipv4}`;
  // Loopback, and link-local addresses (RFC 4291 §2.5.6), of which a whole network shares one /64.
  if (isInLowest || (a & 0xffc0) === 0xfe80) return host;
  return `${groups
    .slice(0, VISITOR_GROUPS)
    .map((group) => group.toString(16))
    .join(":")}::/64`;
}

function isNetwork(visitor: string): boolean {
  return visitor.endsWith("/64");
}

/** The eight groups of an IPv6 address. */
function groupsOf(ip: string): number[] {
  const [before = "", after] = ip.split("::");
  const left = numbersOf(before);
  if (after === undefined) return left;
  const right = numbersOf(after);
  const zeros = Math.max(0, 8 - left.length - right.length);
  return [...left, ...Array.from({ length: zeros }, () => 0), ...right];
}

function numbersOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
