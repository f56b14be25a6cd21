import { EXIT, UserError } from "../exit-code.ts";
import { isOrigin } from "../settings.ts";
import type { Flags } from "./flags.ts";
import type { Scheme, Target } from "./target.ts";

/** Which of the two commands. */
export type Side = "listen" | "dial";

interface Use {
  readonly flag: string;
  readonly schemes?: readonly Scheme[];
  readonly side?: Side;
}

const WEBSOCKET = ["ws", "wss"] as const;
export const TLS = ["tls", "wss"] as const;
const PROXIED = ["tcp", "tls", "ws", "wss"] as const;

const NOT_UNIX = ["tcp", "udp", "tls", "ws", "wss"] as const;
/** Of a UDP port a connection says nothing. */
const CONNECTED = ["tcp", "tls", "unix", "ws", "wss"] as const;

/** Where an option means something; those that are not named here do everywhere. */
const USES: { readonly [K in keyof Flags]?: Use } = {
  proxyProtocol: { flag: "--proxy-protocol", schemes: PROXIED, side: "listen" },
  trustedProxy: { flag: "--trusted-proxy", schemes: PROXIED, side: "listen" },
  replaceStale: { flag: "--replace-stale", schemes: ["unix"], side: "listen" },
  cert: { flag: "--cert", schemes: TLS },
  key: { flag: "--key", schemes: TLS },
  ca: { flag: "--ca", schemes: TLS },
  insecure: { flag: "--insecure", schemes: TLS, side: "dial" },
  acceptTruncation: { flag: "--accept-truncation", schemes: ["tls"] },
  servername: { flag: "--servername", schemes: TLS, side: "dial" },
  binary: { flag: "--binary", schemes: WEBSOCKET },
  text: { flag: "--text", schemes: WEBSOCKET },
  subprotocol: { flag: "--subprotocol", schemes: WEBSOCKET },
  header: { flag: "--header", schemes: WEBSOCKET },
  origin: { flag: "--origin", schemes: WEBSOCKET },
  source: { flag: "--source", schemes: NOT_UNIX, side: "dial" },
  proxy: { flag: "--proxy", schemes: PROXIED, side: "dial" },
  scan: { flag: "-z", schemes: CONNECTED, side: "dial" },
  trustSources: { flag: "--trust-sources", schemes: ["udp"], side: "listen" },
  allowedHost: { flag: "--allowed-host", schemes: WEBSOCKET, side: "listen" },
  compress: { flag: "--compress", schemes: WEBSOCKET },
  ping: { flag: "--ping", schemes: WEBSOCKET },
  close: { flag: "--close", schemes: WEBSOCKET },
};

/** Pairs that contradict each other. */
const CONFLICTS: readonly (readonly [keyof Flags, keyof Flags, string])[] = [
  ["echo", "broadcast", "--echo and --broadcast exclude each other."],
  ["binary", "text", "--binary and --text exclude each other."],
  [
    "echo",
    "hex",
    "--echo sends back what comes; --hex is for standard input and output, which it does not use.",
  ],
  ["exec", "echo", "--exec and --echo exclude each other."],
  ["exec", "broadcast", "--exec and --broadcast exclude each other."],
  ["exec", "raw", "--raw is for what is shown on a terminal; --exec gives it to a program."],
  ["keep", "reconnect", "--reconnect is --keep with waits that grow: give one of them."],
  ["scan", "exec", "-z only connects; there is nothing for --exec."],
  ["scan", "echo", "-z only connects; there is nothing to --echo."],
  ["scan", "keep", "-z and --keep exclude each other."],
  ["scan", "reconnect", "-z and --reconnect exclude each other."],
  ["scan", "record", "-z only connects; there is nothing to --record."],
  ["hex", "raw", "--hex and --raw exclude each other."],
  ["echo", "binary", "--echo answers text with text and binary with binary; --binary is for standard input."],
  [
    "origin",
    "allowedHost",
    "--origin says which pages get in, whatever they call this host; --allowed-host is for those of this host.",
  ],
  ["echo", "text", "--echo answers text with text and binary with binary; --text is for standard input."],
];

/** Refuses what the user cannot have meant. @throws UserError (exit code 2) */
export function checkFlags(side: Side, target: Target, flags: Flags): void {
  for (const [name, { flag, schemes, side: only }] of Object.entries(USES)) {
    if (flags[name as keyof Flags] === undefined) continue;
    if (schemes !== undefined && !schemes.includes(target.scheme)) {
      const names = schemes.map((scheme) => (scheme === "unix" ? "unix:" : `${scheme}://`));
      const list = names.join(", ").replace(/, (?=[^,]*$)/, " and ");
      refuse(`${flag} is for ${list}, not for ${target.text}.`);
    }
    if (only !== undefined && only !== side) refuse(`${flag} is for zocalo ${only}.`);
  }
  // In a path it is a character as any other. What stands before it may be a password, so it is not shown.
  const canLogIn = side === "dial" && (target.scheme === "ws" || target.scheme === "wss");
  if (target.scheme !== "unix" && target.address.includes("@") && !canLogIn) {
    refuse(`zocalo ${side} ${target.scheme}:// takes no user and password.`);
  }
  for (const [one, other, words] of CONFLICTS) {
    if (flags[one] !== undefined && flags[other] !== undefined) refuse(words);
  }
  const { maxConnections, relay, exec, echo, broadcast, trustSources } = flags;
  if (maxConnections !== undefined && !relay && exec === undefined) {
    refuse("--max-connections is for the programs of --exec: give both.");
  }
  if (trustSources && !relay && exec === undefined && !echo && !broadcast) {
    refuse(
      "--trust-sources is for --exec, --echo and --broadcast; without them the first address is believed.",
    );
  }
  if (flags.trustedProxy !== undefined && flags.proxyProtocol === undefined) {
    refuse("--trusted-proxy says whom --proxy-protocol believes: give both.");
  }
  if ((flags.cert === undefined) !== (flags.key === undefined)) refuse("--cert and --key belong together.");
  for (const origin of side === "listen" ? (flags.origin ?? []) : []) {
    if (isOrigin(origin)) continue;
    refuse(`--origin ${JSON.stringify(origin)} is not an origin, such as https://example.org, or * for all.`);
  }
  if (side === "dial" && (flags.origin?.length ?? 0) > 1) refuse("A client has one --origin.");
}

/** True if an option means something for this target. */
export function isApplicable(name: keyof Flags, target: Target): boolean {
  const schemes = USES[name]?.schemes;
  return schemes === undefined || schemes.includes(target.scheme);
}

/** @throws UserError (exit code 2) */
export function refuse(words: string): never {
  throw new UserError(words, EXIT.usage);
}
