import type { PeerCertificate } from "node:tls";
import { argumentError } from "../contracts/failures.ts";
import { checkCount, checkKind, checkNames } from "./check-values.ts";

/** How many sessions are kept unless told otherwise. */
const DEFAULT_MAX_SESSIONS = 256;

/** What is resumed, and the certificate of the server, which does not send it again. */
export interface TlsSession {
  readonly session: Buffer;
  readonly certificate: PeerCertificate;
}

/**
 * Sessions of TLS clients, for the `sessions` option: who dials the same server again saves the exchange of
 * certificates (RFC 8446 §2.2). Each session is used once (§C.4), for the server, name, authorities and
 * protocols it was made with; a server mostly gives new ones with each connection. The oldest is dropped for
 * one too many.
 *
 * Risk: the certificate of before is not looked at again, also where it has been revoked since (`verifyPeer`
 * is asked). And a server, and whoever sees its tickets in TLS 1.2, can tell that two connections are of one
 * client.
 *
 * @example
 * const sessions = new TlsSessions();
 * const conn = await dial("tls", "example.org:443", { sessions });
 */
export class TlsSessions {
  readonly #maxSessions: number;
  /** The oldest first. */
  readonly #byServer = new Map<string, TlsSession>();

  /** @param options `maxSessions`: how many are kept. Default 256. @throws NetError `invalid_argument`. */
  constructor(options: { readonly maxSessions?: number | undefined } = {}) {
    checkKind("set", "what TlsSessions was given", options ?? null, "object");
    checkNames("set", "TlsSessions", options, { maxSessions: 1 });
    const { maxSessions = DEFAULT_MAX_SESSIONS } = options;
    this.#maxSessions = checkCount("set", "maxSessions", maxSessions);
  }

  /** How many are kept now. */
  get size(): number {
    return this.#byServer.size;
  }

  /** Forgets all. */
  clear(): void {
    this.#byServer.clear();
  }

  /** For the dialer: the latest session of a server, which is then no longer here. @internal */
  take(server: string): TlsSession | undefined {
    const session = this.#byServer.get(server);
    this.#byServer.delete(server);
    return session;
  }

  /** For the dialer. @internal */
  keep(server: string, session: TlsSession): void {
    this.#byServer.delete(server);
    this.#byServer.set(server, session);
    for (const oldest of this.#byServer.keys()) {
      if (this.#byServer.size <= this.#maxSessions) return;
      this.#byServer.delete(oldest);
    }
  }
}

/** Checks the option; `undefined` is left out. @throws NetError `invalid_argument`. */
export function checkSessions(sessions: unknown): void {
  if (sessions === undefined || sessions instanceof TlsSessions) return;
  throw argumentError("dial", "sessions is not of the class TlsSessions");
}
