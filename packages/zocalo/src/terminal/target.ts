import { EXIT, UserError } from "../exit-code.ts";

/** The schemes `listen` and `dial` know. */
export const SCHEMES = ["tcp", "udp", "unix", "tls", "ws", "wss"] as const;

export type Scheme = (typeof SCHEMES)[number];

/** Where to listen or whom to dial. */
export interface Target {
  readonly scheme: Scheme;
  /** `host:port` as Go writes it, or the path of a Unix socket (`@name`: an abstract one). */
  readonly address: string;
  /** Path and query of a WebSocket URL; empty if it has none. */
  readonly path: string;
  /** As it was given. */
  readonly text: string;
}

/** The ports a WebSocket URL means when it names none. */
const DEFAULT_PORTS: Partial<Record<Scheme, number>> = { ws: 80, wss: 443 };

const MAX_PORT = 65_535;

const EXAMPLES =
  "tcp://:7000, udp://host:7001, unix:/run/my.sock, tls://host:7443, ws://:8080/path, wss://host/path";

/**
 * Reads a target. What the address says is judged by who opens it.
 *
 * @throws UserError (exit code 2) that shows the text and what is allowed.
 */
export function parseTarget(text: string): Target {
  const unix = /^unix:(?:\/\/)?(.+)$/s.exec(text)?.[1];
  if (unix !== undefined) return { scheme: "unix", address: unix, path: "", text };
  const [, name = "", address = "", path = ""] = /^([a-z]+):\/\/([^/?#\s]*)([^#\s]*)$/i.exec(text) ?? [];
  const scheme = SCHEMES.find((known) => known === name.toLowerCase());
  const port = scheme && DEFAULT_PORTS[scheme];
  if (scheme === undefined || scheme === "unix" || address === "") {
    throw new UserError(
      `${JSON.stringify(text)} is not an address; it should look like one of ${EXAMPLES}.`,
      EXIT.usage,
    );
  }
  if (port === undefined && path !== "" && path !== "/") {
    throw new UserError(
      `${JSON.stringify(text)} has a path, which ${scheme}:// knows nothing of.`,
      EXIT.usage,
    );
  }
  const hasPort = /:[^:\]]*$/.test(address);
  return {
    scheme,
    address: hasPort || port === undefined ? address : `${address}:${port}`,
    path: port === undefined ? "" : path,
    text,
  };
}

/**
 * The URLs that one with a range of ports stands for, such as `tcp://host:8000-8010`, in order.
 *
 * @throws UserError (exit code 2) for a range that is none.
 */
export function portsOf(url: string): readonly [string, ...string[]] {
  const [, start = "", first = "", last = "", path = ""] =
    /^([a-z]+:\/\/[^/?#\s]*:)(\d{1,5})-(\d{1,5})([/?].*)?$/is.exec(url) ?? [];
  if (start === "") return [url];
  const [low, high] = [Number(first), Number(last)];
  if (low < 1 || high > MAX_PORT || low > high) {
    throw new UserError(`${first}-${last} is not a range of ports, such as 8000-8010.`, EXIT.usage);
  }
  const rest = Array.from({ length: high - low }, (_, at) => `${start}${low + 1 + at}${path}`);
  return [`${start}${low}${path}`, ...rest];
}

/** The target of a listener once the system has chosen its port, as it can be dialed. */
export function listeningUrl({ scheme, path }: Target, address: string): string {
  return scheme === "unix" ? `unix:${address}` : `${scheme}://${address}${path}`;
}
