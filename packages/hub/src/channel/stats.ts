/** What a hub counts. All but the first five only grow. */
export interface HubStats {
  /** Those that are being turned away do not count. */
  readonly sessions: number;
  /** Of these, UDP peers whose address is not proved. */
  readonly unverifiedSessions: number;
  readonly subscriptions: number;
  /** Channels that somebody is subscribed to. */
  readonly channels: number;
  /** Calls that hold a place: see `HubLimits.calls`. */
  readonly callsUnderWay: number;
  /** Calls that a handler was given. */
  readonly calls: number;
  /** Publications committed for clients and for `hub.publish`; repeated keys do not count. */
  readonly published: number;
  /** Publications handed to connections. */
  readonly delivered: number;
  /** Casts taken from clients and from `hub.cast`, and volatile messages of `hub.send`. */
  readonly casts: number;
  /** Of these, those handed to connections: one for each who has it. */
  readonly castsDelivered: number;
  /**
   * Those that one who was to have them does not get: a newer one of their key came before there was room,
   * or there was none.
   */
  readonly castsDropped: number;
  /** Commands answered with an error, or with silence on datagrams and for a cast without `id`. */
  readonly refused: number;
  /** Times a subscription resumed with nothing missing. */
  readonly recovered: number;
  /** Gaps told, in `subscribed` answers and in the flow. */
  readonly gaps: number;
  /** Times a live subscription fell behind and had to read the log. */
  readonly fellBehind: number;
  /** Connections the hub ended by itself. */
  readonly disconnected: number;
}

/** The counters while they count. */
export class Counters implements Omit<HubStats, "sessions" | "unverifiedSessions" | "channels"> {
  callsUnderWay = 0;
  calls = 0;
  published = 0;
  delivered = 0;
  casts = 0;
  castsDelivered = 0;
  castsDropped = 0;
  refused = 0;
  recovered = 0;
  gaps = 0;
  fellBehind = 0;
  disconnected = 0;
  subscriptions = 0;

  /** The numbers as they are now. */
  counted(): Omit<HubStats, "sessions" | "unverifiedSessions" | "channels"> {
    return Object.assign({}, this);
  }
}
