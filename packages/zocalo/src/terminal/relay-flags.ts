import { checkFlags, isApplicable, refuse, TLS } from "./applicable.ts";
import type { Flags } from "./flags.ts";
import type { Scheme, Target } from "./target.ts";

/** Options of `relay` that are about where it listens, and about where it dials; the rest is about both. */
const OF_LISTENING = [
  "proxyProtocol",
  "trustedProxy",
  "replaceStale",
  "trustSources",
  "origin",
  "allowedHost",
] as const;
const OF_DIALING = ["insecure", "servername", "source", "proxy", "header"] as const;
/** About either side that can have them. */
const OF_EITHER = ["acceptTruncation", "subprotocol", "compress"] as const;

/**
 * Divides the options of `zocalo relay` between its two sides, and refuses what the user cannot have meant.
 *
 * @throws UserError (exit code 2)
 */
export function checkRelay(from: Target, to: Target, flags: Flags): { listening: Flags; dialing: Flags } {
  const { ca, cert, key, clientCa, clientCert, clientKey } = flags;
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    refuse("--client-cert and --client-key belong together.");
  }
  if (ca !== undefined && !isOneOf(TLS, to))
    refuse(`--ca is for a TO of tls:// or wss://, not for ${to.text}.`);
  if (clientCa !== undefined && !isOneOf(TLS, from)) {
    refuse(`--client-ca is for a FROM of tls:// or wss://, not for ${from.text}.`);
  }
  if (cert !== undefined && !isOneOf(TLS, from)) {
    refuse(`--cert is for a FROM of tls:// or wss://, not for ${from.text}; --client-cert is for TO.`);
  }
  if (clientCert !== undefined && !isOneOf(TLS, to)) {
    refuse(`--client-cert is for a TO of tls:// or wss://, not for ${to.text}.`);
  }
  checkForms(from, to, flags);
  // What shapes messages has been looked at, with both sides in view.
  const common = { ...flags, relay: true as const, lines: undefined, binary: undefined, text: undefined };
  const own: readonly (keyof Flags)[] = ["clientCa", "clientCert", "clientKey"];
  const fromTo = OF_EITHER.filter((name) => isApplicable(name, from) || !isApplicable(name, to));
  const toFrom = OF_EITHER.filter((name) => isApplicable(name, to));
  const listening = without(common, [...OF_DIALING, ...own, ...except(OF_EITHER, fromTo)], {
    ca: clientCa,
    cert,
    key,
  });
  const dialing = without(common, [...OF_LISTENING, ...own, ...except(OF_EITHER, toFrom)], {
    ca,
    cert: clientCert,
    key: clientKey,
  });
  checkFlags("listen", from, listening);
  checkFlags("dial", to, dialing);
  const { lines, binary, text } = flags;
  return { listening, dialing: { ...dialing, lines, binary, text } };
}

/** What becomes of messages that have to be made of something else. */
function checkForms(from: Target, to: Target, { lines, binary, text }: Flags): void {
  const kinds = [from, to].map(kindOf);
  const isMixed = kinds.includes("stream") && kinds.some((kind) => kind !== "stream");
  const hasWebSocket = kinds.includes("websocket");
  if (lines && !isMixed) refuse("--lines is for a stream on one side, and ws, wss or udp on the other.");
  if (binary && !(lines && hasWebSocket)) {
    refuse("--binary is for --lines to or from a WebSocket; without --lines messages are binary.");
  }
  const isOfDatagrams = hasWebSocket && kinds.includes("datagrams");
  if (text && !(isOfDatagrams || (lines && hasWebSocket))) {
    refuse(
      "--text is for datagrams to a WebSocket, and for --lines; a portion of a stream may end within a character.",
    );
  }
  if (text && binary) refuse("--binary and --text exclude each other.");
}

function kindOf({ scheme }: Target): "stream" | "datagrams" | "websocket" {
  if (scheme === "udp") return "datagrams";
  return scheme === "ws" || scheme === "wss" ? "websocket" : "stream";
}

function isOneOf(schemes: readonly Scheme[], { scheme }: Target): boolean {
  return schemes.includes(scheme);
}

function except<T>(all: readonly T[], some: readonly T[]): readonly T[] {
  return all.filter((one) => !some.includes(one));
}

function without(flags: Flags, names: readonly (keyof Flags)[], instead: Partial<Flags>): Flags {
  const left = Object.entries(flags).filter(([name]) => !names.some((other) => other === name));
  return { ...(Object.fromEntries(left) as unknown as Flags), ...instead };
}
