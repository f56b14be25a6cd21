import type { DeflateParameters } from "../core/compression.ts";
import { acceptKey } from "./accept-key.ts";
import { type CompressionSettings, readAcceptedDeflate } from "./deflate.ts";
import { listHas, listMembers, valuesOf } from "./fields.ts";

/** The part of an HTTP answer that a handshake looks at. */
export interface HandshakeResponse {
  readonly statusCode?: number | undefined;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

/** What both sides agreed on. */
export interface Agreement {
  /** `""` for none. */
  readonly subprotocol: string;
  readonly deflate: DeflateParameters | undefined;
  /** As they came. */
  readonly extensions: string;
}

/**
 * Judges a server's answer with status 101 (RFC 6455 §4.1, the numbered list at its end).
 *
 * @param key the `Sec-WebSocket-Key` that was sent.
 * @param subprotocols those that were offered.
 * @param compression what was offered; default: none was.
 * @returns what was agreed on, or what is wrong.
 */
export function readAnswer(
  response: HandshakeResponse,
  key: string,
  subprotocols: readonly string[],
  compression?: CompressionSettings,
): Agreement | { readonly fault: string } {
  const { rawHeaders } = response;
  if (response.statusCode !== 101) return { fault: `status ${response.statusCode} instead of 101` };
  if (response.httpVersionMajor !== 1 || response.httpVersionMinor < 1) return { fault: "not HTTP/1.1" };
  const upgrades = listMembers(valuesOf(rawHeaders, "upgrade"));
  if (upgrades.length !== 1 || upgrades[0]?.toLowerCase() !== "websocket")
    return { fault: "Upgrade is not websocket" };
  if (!listHas(valuesOf(rawHeaders, "connection"), "upgrade")) return { fault: "Connection has no upgrade" };
  const accepts = valuesOf(rawHeaders, "sec-websocket-accept");
  if (accepts.length !== 1 || accepts[0] !== acceptKey(key)) return { fault: "wrong Sec-WebSocket-Accept" };
  const extensions = valuesOf(rawHeaders, "sec-websocket-extensions");
  const deflate = readAcceptedDeflate(extensions, compression);
  if (deflate !== undefined && "fault" in deflate) return deflate;
  const chosen = valuesOf(rawHeaders, "sec-websocket-protocol");
  const [subprotocol] = chosen;
  if (chosen.length > 1) return { fault: "more than one Sec-WebSocket-Protocol" };
  if (subprotocol !== undefined && !subprotocols.includes(subprotocol)) {
    return { fault: `a subprotocol that was not asked for: ${JSON.stringify(subprotocol.slice(0, 100))}` };
  }
  return { subprotocol: subprotocol ?? "", deflate, extensions: extensions.join(", ") };
}
