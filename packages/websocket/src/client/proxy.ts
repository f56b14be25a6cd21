import type { ConnectionOptions } from "node:tls";
import { printable } from "@zocalo/net";
import { type Connected, type ConnectOptions, connectTcp, reasonOf, secure } from "./connect.ts";
import type { DialLimits } from "./dial-limits.ts";
import { credentialsOf, hostAndPort, parseHttpUrl } from "./dial-url.ts";
import { WebSocketError } from "../core/error.ts";
import { readResponseHead, type ResponseHead } from "../handshake/response-head.ts";

/** Most answers with a status of 1xx before the one that counts. */
export const MAX_INTERIM_ANSWERS = 16;
/** How much of the words behind a status a message shows, in characters. */
export const MAX_STATUS_TEXT = 100;

/**
 * Reads the URL of an HTTP proxy.
 *
 * @throws WebSocketError `invalid_address`
 */
export function parseProxy(text: string | URL): URL {
  const proxy = parseHttpUrl(text);
  if (!/^https?:/i.test(String(text)) || proxy.pathname !== "/" || proxy.search !== "") {
    throw new WebSocketError("invalid_address", `a proxy is http://host:port or https://host:port`);
  }
  return proxy;
}

/**
 * Asks an HTTP proxy for a tunnel (CONNECT, RFC 9110 §9.3.6). Its user and password go to the proxy alone.
 *
 * @returns a socket whose other end is `target`. What the proxy sent behind its answer is still to be read from it.
 * @throws WebSocketError `proxy_refused` (with `status`), `connect_failed`, `handshake_failed` for an answer that is not HTTP, `timeout`, `canceled`,
 *   `invalid_argument`
 */
export async function openTunnel(
  proxy: URL,
  target: URL,
  options: ConnectOptions,
  tls: ConnectionOptions | undefined,
  limits: DialLimits,
): Promise<Connected> {
  let connected: Connected = await connectTcp(proxy, `proxy ${proxy.host}`, options, limits);
  if (proxy.protocol === "https:") {
    connected = await secure(connected, proxy, hostAndPort(proxy).host, tls, limits);
  }
  const { socket, name } = connected;
  const authority = `${target.hostname}:${hostAndPort(target).port}`;
  const { status, reason } = await askForTunnel(connected, authority, credentialsOf(proxy), limits);
  if (status < 200 || status > 299) {
    socket.destroy();
    const words = `${status} ${printable(reason, MAX_STATUS_TEXT)}`.trim();
    throw new WebSocketError("proxy_refused", `${name} answered ${words} to CONNECT ${authority}`, {
      status,
    });
  }
  return { socket, name: `${target.host} by way of ${name}` };
}

/** Sends the request and reads the answer, not one byte more. */
function askForTunnel(
  { socket, name }: Connected,
  authority: string,
  credentials: string | undefined,
  limits: DialLimits,
): Promise<ResponseHead> {
  return limits.wait(`${name} did not answer CONNECT ${authority}`, socket, ({ done, failed }) => {
    const answer = new TunnelAnswer();
    const stop = (): void => {
      socket.off("data", onData);
      socket.off("end", onEnd);
      socket.off("close", onEnd);
      socket.off("error", onError);
      socket.pause();
    };
    const onData = (bytes: Buffer): void => {
      const outcome = answer.receive(bytes);
      if (outcome === undefined) return;
      stop();
      if ("fault" in outcome) {
        const message = `${name} did not answer CONNECT ${authority} as HTTP says: ${outcome.fault}`;
        failed(new WebSocketError("handshake_failed", message));
        return;
      }
      if (answer.rest.length > 0) socket.unshift(answer.rest);
      done(outcome);
    };
    const onEnd = (): void => {
      const message = `${name} closed the connection before it answered CONNECT ${authority}`;
      failed(new WebSocketError("connect_failed", message));
    };
    const onError = (cause: Error): void => {
      const message = `the connection to ${name} broke before CONNECT ${authority} was answered: ${reasonOf(cause)}`;
      failed(new WebSocketError("connect_failed", message, { cause }));
    };
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("close", onEnd);
    socket.on("error", onError);
    const login =
      credentials === undefined
        ? ""
        : `Proxy-Authorization: Basic ${Buffer.from(credentials).toString("base64")}\r\n`;
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${login}\r\n`);
    socket.resume();
    return stop;
  });
}

/** The answer to CONNECT as it comes in. Interim ones (1xx) before it are skipped (RFC 9110 §15.2). */
class TunnelAnswer {
  /** What came and has not been read. */
  rest: Buffer = Buffer.alloc(0);
  #interim = 0;

  /** `undefined`: more has to come. 101 is an answer: nobody asked for another protocol. */
  receive(bytes: Buffer): ResponseHead | { readonly fault: string } | undefined {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    for (;;) {
      const head = readResponseHead(this.rest);
      if (head === undefined || "fault" in head) return head;
      this.rest = this.rest.subarray(head.byteLength);
      if (head.status < 100 || head.status > 199 || head.status === 101) return head;
      if (++this.#interim > MAX_INTERIM_ANSWERS) {
        return { fault: `there are more than ${MAX_INTERIM_ANSWERS} interim answers` };
      }
    }
  }
}
