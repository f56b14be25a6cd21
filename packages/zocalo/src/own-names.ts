import type { IncomingMessage } from "node:http";
import { HostNames, isSameHost } from "@zocalo/websocket";
import { Seldom } from "./seldom.ts";
import type { Settings } from "./settings.ts";

/** Every page, or every name. */
const ANY = "*";
/** An origin that somebody may want to allow, and that is safe to copy into a shell. */
const PLAIN_ORIGIN = /^https?:\/\/(?:\[[\da-f:.]{2,45}\]|\w[\w.-]{0,252})(?::\d{1,5})?$/i;

/**
 * The names of a server, and the pages that it lets in.
 *
 * Its names are those of `HostNames`, told by `allowedHosts` and `host`. A name that it was not told may be
 * an attacker's, turned towards this machine after a page was loaded (DNS rebinding): then neither a
 * WebSocket is opened for it nor a page read (decision 0012).
 */
export class OwnNames {
  /** What pages of this server call it. */
  readonly #ofPages: HostNames;
  /** What whoever asks for a page may call it: pages of `allowedOrigins` may be its own, behind a proxy. */
  readonly #ofRequests: HostNames;
  readonly #allowedOrigins: ReadonlySet<string>;
  readonly #seldom = new Seldom();
  readonly #seldomOrigin = new Seldom();
  readonly #onUnknownHost: (host: string, keptBack: number) => void;
  readonly #onForeignPage: (origin: string, keptBack: number) => void;

  /**
   * @param onUnknownHost told a name that may have to be allowed, at most once a minute, and how many
   *   requests were refused like this since the last time. Strangers choose the name.
   * @param onForeignPage told likewise the origin of a page that has a host of its own: an attacker's, or
   *   this server's behind a proxy that puts another `Host`.
   */
  constructor(
    { host, allowedHosts, allowedOrigins }: Pick<Settings, "host" | "allowedHosts" | "allowedOrigins">,
    onUnknownHost: (host: string, keptBack: number) => void,
    onForeignPage: (origin: string, keptBack: number) => void = () => undefined,
  ) {
    const told = HostNames.ofListener(host, allowedHosts);
    const ofOrigins = allowedOrigins.map((origin) => (origin === ANY ? ANY : new URL(origin).hostname));
    this.#ofPages = new HostNames(told);
    this.#ofRequests = new HostNames([...told, ...ofOrigins]);
    this.#allowedOrigins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
    this.#onUnknownHost = onUnknownHost;
    this.#onForeignPage = onForeignPage;
  }

  /**
   * Whether a page may open a WebSocket: one of this server, one of `allowedOrigins` (`*`: all), or a program
   * that is no browser, whatever it calls this server.
   */
  isAllowedPage(request: IncomingMessage): boolean {
    if (this.#allowedOrigins.has(ANY) || this.#ofPages.isOwnPage(request, request.socket)) return true;
    // Node joins repeated Origin headers with a comma, and then they equal no origin.
    const origin = request.headers.origin ?? "";
    if (this.#allowedOrigins.has(origin.toLowerCase())) return true;
    if (isSameHost(request)) this.#tell(this.#ofPages, request);
    else if (PLAIN_ORIGIN.test(origin)) {
      this.#seldomOrigin.tell((keptBack) => this.#onForeignPage(origin, keptBack));
    }
    return false;
  }

  /**
   * Whether a request for a page calls this server by a name of its own. Browsers send no `Origin` with it,
   * so programs that do not either have to call it by its name, too.
   */
  isAllowedHost(request: IncomingMessage): boolean {
    if (this.#ofRequests.isOwnHost(request, request.socket)) return true;
    this.#tell(this.#ofRequests, request);
    return false;
  }

  #tell(names: HostNames, request: IncomingMessage): void {
    const host = names.unknownHost(request, request.socket);
    if (host !== undefined) this.#seldom.tell((keptBack) => this.#onUnknownHost(host, keptBack));
  }
}
