import { isIP, isIPv6 } from "node:net";
import type { Duplex } from "node:stream";
import { shown } from "@zocalo/net/transport";
import { WebSocketNetError } from "../core/error.ts";
import { valuesOf, type HandshakeRequest } from "./fields.ts";
import { isSameHost } from "./origin.ts";
import { namedHost } from "./target.ts";

/** Every name: who asks is judged by others. */
const ANY = "*";
/** What begins so stands for every name below a domain, and not for the domain itself. */
const ANY_BELOW = "*.";
/** Longest name of DNS, as text (RFC 1035 §2.3.4, without the last dot). */
const MAX_NAME = 253;
/**
 * What a name that somebody can own is made of. A `Host` may have more, such as `$(…)`, that nobody should
 * copy into a shell, or begin as an option does.
 */
const PLAIN_NAME = /^[\w:](?:[\w:-]|\.(?!\.|$))*$/;

/** A connection, and the address at this end of it. A Unix socket has none. */
export interface LocalEnd {
  readonly localAddress?: string | undefined;
}

/**
 * The names by which a server may be called.
 *
 * A browser takes whatever leads to a server for a page of that server's own if only the name in the address
 * bar is the same. Names are anybody's to give: an attacker's page can let its own name lead to an address of
 * this network after it was loaded (DNS rebinding), and then its `Host` and its `Origin` agree with each
 * other. So a server has to know its names:
 *
 * - those that it was told, on every address;
 * - `localhost`, names that end in `.localhost`, and loopback addresses, on connections over loopback or a
 *   Unix socket (RFC 6761 §6.3);
 * - the address to which the connection was made, written as an address. No name leads there, so none can be
 *   rebound.
 *
 * Upper case, a trailing dot, the port, and the way in which an address is written make no difference.
 */
export class HostNames {
  readonly #told = new Set<string>();
  /** `.example.org` for `*.example.org`. */
  readonly #suffixes: string[] = [];
  readonly #isAny: boolean;

  /**
   * @param allowedHosts names and addresses without a port: `chat.example.org`, `*.example.org` (every name
   *   below it), `192.0.2.1`, `::1`; or `*`, every name, which lets rebound pages in.
   * @throws WebSocketNetError `invalid_argument`, with the one that is none.
   */
  constructor(allowedHosts: readonly string[] = []) {
    if (!Array.isArray(allowedHosts)) {
      // A text would be taken for the list of its letters.
      const message = `allowedHosts ${shown(allowedHosts)} is not an array, such as ["chat.example.org"]`;
      throw new WebSocketNetError("invalid_argument", message);
    }
    this.#isAny = allowedHosts.includes(ANY);
    for (const text of allowedHosts) {
      const name = typeof text === "string" ? readAllowed(text) : undefined;
      if (name === undefined) {
        const allowed = `a host name or an address without a port, "${ANY_BELOW}example.org" or "${ANY}"`;
        const message = `allowedHosts has ${shown(text)}, which is not ${allowed}`;
        throw new WebSocketNetError("invalid_argument", message);
      }
      if (name.startsWith(ANY_BELOW)) this.#suffixes.push(name.slice(ANY.length));
      else this.#told.add(name);
    }
  }

  /** True if `text` may stand in `allowedHosts`. */
  static isAllowable(this: void, text: string): boolean {
    return readAllowed(text) !== undefined;
  }

  /**
   * What a server that listens on `host` was told: a host name there is one of its names, and an address says
   * nothing new.
   *
   * @param host of a listening address, such as `chat.example.org`, `0.0.0.0`, or nothing.
   * @returns what to give the constructor, or to set as `allowedHosts`.
   */
  static ofListener(this: void, host: string, allowedHosts: readonly string[] = []): readonly string[] {
    const name = readName(host);
    return name === undefined || isIP(name) !== 0 ? allowedHosts : [...allowedHosts, name];
  }

  /**
   * Whether a request calls this server by a name of its own. One that names nobody, as HTTP/1.0 may and no
   * browser does, is taken.
   *
   * @param socket over which it came.
   */
  isOwnHost(request: HandshakeRequest, socket: Duplex | LocalEnd): boolean {
    const host = namedHost(request);
    return host === undefined || this.#has(host, socket);
  }

  /**
   * Whether a request comes from a page of this server, or from no page: programs that are no browsers send
   * no `Origin`. A page is of this server if its origin is the host and port that the request is for, and
   * that is a name of this server; or if it is `http:` or `https:` with a name that this server was told in
   * full (not by `*`), and no port: a proxy may have put another `Host`. `null`, malformed and repeated
   * origins are of no server.
   *
   * @param socket over which it came.
   */
  isOwnPage(request: HandshakeRequest, socket: Duplex | LocalEnd): boolean {
    const origins = valuesOf(request.rawHeaders, "origin");
    const [origin] = origins;
    if (origin === undefined) return true;
    if (origins.length > 1) return false;
    if (isSameHost(request)) return this.isOwnHost(request, socket);
    const [, host = ""] = /^https?:\/\/([^:]*)$/i.exec(origin) ?? [];
    const name = readName(host);
    return name !== undefined && this.#told.has(name);
  }

  /**
   * What an operator may want to add to `allowedHosts`, if this request is refused: the host by which it
   * calls this server, in the form that is taken there, where that is no name of this server and the page, if
   * there is one, is of that host. `undefined` otherwise, and for what can be no name in DNS. Strangers
   * choose it.
   */
  unknownHost(request: HandshakeRequest, socket: Duplex | LocalEnd): string | undefined {
    if (!isSameHost(request) || this.isOwnHost(request, socket)) return undefined;
    const name = readName(withoutPort(namedHost(request) ?? ""));
    return name !== undefined && name.length <= MAX_NAME && PLAIN_NAME.test(name) ? name : undefined;
  }

  #has(host: string, socket: Duplex | LocalEnd): boolean {
    const name = readName(withoutPort(host));
    if (name === undefined) return false;
    if (this.#isAny || this.#told.has(name)) return true;
    if (this.#suffixes.some((suffix) => name.endsWith(suffix))) return true;
    const isHere = isLoopback(name);
    if (!isHere && isIP(name) === 0) return false; // Without asking the system for the address.
    const { localAddress } = socket as LocalEnd;
    if (localAddress === undefined) return isHere;
    const address = plainAddress(localAddress);
    return isHere ? isLoopback(address) : name === address;
  }
}

/** What may stand in `allowedHosts`, in one form; `undefined` for what may not. */
function readAllowed(text: string): string | undefined {
  if (text === ANY) return ANY;
  const isBelow = text.startsWith(ANY_BELOW);
  const name = readName(isIPv6(text) ? `[${text}]` : isBelow ? text.slice(ANY_BELOW.length) : text);
  if (name === undefined || !isBelow) return name;
  return isIP(name) === 0 ? `${ANY_BELOW}${name}` : undefined;
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, "");
}

/**
 * A name, or an address as URLs have it, in one form: `undefined` if it is none. IPv6 addresses stand in
 * brackets in `text`, and without them in the outcome.
 */
function readName(text: string): string | undefined {
  if (text === "" || /[/?#@\\\s*]/.test(text) || /:\d*$/.test(text)) return undefined;
  if (!URL.canParse(`http://${text}`)) return undefined;
  const { hostname } = new URL(`http://${text}`);
  const name = hostname.startsWith("[") ? plainAddress(hostname.slice(1, -1)) : hostname.replace(/\.$/, "");
  return name === "" ? undefined : name;
}

/**
 * An address without its zone; an IPv4 address that stands in an IPv6 one is the IPv4 address
 * (RFC 4291 §2.5.5.2).
 */
function plainAddress(text: string): string {
  const address = text.replace(/%.*$/, "").toLowerCase();
  const [, dotted, high, low] =
    /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([\da-f]{1,4}):([\da-f]{1,4}))$/.exec(address) ?? [];
  if (dotted !== undefined) return dotted;
  if (high === undefined || low === undefined) return address;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join(".");
}

/** RFC 6761 §6.3: `localhost` and all below it never lead elsewhere. */
function isLoopback(name: string): boolean {
  const isName = name === "localhost" || name.endsWith(".localhost");
  return isName || name === "::1" || /^127\.\d+\.\d+\.\d+$/.test(name);
}
