import { checkCount, checkNames } from "@zocalo/net/transport";

/**
 * What a hub allows its peers. Every number can be set; none can be switched off.
 *
 * An address is an IPv4 address or the /64 network of an IPv6 address, as `visitorOf` of `@zocalo/net` has
 * it. Limits of an address do not hold for those in `HubOptions.exemptAddresses`.
 */
export interface HubLimits {
  /**
   * Connections at once; one more is closed with 1013. UDP peers whose address is not proved do not count.
   * Default 100,000.
   */
  readonly sessions: number;
  /** Connections of one address at once; one more is closed with 1013. Default 1,000. */
  readonly sessionsPerAddress: number;
  /**
   * UDP peers whose address is not proved, and so may be forged. One more ends the one that came first, with
   * 1013; these and no others. They count for no address. Default 1,000.
   */
  readonly unverifiedSessions: number;
  /**
   * Tokens of one address that are judged at once; the next ones wait for their turn. Those whose address is
   * not proved count as one. Default 8.
   */
  readonly authenticationsPerAddress: number;
  /** Subscriptions of one session; one more is answered `limit_reached`. Default 128. */
  readonly subscriptions: number;
  /**
   * Subscriptions of all sessions of one address; one more is answered `limit_reached`. Default 10,000: a
   * tenth of the channels that a `MemoryEngine` keeps, which nobody else could open if one address had them
   * all.
   */
  readonly subscriptionsPerAddress: number;
  /**
   * Calls of one session that are under way; one more is answered `limit_reached`. A call is under way until
   * its handler has settled or its time is over, and its answer has left, or on datagrams need not be given
   * again. Default 64.
   */
  readonly calls: number;
  /** Calls of all sessions of one address that are under way. Default 1,000. */
  readonly callsPerAddress: number;
  /** Calls of all sessions of one user that are under way; not of a guest. Default 1,000. */
  readonly callsPerUser: number;
  /** How long a call may take, in milliseconds, if it does not ask for less. Default 60,000. */
  readonly callMs: number;
  /** The answer to a call, in bytes of its JSON form; a larger one is `too_large`. Default 262,144. */
  readonly callAnswerBytes: number;
  /**
   * Publishes of one session that wait for the engine; at the limit no further command is taken until one is
   * done. Default 64.
   */
  readonly commandsInFlight: number;
  /**
   * Commands a second of one session, on average; one more is answered `rate_limited`. More work than `ping`
   * counts for more: one for each 1,024 characters of a command; 1/8 for each 1,024 of its answer, of what a
   * subscription reads from the log and of what each subscriber is told; 1/20 for each publication that is
   * read, each user in a page of presence and each subscriber who is told; ten for a
   * token that is to be judged. Default 500.
   */
  readonly commandsPerSecond: number;
  /** Commands that a quiet session may send at once. Default 1,000. */
  readonly commandBurst: number;
  /**
   * The same for all sessions of one address together. It is also refused at most that often: past that its
   * connections are not read for a while. UDP peers whose address is not proved count as one address, and are
   * asked to prove it past this limit. Default 5,000.
   */
  readonly commandsPerSecondPerAddress: number;
  /** Commands that the sessions of an address may send at once if all were quiet. Default 10,000. */
  readonly commandBurstPerAddress: number;
  /**
   * The same for all sessions of one user, at whatever addresses. A guest, whom anybody can be, has no such
   * limit. Default 5,000.
   */
  readonly commandsPerSecondPerUser: number;
  /** Commands that the sessions of a user may send at once if all were quiet. Default 10,000. */
  readonly commandBurstPerUser: number;
  /**
   * How many more commands may be refused for their rate than are accepted, before disconnect 4429. Default
   * 5,000.
   */
  readonly excessCommands: number;
  /** Commands in a row that make no sense; one more is disconnect 4400. Default 100. */
  readonly badCommands: number;
  /**
   * A `history` answer, in bytes; a page that would be larger is cut at its old end, but has the newest
   * publication that was asked for. Default 262,144.
   */
  readonly historyBytes: number;
  /**
   * Bytes that may wait in this process for all streams and WebSockets whose peers do not read. Once that
   * much was sent, it is measured every 250 ms, and only what waited at the measurement before counts. Past
   * it connections are cut, those with the most waiting first, of the address with the most. They come back
   * and catch up. Default 256 MiB.
   */
  readonly unreadBytes: number;
  /**
   * Casts and volatile messages that may wait for one session that does not take them at once, each the
   * newest of its key. With one more the oldest goes of whom most waits there. Default 256.
   */
  readonly waitingCasts: number;
  /** What they may take, in bytes: of each three times its data, and 1,000. Default 262,144. */
  readonly waitingCastBytes: number;
  /**
   * The same for all sessions of one address together, and for all of one user that is not a guest; one more
   * is dropped. Default 8 MiB.
   */
  readonly waitingCastBytesPerAddress: number;
  /** The same for all sessions. Default 128 MiB. */
  readonly waitingCastBytesInAll: number;
  /** Users in one page of presence; the rest is in the next ones. Default 1,000. */
  readonly presenceUsers: number;
  /**
   * A page of presence, and a message of its changes, in bytes; one user or change is sent if it takes more.
   * Default 65,536.
   */
  readonly presenceBytes: number;
  /** Bytes a second that one UDP peer is sent, and 65,536 at once after a silence. Default 262,144. */
  readonly datagramBytesPerSecond: number;
  /**
   * Bytes that one UDP peer is sent for each byte that came from it, and 65,536 in advance. Past that
   * publications wait in the log for its next command, and an answer is lost. Default 4,096.
   */
  readonly datagramBytesPerByte: number;
  /**
   * How long a connection may last without a command, in milliseconds; then disconnect 4408. Half a command
   * is none. Who has sent one may be silent as long as it likes. Datagrams are commands already. Default
   * 30,000.
   */
  readonly firstCommandMs: number;
  /**
   * How long an answer may wait for a peer that does not read, in milliseconds, before disconnect 4408.
   * Default 30,000.
   */
  readonly answerTimeoutMs: number;
  /**
   * How often a client should send something, in milliseconds; told in `connected`. On a stream one that
   * answers pings is pinged when nothing came for so long, and ended with 4408 when nothing came for as long
   * again; any other one is then no longer counted as present. Default 25,000.
   */
  readonly pingMs: number;
}

/** The defaults of every limit. */
export const defaultHubLimits: HubLimits = {
  sessions: 100_000,
  sessionsPerAddress: 1_000,
  unverifiedSessions: 1_000,
  authenticationsPerAddress: 8,
  subscriptions: 128,
  subscriptionsPerAddress: 10_000,
  calls: 64,
  callsPerAddress: 1_000,
  callsPerUser: 1_000,
  callMs: 60_000,
  callAnswerBytes: 262_144,
  commandsInFlight: 64,
  commandsPerSecond: 500,
  commandBurst: 1_000,
  commandsPerSecondPerAddress: 5_000,
  commandBurstPerAddress: 10_000,
  commandsPerSecondPerUser: 5_000,
  commandBurstPerUser: 10_000,
  excessCommands: 5_000,
  badCommands: 100,
  historyBytes: 262_144,
  unreadBytes: 268_435_456,
  waitingCasts: 256,
  waitingCastBytes: 262_144,
  waitingCastBytesPerAddress: 8_388_608,
  waitingCastBytesInAll: 134_217_728,
  presenceUsers: 1_000,
  presenceBytes: 65_536,
  datagramBytesPerSecond: 262_144,
  datagramBytesPerByte: 4_096,
  firstCommandMs: 30_000,
  answerTimeoutMs: 30_000,
  pingMs: 25_000,
};

/** @throws NetError `invalid_argument` for a name that is not known, and what is no whole number from 1. */
export function hubLimits(given: Partial<HubLimits> = {}): HubLimits {
  checkNames("set", "limits", given, defaultHubLimits);
  const limits: Record<string, number> = {};
  for (const [name, fallback] of Object.entries(defaultHubLimits)) {
    const { [name as keyof HubLimits]: value = fallback } = given;
    limits[name] = checkCount("set", `limits.${name}`, value, Number.MAX_SAFE_INTEGER);
  }
  return { ...defaultHubLimits, ...limits };
}
