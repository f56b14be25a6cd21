import { type RequestOptions, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { credentialsOf, hostAndPort, parseHttpUrl } from "./dial-url.ts";
import { WebSocketError } from "./error.ts";
import { exchangeHttp, type Patience } from "./http-exchange.ts";

/**
 * Reads the URL of an HTTP proxy.
 *
 * @throws WebSocketError `invalid_url`
 */
export function parseProxy(text: string | URL): URL {
  const proxy = parseHttpUrl(text);
  if (!/^https?:/i.test(String(text)) || proxy.pathname !== "/" || proxy.search !== "") {
    throw new WebSocketError("invalid_url", `a proxy is http://host:port or https://host:port`);
  }
  return proxy;
}

/**
 * Asks an HTTP proxy for a tunnel (CONNECT, RFC 9110 §9.3.6). Its user and password go to the proxy alone.
 *
 * @returns a socket whose other end is `target`.
 * @throws WebSocketError `proxy_refused` (with `status`), and what `exchangeHttp` throws.
 */
export function openTunnel(
  proxy: URL,
  target: URL,
  patience: Patience,
  tls?: ConnectionOptions,
): Promise<Socket> {
  const { port } = hostAndPort(target);
  const authority = `${target.hostname}:${port}`;
  const credentials = credentialsOf(proxy);
  return exchangeHttp(`proxy ${proxy.host}`, patience, ({ done, failed }) => {
    const asked: RequestOptions = {
      ...hostAndPort(proxy),
      method: "CONNECT",
      path: authority,
      agent: false,
      headers: {
        Host: authority,
        ...(credentials === undefined
          ? undefined
          : { "Proxy-Authorization": `Basic ${Buffer.from(credentials).toString("base64")}` }),
      },
    };
    const request = proxy.protocol === "https:" ? httpsRequest({ ...tls, ...asked }) : httpRequest(asked);
    request.on("connect", ({ statusCode: status = 0, statusMessage }, socket: Socket, head: Buffer) => {
      if (status < 200 || status > 299) {
        socket.destroy();
        failed(
          new WebSocketError(
            "proxy_refused",
            `proxy ${proxy.host} answered ${status} ${statusMessage ?? ""}`,
            {
              status,
            },
          ),
        );
        return;
      }
      socket.on("error", ignore); // Until the next request has its own listener.
      if (head.length > 0) socket.unshift(head);
      done(socket);
    });
    return request;
  });
}

function ignore(): void {}
