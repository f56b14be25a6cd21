import { readFileSync } from "node:fs";
import { dial, type Listener, listen, listenPacket, peers, type TlsListenOptions } from "@zocalo/net";
import { dial as dialWebSocket, listen as listenWebSocket } from "@zocalo/websocket";
import { EXIT, UserError } from "./exit-code.ts";
import type { Target } from "./target.ts";
import { datagramTraffic, lineTraffic, messageTraffic, streamTraffic, type Traffic } from "./traffic.ts";

/** How connections are opened. */
export interface OpenOptions {
  /** A stream carries lines instead of bytes. */
  readonly isLines: boolean;
  /** Largest message, in bytes. */
  readonly maxMessageBytes: number;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly caFile?: string | undefined;
  /** DANGER: any certificate will do. */
  readonly isInsecure?: boolean | undefined;
  /** Addresses or networks of trusted proxies. */
  readonly proxies?: readonly string[] | undefined;
  readonly subprotocols?: readonly string[] | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly compression?: boolean | undefined;
  /** 0: none; absent: the library's default. */
  readonly pingIntervalMs?: number | undefined;
  readonly closing?: { readonly code: number; readonly reason: string } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Accepts traffic at one place. */
export interface TrafficListener {
  readonly address: string;
  /** Ends quietly when the listener is closed. */
  [Symbol.asyncIterator](): AsyncIterator<Traffic>;
  /** Takes no more connections. */
  close(): Promise<void>;
  /** Also ends those there are, by the deadline (milliseconds since the Unix epoch). */
  drain(deadline: number): Promise<void>;
}

/** Opens a listener. @throws NetError and WebSocketError of the libraries, UserError for a certificate that is missing */
export async function listenFor(target: Target, options: OpenOptions): Promise<TrafficListener> {
  switch (target.kind) {
    case "stream": {
      const listener = await listenStream(target, options);
      return mapped(listener, target.network, (conn) =>
        options.isLines ? lineTraffic(conn, options.maxMessageBytes) : streamTraffic(conn),
      );
    }
    case "datagram": {
      const listener = peers(await listenPacket(target.network, target.address), { messages: "binary" });
      return mapped(listener, target.network, (conn) => {
        // Whoever runs this command decides whom to talk to; it is not a server for strangers.
        const { verification } = conn.peer;
        verification?.verify(verification.cookie);
        return messageTraffic(conn, options.closing);
      });
    }
    case "websocket": {
      const { certFile, keyFile } = options;
      const identity = target.isSecure ? needIdentity(certFile, keyFile) : undefined;
      const listener = await listenWebSocket(target.address, {
        ...websocketOptions(options),
        ...(target.path === "" ? {} : { path: target.path }),
        ...(identity && {
          tls: { cert: readFileSync(identity.certFile), key: readFileSync(identity.keyFile) },
        }),
        checkOrigin: () => true,
      });
      return mapped(
        listener,
        target.isSecure ? "wss" : "ws",
        (conn) => messageTraffic(conn, options.closing),
        target.path,
      );
    }
  }
}

/** Connects. @throws NetError and WebSocketError of the libraries */
export async function dialTo(target: Target, options: OpenOptions): Promise<Traffic> {
  const { signal } = options;
  const cancel = signal === undefined ? {} : { signal };
  switch (target.kind) {
    case "stream": {
      const { network, address } = target;
      const conn =
        network === "tls"
          ? await dial(network, address, { ...cancel, ...tlsOptions(options) })
          : network === "unix"
            ? await dial(network, address, cancel)
            : await dial(network, address, cancel);
      return options.isLines ? lineTraffic(conn, options.maxMessageBytes) : streamTraffic(conn);
    }
    case "datagram":
      return datagramTraffic(await dial(target.network, target.address, cancel));
    case "websocket": {
      const { address, path, isSecure } = target;
      const host = address.startsWith(":") ? `localhost${address}` : address;
      const conn = await dialWebSocket(`${isSecure ? "wss" : "ws"}://${host}${path}`, {
        ...websocketOptions(options),
        ...cancel,
        headers: options.headers,
        ...(isSecure && {
          tls: {
            rejectUnauthorized: options.isInsecure !== true,
            ...(options.caFile === undefined ? {} : { ca: readFileSync(options.caFile) }),
          },
        }),
      });
      return messageTraffic(conn, options.closing);
    }
  }
}

function listenStream(target: Extract<Target, { kind: "stream" }>, options: OpenOptions) {
  const { network, address } = target;
  const proxyProtocol = options.proxies && { trusted: options.proxies };
  if (network === "unix") return listen(network, address);
  if (network !== "tls") return listen(network, address, { proxyProtocol });
  const tls: TlsListenOptions = {
    ...tlsOptions(options),
    ...needIdentity(options.certFile, options.keyFile),
    proxyProtocol,
  };
  return listen(network, address, tls);
}

function needIdentity(certFile: string | undefined, keyFile: string | undefined) {
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile };
  throw new UserError("A TLS server needs --cert FILE and --key FILE (PEM).", EXIT.usage);
}

function tlsOptions({ certFile, keyFile, caFile, isInsecure }: OpenOptions) {
  return { certFile, keyFile, caFile, dangerouslyAcceptAnyCertificate: isInsecure };
}

function websocketOptions({ maxMessageBytes, subprotocols, compression, pingIntervalMs }: OpenOptions) {
  // One message that is sent back, beside the one before it that has not left yet.
  const maxBufferedBytes = 2 * maxMessageBytes + 1_048_576;
  return { maxMessageBytes, maxBufferedBytes, subprotocols, compression, pingIntervalMs };
}

function mapped<C>(
  listener: Listener<C>,
  scheme: string,
  toTraffic: (conn: C) => Traffic,
  path = "",
): TrafficListener {
  const separator = scheme === "unix" ? ":" : "://";
  return {
    address: `${scheme}${separator}${String(listener.addr)}${path}`,
    async *[Symbol.asyncIterator]() {
      for await (const conn of listener) yield toTraffic(conn);
    },
    close: () => listener.close(),
    drain: (deadline) => listener.drain(deadline),
  };
}
