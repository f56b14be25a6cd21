import { startTimer } from "../flow/deadline.ts";
import { exemptSet } from "../flow/address-limits.ts";
import { lineDatagram, plainDatagram } from "./peer-conn.ts";
import { type Clock, DatagramPeers, type PeerListener, type PeerSocket } from "./peer-listener.ts";
import { MAX_DATAGRAM_BYTES } from "./send-half.ts";
import {
  checkHas,
  checkKind,
  checkLimit,
  checkMessageKind,
  checkNames,
  checkTime,
  type Names,
} from "../options/check-values.ts";

/** Options of `peers`. */
export interface PeersOptions {
  /**
   * A peer that is not heard for this long is gone: its connection ends with code 1001. Milliseconds, default
   * 60,000.
   */
  readonly idleTimeoutMs?: number | undefined;
  /** Most verified peers; further ones stay unverified. Default 10,000. */
  readonly maxPeers?: number | undefined;
  /**
   * Most verified peers of one address (an IPv6 /64 is one); further ones stay unverified. Default 1,000;
   * `Infinity`: no limit.
   */
  readonly maxPeersPerAddress?: number | undefined;
  /** Who has no limit of its own, see `AddressLimitOptions`. Default: this machine, `localAddresses`. */
  readonly exemptAddresses?: readonly string[] | undefined;
  /**
   * Most peers whose address may be forged. One more ends the one unheard for longest, with code 1013.
   * Default 1,000.
   */
  readonly maxUnverifiedPeers?: number | undefined;
  /**
   * Whether loopback sources must prove their address too. They cannot be forged from outside. Default
   * `false`.
   */
  readonly verifyLoopback?: boolean | undefined;
  /** Largest datagram taken, in bytes; larger ones are dropped and counted. Default 65,507: all. */
  readonly maxMessageBytes?: number | undefined;
  /**
   * Largest message sent, in bytes. One that does not fit the path's MTU is sent in IP fragments, and lost if
   * any of them is. Default 65,507.
   */
  readonly maxSendBytes?: number | undefined;
  /**
   * Bytes of datagrams of one peer that wait for the application; what comes then is dropped and counted.
   * Default 65,536.
   */
  readonly receiveLimitBytes?: number | undefined;
  /** Datagrams of one peer that wait for the application; one more is dropped and counted. Default 64. */
  readonly receiveLimitMessages?: number | undefined;
  /**
   * Whether a datagram is received as `string` (dropped and counted if it is not UTF-8) or as `Uint8Array`.
   * Default `"text"`.
   */
  readonly messages?: "text" | "binary" | undefined;
  /** Whether each text sent ends with a newline, for those who read it in a terminal. Default `false`. */
  readonly newlines?: boolean | undefined;
  /**
   * How long `close` of a connection waits for datagrams that wait in this process, in milliseconds. Default
   * 5,000.
   */
  readonly closeTimeoutMs?: number | undefined;
  /**
   * Most new peers that wait for `accept`, and as many again of those whose address cannot be forged, which
   * the others do not crowd out. The datagram of one more is dropped and counted. Default 512.
   */
  readonly maxPending?: number | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/** Used where `PeersOptions` leaves a field out. */
export const defaultPeersOptions = {
  idleTimeoutMs: 60_000,
  maxPeers: 10_000,
  maxPeersPerAddress: 1_000,
  maxUnverifiedPeers: 1_000,
  maxMessageBytes: MAX_DATAGRAM_BYTES,
  maxSendBytes: MAX_DATAGRAM_BYTES,
  receiveLimitBytes: 65_536,
  receiveLimitMessages: 64,
  closeTimeoutMs: 5_000,
  maxPending: 512,
} as const satisfies PeersOptions;

const names: Names<PeersOptions> = {
  idleTimeoutMs: 1,
  maxPeers: 1,
  maxPeersPerAddress: 1,
  maxUnverifiedPeers: 1,
  maxMessageBytes: 1,
  maxSendBytes: 1,
  receiveLimitBytes: 1,
  receiveLimitMessages: 1,
  closeTimeoutMs: 1,
  maxPending: 1,
  exemptAddresses: 1,
  verifyLoopback: 1,
  messages: 1,
  newlines: 1,
  clock: 1,
};

/**
 * Makes a connection of messages for each source address of a datagram socket: one datagram is one message,
 * either way.
 *
 * A source address can be forged, so until a peer has sent back `peer.verification.cookie` its connection
 * sends no more bytes than came from it: nobody can be flooded through this server. The socket belongs to the
 * listener from now on, and is closed once the listener is and the last peer has gone.
 *
 * @throws NetError `invalid_argument` for a wrong value of an option, and a name that is not known.
 * @example
 * const listener = peers(await listenPacket("udp", ":7001"));
 * for await (const conn of listener) serve(conn).catch(report);
 */
export function peers(packets: PeerSocket, options: PeersOptions = {}): PeerListener {
  checkHas("listen", packets, ["serve"], "not a datagram socket");
  checkOptions(options);
  const { receiveLimitBytes, receiveLimitMessages, ...limits } = limitsOf(options);
  return new DatagramPeers(packets, {
    ...limits,
    inboxLimits: { receiveHighWaterBytes: receiveLimitBytes, receiveHighWaterMessages: receiveLimitMessages },
    exempt: exemptSet(options.exemptAddresses),
    trustsLoopback: !(options.verifyLoopback ?? false),
    isText: (options.messages ?? "text") === "text",
    encoding: (options.newlines ?? false) ? lineDatagram : plainDatagram,
    clock: options.clock ?? systemClock,
  });
}

const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(callback, delayMs) {
    // The socket holds the process, unless it is told not to.
    const timer = startTimer(callback, delayMs)?.unref();
    return () => clearTimeout(timer);
  },
};

type Limits = { readonly [K in keyof typeof defaultPeersOptions]: number };

function checkOptions(options: PeersOptions): void {
  checkNames("listen", "peers", options, names);
  for (const name of ["verifyLoopback", "newlines"] as const)
    checkKind("listen", name, options[name], "boolean");
  checkMessageKind("listen", options.messages);
  const { clock } = options;
  checkKind("listen", "clock", clock, "object");
  if (clock === undefined) return;
  for (const name of ["now", "setTimer"] as const)
    checkKind("listen", `clock.${name}`, clock[name] ?? null, "function");
}

function limitsOf(options: PeersOptions): Limits {
  const limits: Record<string, number> = {};
  for (const [name, fallback] of Object.entries(defaultPeersOptions)) {
    const { [name as keyof Limits]: value = fallback } = options;
    limits[name] = (name.endsWith("Ms") ? checkTime : checkLimit)("listen", name, value);
  }
  return { ...defaultPeersOptions, ...limits };
}
