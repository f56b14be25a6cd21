import { randomBytes } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import type { Duplex } from "node:stream";
import { printable } from "@zocalo/net";
import { MAX_INTERIM_ANSWERS, MAX_STATUS_TEXT } from "@zocalo/net/transport";
import { WebSocketNetError } from "../core/error.ts";
import { type CompressionSettings, offerDeflate } from "../handshake/deflate.ts";
import { type Connected, reasonOf } from "./connect.ts";
import type { DialLimits } from "./dial-limits.ts";
import { credentialsOf, hostAndPort } from "./dial-url.ts";

/** A server that has switched protocols. */
export interface Answer {
  readonly response: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Who answered, for messages. */
  readonly name: string;
  /** The `Sec-WebSocket-Key` that was sent. */
  readonly key: string;
}

/** A server that sends the caller elsewhere. */
export interface Redirect {
  readonly status: number;
  /** The `Location` header. */
  readonly location: string;
}

/** What is said in the request. */
export interface RequestParts {
  readonly headers: Readonly<Record<string, string>>;
  readonly subprotocols: readonly string[];
  /** Offered if it is there. */
  readonly compression: CompressionSettings | undefined;
}

/**
 * Sends the request for a WebSocket (RFC 6455 §4.1) and waits for the switch of protocols.
 *
 * @throws WebSocketNetError `refused`, `handshake_failed`, `connect_failed`, `invalid_argument`, `timeout`,
 *   `canceled`
 */
export function askForSwitch(
  target: URL,
  parts: RequestParts,
  { socket: connected, name }: Connected,
  limits: DialLimits,
): Promise<Answer | Redirect> {
  const auth = credentialsOf(target);
  const key = randomBytes(16).toString("base64"); // Another one for each connection.
  return limits.wait(`${name} did not answer`, connected, ({ done, failed }) => {
    let request: ClientRequest;
    try {
      request = httpRequest({
        ...hostAndPort(target),
        defaultPort: target.protocol === "https:" ? 443 : 80,
        path: `${target.pathname}${target.search}`,
        headers: requestHeaders(parts, key),
        // Without `agent`, also without `agent: false`: an agent connects by itself, and does not look at
        // this.
        createConnection: () => connected,
        ...(auth === undefined ? undefined : { auth }),
      });
    } catch (cause) {
      const message = `cannot send a request to ${name}: ${reasonOf(cause)}`;
      failed(new WebSocketNetError("invalid_argument", message, { cause }));
      return;
    }
    // All of them, as many as 16 KiB can hold: past Node's usual limit an answer would seem to lack what it
    // has.
    request.maxHeadersCount = 0;
    request.on("socket", (socket) => socket.resume()); // By now Node listens to it.
    let interim = 0;
    request.on("information", () => {
      if (++interim <= MAX_INTERIM_ANSWERS) return;
      const message = `${name} sent more than ${MAX_INTERIM_ANSWERS} interim answers`;
      failed(new WebSocketNetError("handshake_failed", message));
    });
    request.on("upgrade", (response, socket: Duplex, head) => done({ response, socket, head, name, key }));
    request.on("response", (response) => {
      const { statusCode: status, statusMessage } = response;
      const { location } = response.headers;
      if (status !== undefined && [301, 302, 303, 307, 308].includes(status) && location !== undefined) {
        done({ status, location });
        request.destroy();
        return;
      }
      // Node sees no upgrade in a 101 without Upgrade or Connection.
      const code = status === 101 ? "handshake_failed" : "refused";
      const words = `${name} answered ${status} ${printable(statusMessage ?? "", MAX_STATUS_TEXT)}`.trim();
      failed(new WebSocketNetError(code, status === 101 ? `${words} without an upgrade` : words, { status }));
    });
    request.on("error", (cause) => failed(requestError(name, cause)));
    request.end();
    return () => void request.destroy();
  });
}

/** What Node says of a request that came to nothing. */
function requestError(name: string, cause: Error): WebSocketNetError {
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  if (code.startsWith("HPE_")) {
    const message = `${name} did not answer as HTTP says: ${cause.message}`;
    return new WebSocketNetError("handshake_failed", message, { cause });
  }
  const message =
    cause.message === "socket hang up"
      ? `${name} closed the connection before it answered`
      : `the connection to ${name} broke before it answered: ${reasonOf(cause)}`;
  return new WebSocketNetError("connect_failed", message, { cause });
}

function requestHeaders(
  { headers, subprotocols, compression }: RequestParts,
  key: string,
): Record<string, string> {
  const all: Record<string, string> = { ...headers };
  all["Upgrade"] = "websocket";
  all["Connection"] = "Upgrade";
  all["Sec-WebSocket-Version"] = "13";
  all["Sec-WebSocket-Key"] = key;
  if (subprotocols.length > 0) all["Sec-WebSocket-Protocol"] = subprotocols.join(", ");
  if (compression !== undefined) all["Sec-WebSocket-Extensions"] = offerDeflate(compression);
  return all;
}
