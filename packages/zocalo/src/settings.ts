import { namespaces } from "./namespaces.ts";
import { choice, list, port, type Setting, text, wholeNumber } from "./setting.ts";

/**
 * Every setting of `zocalo serve`, once. `httpPort` here is `httpPort` in the file, `--http-port` as a flag and
 * `ZOCALO_HTTP_PORT` in the environment.
 */
export const SETTINGS = {
  host: text(
    "localhost",
    /^[\w.:%~-]{1,253}$/,
    "localhost, a host name or an IP address without brackets",
    "HOST",
    "Where to listen. `localhost` is both loopback addresses, 127.0.0.1 and ::1: only programs on this machine get in. " +
      "`::` opens all doors to the network (IPv6 and IPv4), `0.0.0.0` to IPv4 only.",
  ),
  httpPort: port(8080, "The page, and WebSocket at `/ws`."),
  tcpPort: port(7000, "TCP: one JSON command per line."),
  udpPort: port(7001, "UDP: one JSON command per datagram."),
  allowedOrigins: list(
    [],
    isOrigin,
    "origins such as https://example.org, or * for every page of the web",
    "ORIGINS",
    "Pages of other hosts that may open a WebSocket from a browser. A page from this server always may. " +
      "Behind a proxy on the same machine, name the public origin here. " +
      "`*` lets every page that a visitor opens act with what that visitor may do here.",
  ),
  namespaces: namespaces(
    { plaza: { subscribe: "anyone", publish: "anyone", presence: true, history: { publications: 1_000 } } },
    "The namespaces, by name: who may do what in the channels whose name begins so, and what is kept. " +
      "What the file says replaces the default: name `plaza` again to keep the chat.",
  ),
  maxClients: wholeNumber(
    10_000,
    1,
    1_000_000,
    "Clients at once, through all doors; one more is turned away with close code 1013, to come back later.",
  ),
  drainMs: wholeNumber(
    5_000,
    0,
    600_000,
    "How long a stop waits for clients to take what was sent and to leave, in milliseconds; then it cuts them off.",
  ),
  logLevel: choice(
    "info",
    ["silent", "error", "warn", "info", "debug"],
    "How much is logged on standard error. `debug` adds why a WebSocket was refused.",
  ),
  logFormat: choice(
    "auto",
    ["auto", "json", "text"],
    "`json` is one object per line, `text` is for people; `auto` is text on a terminal and json elsewhere.",
  ),
} satisfies Record<string, Setting>;

/** The name of a setting. */
export type SettingName = keyof typeof SETTINGS;

/** What `zocalo serve` runs with. */
export type Settings = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer Value> ? Value : never;
};

/** Names of all settings, in the order of the help text. */
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** `httpPort` → `--http-port` */
export function flagOf(name: string): string {
  return `--${words(name).join("-")}`;
}

/** `httpPort` → `ZOCALO_HTTP_PORT` */
export function variableOf(name: string): string {
  return `ZOCALO_${words(name).join("_").toUpperCase()}`;
}

function words(name: string): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}

function isOrigin(item: string): boolean {
  if (item.includes("*")) return item === "*";
  return URL.canParse(item) && new URL(item).origin === item.toLowerCase();
}
