import type { IncomingMessage } from "node:http";
import { HostNames } from "@zocalo/websocket";
import { Seldom } from "./seldom.ts";
import { isOrigin, type Settings } from "./settings.ts";

/** Every page, or every name. */
const ANY = "*";

/**
 * The names of a server, and the pages that it lets in.
 *
 * Its names are those of `HostNames`, told by `allowedHosts` and `host`. A name that it was not told may be an attacker's, turned towards this machine after a page was loaded (DNS
 * rebinding): then neither a WebSocket is opened for it nor a page read (decision 0012).
 */
export class OwnNames {
  /** What pages of this server call it. */
  readonly #ofPages: HostNames;
  /** What whoever asks for a page may call it: pages of `allowedOrigins` may be its own, behind a proxy. */
  readonly #ofRequests: HostNames;
  readonly #allowedOrigins: ReadonlySet<string>;
  readonly #seldom = new Seldom();
  readonly #onUnknownHost: (host: string, keptBack: number) => void;
  readonly #seldomOrigin = new Seldom();
  readonly #onUnknownOrigin: (origin: string, keptBack: number) => void;

  /**
   * @param onUnknownHost told a name that may have to be allowed, at most once a minute, and how many requests were refused like this since the last time. Strangers
   *   choose the name.
   * @param onUnknownOrigin told likewise of a page whose host is not the one that it calls: of another site, or of this one behind a proxy that does not pass `Host` on.
   */
  constructor(
    { host, allowedHosts, allowedOrigins }: Pick<Settings, "host" | "allowedHosts" | "allowedOrigins">,
    onUnknownHost: (host: string, keptBack: number) => void,
    onUnknownOrigin: (origin: string, keptBack: number) => void = () => undefined,
  ) {
    const told = HostNames.ofListener(host, allowedHosts);
    const ofOrigins = allowedOrigins.map((origin) => (origin === ANY ? ANY : new URL(origin).hostname));
    this.#ofPages = new HostNames(told);
    this.#ofRequests = new HostNames([...told, ...ofOrigins]);
    this.#allowedOrigins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
    this.#onUnknownHost = onUnknownHost;
    this.#onUnknownOrigin = onUnknownOrigin;
  }

  /** Whether a page may open a WebSocket: one of this server, one of `allowedOrigins` (`*`: all), or a program that is no browser, whatever it calls this server. */
  isAllowedPage(request: IncomingMessage): boolean {
    if (this.#allowedOrigins.has(ANY) || this.#ofPages.isOwnPage(request, request.socket)) return true;
    // Node joins repeated Origin headers with a comma, and then they equal no origin.
    if (this.#allowedOrigins.has(request.headers.origin?.toLowerCase() ?? "")) return true;
    if (!this.#tell(this.#ofPages, request)) this.#tellOrigin(request);
    return false;
  }

  /** Whether a request for a page calls this server by a name of its own. Browsers send no `Origin` with it, so programs that do not either have to call it by its name, too. */
  isAllowedHost(request: IncomingMessage): boolean {
    if (this.#ofRequests.isOwnHost(request, request.socket)) return true;
    this.#tell(this.#ofRequests, request);
    return false;
  }

  /** @returns whether it is the host that is unknown. */
  #tell(names: HostNames, request: IncomingMessage): boolean {
    const host = names.unknownHost(request, request.socket);
    if (host === undefined) return false;
    this.#seldom.tell((keptBack) => this.#onUnknownHost(host, keptBack));
    return true;
  }

  #tellOrigin({ headers: { origin } }: IncomingMessage): void {
    if (origin === undefined || origin === ANY || !isOrigin(origin)) return;
    this.#seldomOrigin.tell((keptBack) => this.#onUnknownOrigin(origin, keptBack));
  }
}
