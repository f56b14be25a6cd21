import { defaultDurableOptions, defaultHubLimits, defaultMemoryEngineOptions } from "@zocalo/hub";
import { defaultAddressLimits, localAddresses } from "@zocalo/net";
import { HostNames } from "@zocalo/websocket";
import { namespaces } from "./namespaces.ts";
import { FORWARDED_HEADERS, isAddressOrNetwork } from "./proxies.ts";
import { choice, list, port, secret, type Setting, text, wholeNumber } from "./setting.ts";

/** A path, or none. */
const FILE = /^[^\0]{0,4096}$/;
/** What a `MemoryEngine` can hold: 256 GiB. */
const MOST_MEMORY_BYTES = 256 * 1024 ** 3;
/** As good as for ever: before it the other bounds of a room are reached. */
const TEN_YEARS_MS = 3_650 * 86_400_000;

/**
 * Every setting of `zocalo serve`, once. `httpPort` here is `httpPort` in the file, `--http-port` as a flag
 * and `ZOCALO_HTTP_PORT` in the environment.
 */
export const SETTINGS = {
  host: text(
    "localhost",
    /^[\w.:%~-]{1,253}$/,
    "localhost, a host name or an IP address without brackets",
    "HOST",
    "Where to listen: on `localhost` only programs on this machine get in, `::` opens all doors to the network. " +
      "`localhost` is both loopback addresses, 127.0.0.1 and ::1; `::` is IPv6 and IPv4, `0.0.0.0` IPv4 only.",
  ),
  httpPort: port(8080, "The page, and WebSocket at `/ws`."),
  tcpPort: port(7000, "TCP: one JSON command per line."),
  udpPort: port(7001, "UDP: one JSON command per datagram."),
  arena: choice(
    "on",
    ["on", "off"],
    "The game arena, `on` or `off`: its page at `/arena/`, and the rooms in which it is played.",
  ),
  rooms: list(
    [],
    (item) => item !== "" && item.length <= 4_096 && !item.includes("\0"),
    "JavaScript files, such as ./my-game.js",
    "FILES",
    "Games of your own: each file is a module whose default export has them by name, `{ mode: defineRoom({ … }) }` of `@zocalo/room`. " +
      "**Risk**: it is run with all that this program may do. A match goes on in the process that comes after this one, so a game is changed by stopping and starting again.",
  ),
  lanePort: port(
    7002,
    "UDP lanes of games: sealed datagrams for programs, to which they come by a session. " +
      "On `localhost` it is 127.0.0.1. It is open while there are rooms.",
  ),
  laneAddress: text(
    "",
    /^(?:(?:[\w.-]{1,253}|\[[\da-fA-F:.]{2,45}\])?:(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3}))?$/,
    "host:port, [address]:port, or :port for the host by which a client came; empty: where the lanes are",
    "ADDRESS",
    "Where clients are told to send datagrams to, behind Docker, NAT or a balancer: of UDP lanes the whole, of lanes over WebRTC its host if that is an IP address.",
  ),
  webrtcPort: port(
    "off",
    "UDP port of lanes over WebRTC, for pages. It needs the package `node-datachannel`, which is native and installed on its own. Without it pages play over their WebSocket.",
    1,
  ),
  allowedHosts: list(
    [],
    HostNames.isAllowable,
    "host names or addresses without a port, such as example.org, *.example.org or 192.0.2.1, or * for every name",
    "HOSTS",
    "Names by which browsers may call this server, besides those that it knows: `host`, localhost on this machine, and the address itself that is connected to. " +
      "Behind a proxy or a forwarded port (a container's, too), give the name or address that browsers use. A page that is asked for by another name is answered with 421, " +
      "and a WebSocket of such a page with 403: the name may be an attacker's, turned towards this machine (DNS rebinding). `*` takes every name. " +
      "A proxy should pass on the `Host` of the browser, for which the page's policy is written. If it puts another, a page is known by its `Origin`: a name here, or, if that has a port, an entry of `allowedOrigins`.",
  ),
  allowedOrigins: list(
    [],
    isOrigin,
    "origins such as https://example.org, or * for every page of the web",
    "ORIGINS",
    "Pages of other hosts that may open a WebSocket from a browser. A page of this server, by a name of `allowedHosts`, always may. " +
      "`*` lets every page that a visitor opens act with what that visitor may do here.",
  ),
  namespaces: namespaces(
    {
      plaza: {
        subscribe: "anyone",
        publish: "anyone",
        presence: true,
        history: { publications: 100_000, bytes: 64 * 1_048_576, ttlMs: TEN_YEARS_MS },
      },
    },
    "The namespaces, by name: who may do what in the channels whose name begins so, and what is kept. A room of the chat keeps " +
      "100,000 messages, 64 MiB of them and for ten years, whichever ends first. " +
      "What the file says replaces the default: name `plaza` again to keep the chat.",
  ),
  tokenSecret: secret(
    /^(?:[^\0]{32,4096})?$/s,
    "32 characters or more, at random",
    "The secret that signs tokens, HS256: whoever brings one is a user, and `users` of a namespace means them. It has no flag, since all programs of a machine see those; `openssl rand -base64 48` makes one. " +
      "Whoever brings no token is a guest, and one that is wrong is refused (docs/guide-authentication.md).",
  ),
  tokenSecretFile: text(
    "",
    FILE,
    "a file",
    "FILE",
    "The secret that signs tokens, in a file; the line break at its end is none of it.",
  ),
  tokenKeyFile: text(
    "",
    FILE,
    "a file",
    "FILE",
    "A public key that checks tokens, as PEM or a JWK: RSA, EC or Ed25519.",
  ),
  tokenJwks: text(
    "",
    FILE,
    "a file, or an https: URL",
    "SOURCE",
    "Public keys of an identity provider, as a JWK set in a file or at an https: URL. It is asked for again after ten minutes, and for a key that is not there, at most once in 30 seconds.",
  ),
  tokenAudience: list(
    [],
    isClaim,
    "texts of 1 to 256 characters",
    "NAMES",
    "For whom tokens have to be: `aud`, one of these. It is required where there are keys: a token for another service is none here.",
  ),
  tokenIssuer: list(
    [],
    isClaim,
    "texts of 1 to 256 characters",
    "NAMES",
    "Who has to have made tokens: `iss`, one of these. None: whoever has the key.",
  ),
  tokenFrom: text(
    "",
    /^(?:(?:cookie|header):[!#$%&'*+.^_`|~\dA-Za-z-]{1,100})?$/,
    "cookie:NAME or header:NAME",
    "PLACE",
    "Where the request of a WebSocket may carry a token, if the client's `connect` has none. Origins are checked in any case, and with a cookie `allowedOrigins` is not `*`.",
  ),
  engine: choice(
    "durable",
    ["durable", "memory"],
    "Where channels are kept: `durable` on disk, in the directory `data`, `memory` in this process, with which they end. " +
      "On disk, what was acknowledged is there after a crash and a loss of power; that needs Node 22.13 or later, or the package `better-sqlite3`.",
  ),
  data: text(
    "./zocalo-data",
    /^[^\0]{1,4096}$/,
    "a directory",
    "DIRECTORY",
    "The directory in which the engine `durable` keeps channels, on a disk of this machine. It is made if it is not there, so that nobody else may read it. " +
      "One server at a time has it: a second one is told who does.",
  ),
  maxDiskBytes: wholeNumber(
    defaultDurableOptions.maxBytes,
    1_048_576,
    Number.MAX_SAFE_INTEGER,
    "What the engine `durable` may hold in the directory `data`, in bytes, besides what is being written (up to 16 MiB; more while a backup is made) and files that were set aside. At the limit a publication is answered `limit_reached`, until others are past their time. What clients of one address published may take a quarter of it.",
  ),
  maxKeysPerChannel: wholeNumber(
    defaultDurableOptions.maxKeysPerChannel,
    1,
    1_000_000_000,
    "Idempotency keys of one channel that are remembered at once. At the limit a publication with another one is answered `limit_reached`: none is forgotten before its time. Clients of one address may have a quarter as many, in all channels together. " +
      "In the engine `memory` they may also take half of `maxMemoryBytes`, and those of an address half of its part.",
  ),
  maxClients: wholeNumber(
    10_000,
    1,
    1_000_000,
    "Clients at once, through all doors; one more is turned away with close code 1013, to come back later. At most three quarters of the files that " +
      "the process may have open (`ulimit -n`, on Linux); with fewer the log warns at the start.",
  ),
  maxClientsPerAddress: wholeNumber(
    defaultHubLimits.sessionsPerAddress,
    1,
    1_000_000,
    "Clients at once from one address, through all doors; one more is turned away with close code 1013. An IPv6 network of 64 bits is one " +
      "address. A hundred connections more may ask for pages; what is past those is closed without a word. At most a quarter of the files that the process may have open.",
  ),
  maxHalfOpenPerAddress: wholeNumber(
    defaultAddressLimits.maxHalfOpenPerAddress,
    1,
    1_000_000,
    "TCP connections at once from one address that have said nothing yet; one more is closed without a word.",
  ),
  maxSubscriptionsPerAddress: wholeNumber(
    defaultHubLimits.subscriptionsPerAddress,
    1,
    10_000_000,
    "Subscriptions of all clients of one address; one more is answered `limit_reached`.",
  ),
  commandsPerSecond: wholeNumber(
    defaultHubLimits.commandsPerSecond,
    1,
    10_000_000,
    "Commands a second of one client, and twice as many at once after a silence; one more is answered `rate_limited`. " +
      "A command that makes much work counts for several, one of a mebibyte for a thousand, see docs/protocol.md.",
  ),
  commandsPerSecondPerAddress: wholeNumber(
    defaultHubLimits.commandsPerSecondPerAddress,
    1,
    10_000_000,
    "The same of all clients of one address. An HTTP connection and each of its requests count for " +
      "five in a count of their own: with one more all connections of the address that are no WebSockets are closed, and new ones until the second is over.",
  ),
  maxChannels: wholeNumber(
    defaultMemoryEngineOptions.maxChannels,
    1,
    10_000_000,
    "Channels at once in the engine `memory`. At the limit one that nobody is subscribed to, and of which no key has to be remembered, is forgotten with what it holds; " +
      "if there is none, a new one is answered `limit_reached`.",
  ),
  maxChannelsPerAddress: wholeNumber(
    defaultMemoryEngineOptions.maxChannelsPerAddress,
    1,
    10_000_000,
    "Of these, channels that clients of one address began by publishing in them first. At the limit it is their own that are forgotten.",
  ),
  maxMemoryBytes: wholeNumber(
    defaultMemoryEngineOptions.maxBytes,
    1_048_576,
    MOST_MEMORY_BYTES,
    "What channels, publications and keys may take in the engine `memory`, in bytes. It bounds resident memory to within a quarter: a publication of 200 bytes takes 396. Past it the oldest go, and " +
      "channels that then hold nothing and that nobody is subscribed to are forgotten. Channels with subscribers may take a quarter of it without what they hold; one more is " +
      "answered `limit_reached`. Memory is not given back, but used again. What else the server does takes memory of its own.",
  ),
  maxMemoryBytesPerAddress: wholeNumber(
    defaultMemoryEngineOptions.maxBytesPerAddress,
    1_048_576,
    MOST_MEMORY_BYTES,
    "Of this, how much the publications and keys of clients of one address may take, in whichever channels. Past it their own oldest go, or, where those stand behind " +
      "others', the oldest of the channel that is published in.",
  ),
  maxUnreadBytes: wholeNumber(
    defaultHubLimits.unreadBytes,
    1_048_576,
    1_099_511_627_776,
    "Bytes that may wait in the process for all TCP and WebSocket clients that do not read. Past it for longer than half a second, connections are cut without a word, " +
      "those with the most waiting first, of the address with the most. They come back and catch up.",
  ),
  maxUnverifiedPeers: wholeNumber(
    defaultHubLimits.unverifiedSessions,
    1,
    1_000_000,
    "UDP clients that have not proved their address, which may be forged. One more drives out the oldest of them, and nobody else.",
  ),
  firstCommandMs: wholeNumber(
    defaultHubLimits.firstCommandMs,
    100,
    3_600_000,
    "How long a TCP or WebSocket client may send no command, from the beginning, in milliseconds; then it is closed with 4408. " +
      "A command that was begun has a minute, and the head of an HTTP request ten seconds.",
  ),
  presenceTimeoutMs: wholeNumber(
    60_000,
    3_000,
    86_400_000,
    "Within this time a user whose connection is gone without a word is gone from presence, in milliseconds, over every transport (docs/protocol.md, Who vanishes). " +
      "A WebSocket is pinged after a third of it and closed after two; a TCP client that answers pings is pinged after five twelfths and closed after ten, " +
      "any other one is then no longer counted as present; a UDP client's session ends.",
  ),
  udpBytesPerSecond: wholeNumber(
    defaultHubLimits.datagramBytesPerSecond,
    1_000,
    1_000_000_000,
    "Bytes a second that one UDP client is sent, and 65,536 at once after a silence. What is more waits, and comes from the log.",
  ),
  udpBytesPerByte: wholeNumber(
    defaultHubLimits.datagramBytesPerByte,
    1,
    1_000_000,
    "Bytes that one UDP client is sent for each byte that came from it; 65,536 may be ahead. What is more waits until it says something.",
  ),
  exemptAddresses: list(
    localAddresses.filter(isAddressOrNetwork),
    isAddressOrNetwork,
    "IP addresses, and networks such as 10.0.0.0/8",
    "ADDRESSES",
    "Whoever connects from there has no limit of its own (the settings that end in `PerAddress`). The loopback addresses by default, since a proxy " +
      "on this machine would be one visitor; who calls this machine by its address in the network, a load test too, has limits. Those who say nothing are closed all the same.",
  ),
  trustedProxies: list(
    [],
    isAddressOrNetwork,
    "IP addresses, and networks such as 10.0.0.0/8",
    "ADDRESSES",
    "Proxies in front of this server that say for whom they ask: in the header that `forwardedHeader` names for WebSockets, and in a " +
      "PROXY protocol header, version 1 or 2, with which each of their TCP connections must begin. Whoever connects from there can claim any address.",
  ),
  forwardedHeader: choice(
    "x-forwarded-for",
    FORWARDED_HEADERS,
    "The header, `x-forwarded-for` or `forwarded`, in which trusted proxies write the visitor's address, after what came in it. The other one is not read: a proxy that does " +
      "not write it lets visitors do so.",
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
    "How much is logged on standard error: `silent`, `error`, `warn`, `info` or `debug`, which adds why a WebSocket was refused.",
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

function isClaim(item: string): boolean {
  return item !== "" && item.length <= 256;
}

/** Whether this is an origin as browsers write it, or `*`. */
export function isOrigin(item: string): boolean {
  if (item.includes("*")) return item === "*";
  return URL.canParse(item) && new URL(item).origin === item.toLowerCase();
}
