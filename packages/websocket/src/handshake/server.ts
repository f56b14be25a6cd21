import { acceptKey, isKey } from "./accept-key.ts";
import { type ExtensionOffer, parseExtensions } from "./extensions.ts";
import { isHost, isToken, listHas, listMembers, valuesOf, type HandshakeRequest } from "./fields.ts";

/** The version of the protocol this package speaks (RFC 6455 §4.1). */
const VERSION = "13";
/** Most subprotocols that a request may offer. */
const MAX_SUBPROTOCOLS = 128;

/** An HTTP answer that refuses an upgrade. */
export interface Refusal {
  /** HTTP status. */
  readonly status: number;
  /** One sentence for the body; no secrets. */
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a valid upgrade request asks for. */
export interface UpgradeRequest {
  /** The value of `Sec-WebSocket-Accept`. */
  readonly accept: string;
  /** Subprotocols in the client's order of preference, without repetition. */
  readonly subprotocols: readonly string[];
  /** Extensions in the client's order of preference. */
  readonly extensions: readonly ExtensionOffer[];
}

/** True if `outcome` of `readUpgrade` is a refusal. */
export function isRefusal(outcome: UpgradeRequest | Refusal): outcome is Refusal {
  return "status" in outcome;
}

/**
 * Judges an opening handshake (RFC 6455 §4.2.1), without its origin.
 *
 * @param maxHeaders how many headers the HTTP parser keeps: at that number some may be missing, and nothing
 *   is known for sure. 0: all.
 */
export function readUpgrade(request: HandshakeRequest, maxHeaders = 0): UpgradeRequest | Refusal {
  const { rawHeaders } = request;
  if (request.method !== "GET")
    return { status: 405, reason: "an upgrade is a GET request", headers: { Allow: "GET" } };
  if (request.httpVersionMajor !== 1 || request.httpVersionMinor < 1) {
    return { status: 505, reason: "an upgrade needs HTTP/1.1" };
  }
  if (maxHeaders > 0 && rawHeaders.length >= 2 * maxHeaders) {
    return { status: 431, reason: `${maxHeaders} headers or more` };
  }
  if (!listHas(valuesOf(rawHeaders, "upgrade"), "websocket")) {
    return { status: 426, reason: "Upgrade is not websocket", headers: { Upgrade: "websocket" } };
  }
  if (!listHas(valuesOf(rawHeaders, "connection"), "upgrade")) return bad("Connection has no upgrade");
  const hosts = valuesOf(rawHeaders, "host");
  const [host] = hosts;
  // RFC 9112 §3.2 wants 400 for each of these.
  if (hosts.length !== 1 || host === undefined || !isHost(host)) return bad("there must be one valid Host");
  if (valuesOf(rawHeaders, "transfer-encoding").length > 0) return bad("an upgrade has no body");
  const lengths = valuesOf(rawHeaders, "content-length");
  if (lengths.some((length) => length !== "0")) return bad("an upgrade has no body");

  const versions = valuesOf(rawHeaders, "sec-websocket-version");
  if (versions.length !== 1 || versions[0] !== VERSION) {
    return {
      status: 426,
      reason: `Sec-WebSocket-Version must be ${VERSION}`,
      headers: { "Sec-WebSocket-Version": VERSION, Upgrade: "websocket" },
    };
  }
  const keys = valuesOf(rawHeaders, "sec-websocket-key");
  const [key] = keys;
  if (keys.length !== 1 || key === undefined || !isKey(key)) {
    return bad("Sec-WebSocket-Key must be 16 bytes in base64, once");
  }
  const offered = valuesOf(rawHeaders, "sec-websocket-protocol");
  const subprotocols = listMembers(offered);
  if (offered.length > 0) {
    if (subprotocols.length === 0) return bad("Sec-WebSocket-Protocol is empty");
    if (subprotocols.length > MAX_SUBPROTOCOLS) return bad(`more than ${MAX_SUBPROTOCOLS} subprotocols`);
    if (!subprotocols.every(isToken)) return bad("Sec-WebSocket-Protocol has a name that is not a token");
    if (new Set(subprotocols).size < subprotocols.length)
      return bad("Sec-WebSocket-Protocol names one twice");
  }
  const extensions = parseExtensions(valuesOf(rawHeaders, "sec-websocket-extensions"));
  if (extensions === undefined) return bad("Sec-WebSocket-Extensions is malformed");
  return { accept: acceptKey(key), subprotocols, extensions };
}

function bad(reason: string): Refusal {
  return { status: 400, reason };
}
