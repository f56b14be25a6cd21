import type { PeerCertificate } from "node:tls";
import { argumentError } from "../contracts/failures.ts";
import { checkKind, checkLimit, checkNames } from "./check-values.ts";

/** How many sessions are kept unless told otherwise. */
const DEFAULT_MAX_SESSIONS = 256;

/** Most sessions of one server: it mostly gives two with a full handshake, and each is used once. */
const MAX_PER_SERVER = 4;

/**
 * How long what a full handshake has agreed on is resumed, in milliseconds: a day (RFC 5246 §F.1.4), also
 * where a server gives new sessions with each connection (RFC 8446 §4.6.1 wants a limit).
 */
const MAX_AGE_MS = 86_400_000;

/** What is resumed. */
export interface TlsSession {
  readonly session: Buffer;
  /** Of the server, which does not send it again. */
  readonly certificate: PeerCertificate;
  /** Of TLS 1.2: it may be resumed more than once. */
  readonly isReusable: boolean;
  /** When the full handshake was that it comes from, as `performance.now()` has it. */
  readonly since: number;
}

/**
 * Sessions of TLS clients, for the `sessions` option: who dials the same server again saves the exchange of
 * certificates (RFC 8446 §2.2), with the name, authorities and protocols of before. A session of TLS 1.2
 * serves until the server takes it no more or gives another. One of TLS 1.3 is used once (§C.4), the newest
 * first. A server mostly gives two with a full handshake, and one with each that is resumed; Node gives none
 * there, so that every third dial is a full one (see `reuse`). A dial that fails takes its session with it.
 * After a day, and once the certificate has expired, there is a full handshake. The oldest is dropped for one
 * too many.
 *
 * Risk: for that day the certificate of before is not looked at again, also where it has been revoked since
 * (`verifyPeer` is asked). And a server, and whoever sees its tickets in TLS 1.2, can tell that two
 * connections are of one client.
 *
 * @example
 * const sessions = new TlsSessions();
 * const conn = await dial("tls", "example.org:443", { sessions });
 */
export class TlsSessions {
  readonly #maxSessions: number;
  readonly #reuse: boolean;
  /** The server that gave one longest ago first, and of each the newest last. None is empty. */
  readonly #byServer = new Map<string, readonly TlsSession[]>();

  /**
   * @param options `maxSessions`: how many are kept, of at most 4 for each server. Default 256. `reuse`:
   * resume the last session of a server again, of TLS 1.3, too, as Node's `https.Agent` does. Risk: whoever
   * sees the tickets can tell that connections are of one client. Default `false`.
   * @throws NetError `invalid_argument`.
   */
  constructor(
    options: { readonly maxSessions?: number | undefined; readonly reuse?: boolean | undefined } = {},
  ) {
    checkKind("set", "what TlsSessions was given", options ?? null, "object");
    checkNames("set", "TlsSessions", options, { maxSessions: 1, reuse: 1 });
    const { maxSessions = DEFAULT_MAX_SESSIONS, reuse = false } = options;
    this.#maxSessions = checkLimit("set", "maxSessions", maxSessions);
    checkKind("set", "reuse", reuse, "boolean");
    this.#reuse = reuse;
  }

  /** How many are kept now. */
  get size(): number {
    return [...this.#byServer.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** Forgets all. */
  clear(): void {
    this.#byServer.clear();
  }

  /**
   * For the dialer: the newest session of a server, which is then no longer here, unless it may be
   * reused. @internal
   */
  take(server: string): TlsSession | undefined {
    const kept = this.#byServer.get(server)?.filter(isFresh) ?? [];
    const newest = kept.at(-1);
    const stays = newest !== undefined && (newest.isReusable || (this.#reuse && kept.length === 1));
    this.#put(server, stays ? kept : kept.slice(0, -1));
    return newest;
  }

  /** For the dialer. @internal */
  keep(server: string, session: TlsSession): void {
    const others = this.#byServer.get(server)?.filter(({ isReusable }) => !isReusable) ?? [];
    this.#byServer.delete(server); // So that it is the last to lose one.
    this.#put(server, session.isReusable ? [session] : [...others, session].slice(-MAX_PER_SERVER));
    let surplus = this.size - this.#maxSessions;
    for (const [oldest, kept] of this.#byServer) {
      if (surplus <= 0) return;
      this.#put(oldest, kept.slice(surplus));
      surplus -= kept.length;
    }
  }

  /** For the dialer: a connection with it failed, or the server did not resume it. @internal */
  drop(server: string, session: TlsSession): void {
    const kept = this.#byServer.get(server) ?? [];
    this.#put(
      server,
      kept.filter((other) => other !== session),
    );
  }

  #put(server: string, kept: readonly TlsSession[]): void {
    if (kept.length === 0) this.#byServer.delete(server);
    else this.#byServer.set(server, kept);
  }
}

function isFresh({ since, certificate }: TlsSession): boolean {
  const hasExpired = Date.parse(certificate.valid_to) <= Date.now();
  return !hasExpired && performance.now() - since < MAX_AGE_MS;
}

/** Checks the option; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkSessions(sessions: unknown): void {
  if (sessions === undefined || sessions instanceof TlsSessions) return;
  throw argumentError("dial", "sessions is not of the class TlsSessions");
}
