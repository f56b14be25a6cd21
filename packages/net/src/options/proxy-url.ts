import { domainToASCII } from "node:url";
import { argumentError } from "../contracts/failures.ts";
import { kindOf } from "./check-values.ts";

/** A proxy, as its URL says. Nothing of `user` and `password` is ever in a message. */
export interface ProxyUrl {
  readonly scheme: "socks5" | "http" | "https";
  /** A name or an IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Percent-decoded; `undefined` where the URL has neither. */
  readonly login: { readonly user: string; readonly password: string } | undefined;
}

/** The default ports: RFC 1928 §3 for SOCKS; those of the URL schemes for HTTP. */
const PORTS = { socks5: 1080, http: 80, https: 443 } as const;

/** How much of an unknown scheme a message shows, in characters. */
const MAX_SHOWN_SCHEME = 20;

/** Most bytes of a user and of a password for SOCKS (RFC 1929 §2). */
const MAX_SOCKS_LOGIN_BYTES = 255;

/**
 * Reads the URL of a proxy: `socks5://user:password@host:port`, `http://…` or `https://…`. Percent-encoding
 * in user and password is decoded. `socks5h:` is `socks5:`, since the proxy resolves names with both.
 *
 * @throws NetError `invalid_argument`. Its message shows nothing of the text but the scheme, since any part
 * of a mistyped URL may be a password.
 */
export function parseProxyUrl(given: string | URL): ProxyUrl {
  if (typeof given !== "string" && !(given instanceof URL)) {
    throw argumentError("dial", `proxy is ${kindOf(given)}, and not a URL`);
  }
  let url: URL;
  let login: ProxyUrl["login"];
  try {
    url = new URL(String(given));
    const hasLogin = url.username !== "" || url.password !== "";
    login = hasLogin
      ? { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
      : undefined;
  } catch {
    throw notAProxy("this is not a URL"); // Without its cause, which has all that was given.
  }
  // `new URL` takes any slashes behind http:, or none; and what stands before a colon without them may be a
  // user.
  if (!/^\s*[a-z\d+.-]+:\/\//i.test(String(given))) throw notAProxy("it does not begin with a scheme and //");
  const scheme = url.protocol.replace(/^socks5h:$/, "socks5:").slice(0, -1);
  if (scheme !== "socks5" && scheme !== "http" && scheme !== "https") {
    throw notAProxy(`its scheme is "${scheme.slice(0, MAX_SHOWN_SCHEME)}"`);
  }
  if (!/^\/?$/.test(url.pathname) || url.search !== "" || url.hash !== "") {
    throw notAProxy("it has a path, a query or a fragment");
  }
  const host = hostOf(url.hostname);
  if (host === "") throw notAProxy("it has no host");
  if (url.port === "0") throw notAProxy("its port is 0");
  if (login !== undefined) checkLogin(scheme, login);
  return { scheme, host, port: url.port === "" ? PORTS[scheme] : Number(url.port), login };
}

/** As A-labels; the host of a `socks5:` URL is left as it was written by `new URL`. */
function hostOf(hostname: string): string {
  if (hostname.startsWith("[")) return hostname.slice(1, -1);
  try {
    return domainToASCII(decodeURIComponent(hostname));
  } catch {
    return "";
  }
}

function checkLogin(scheme: ProxyUrl["scheme"], { user, password }: NonNullable<ProxyUrl["login"]>): void {
  if (scheme === "socks5") {
    const lengths = [Buffer.byteLength(user), Buffer.byteLength(password)] as const;
    if (lengths[0] === 0) throw notAProxy("it has a password without a user");
    if (Math.max(...lengths) > MAX_SOCKS_LOGIN_BYTES) {
      throw notAProxy(`user or password have more than ${MAX_SOCKS_LOGIN_BYTES} bytes (RFC 1929)`);
    }
    // RFC 7617 §2: the user of Basic ends at the first colon.
  } else if (user.includes(":")) throw notAProxy("the user has a colon (RFC 7617)");
}

function notAProxy(fault: string): Error {
  return argumentError(
    "dial",
    `proxy is not socks5://host:port, http://host:port or https://host:port: ${fault}`,
  );
}
