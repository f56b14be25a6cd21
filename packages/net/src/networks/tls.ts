import type { SecureContextOptions } from "node:tls";
import type { Conn, StreamListener } from "../contracts/conn.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { parseAddr } from "../contracts/parse-addr.ts";
import type { TlsDialOptions } from "../options/dial-options.ts";
import type { TlsListenOptions } from "../options/tls-options.ts";
import type { RawConnection } from "../node/socket-ends.ts";
import type { StreamConn, StreamConnOptions } from "../stream/stream-conn.ts";
import { secureContextOptions } from "../tls/certificates.ts";
import { checkTlsDialOptions, checkTlsListenOptions, tlsName } from "../tls/check-tls-options.ts";
import { TlsHandshakes } from "../tls/tls-handshakes.ts";
import { withinLimits } from "./dial-limits.ts";
import { type Attempt, race } from "./race.ts";
import { secureClient, tlsConnOf } from "./secure-client.ts";
import { connectSocket, type DialTarget } from "./socket-dial.ts";
import { listenOn } from "./socket-listener.ts";
import { tcpKind } from "./tcp.ts";
import { connectFirst } from "./connect-first.ts";
import { connectThrough } from "./proxy-dial.ts";
import { parseProxyUrl } from "../options/proxy-url.ts";
import { type InheritedSocket, isInherited } from "./inherited.ts";

/** Listens for TLS connections. See `listen`. */
export async function listenTls(
  address: string | InheritedSocket,
  options: TlsListenOptions,
): Promise<StreamListener> {
  const addr = isInherited(address) ? address : parseAddr("tls", address, "listen");
  checkTlsListenOptions(options);
  const localAddr = "fd" in addr ? undefined : addr;
  const handshakes = await TlsHandshakes.of(options, { op: "listen", network: "tls", localAddr });
  const kind = await tcpKind("tls", addr, options);
  const afterHandshake = async (raw: RawConnection, connOptions: StreamConnOptions): Promise<StreamConn> => {
    const { remoteAddr } = raw;
    const site = { op: "accept", network: "tls", localAddr: raw.localAddr, remoteAddr } as const;
    return tlsConnOf(raw, await handshakes.secure(raw.socket, site), connOptions, options);
  };
  return listenOn({ ...kind, open: { afterHandshake } }, options);
}

/** Connects with TLS. See `dial`. */
export async function dialTls(address: string, options: TlsDialOptions = {}): Promise<Conn> {
  const addr = parseAddr("tls", address, "dial");
  checkTlsDialOptions(options);
  const name = tlsName("dial", "the host to ask for", options.serverName ?? (addr.host || "localhost"));
  const site = { op: "dial", network: "tls", remoteAddr: addr } as const;
  return withinLimits(options, site, async (limits) => {
    let context: SecureContextOptions;
    try {
      context = await secureContextOptions(options, site, limits.signal);
    } catch (error) {
      throw netErrorFrom(error, site);
    }
    const start = (target: DialTarget): Attempt<StreamConn> => {
      const tcp = connectSocket(target, options);
      const secured = async (): Promise<StreamConn> =>
        secureClient(await tcp.result, target.site, options, {
          context,
          name,
          connOptions: { network: "tls", closeTimeoutMs: options.closeTimeoutMs },
        });
      return { result: secured(), cancel: () => tcp.cancel() };
    };
    if (options.proxy === undefined) return connectFirst("tls", addr, options, limits, start);
    const raw = await connectThrough(parseProxyUrl(options.proxy), "tls", addr, options, limits);
    const securing = (): Attempt<StreamConn> => ({
      result: secureClient(raw, site, options, {
        context,
        name,
        connOptions: { network: "tls", closeTimeoutMs: options.closeTimeoutMs },
      }),
      cancel: () => void raw.socket.destroy(),
    });
    const { signal, remainingMs } = limits;
    return race([addr], securing, { delayMs: 0, remainingMs, signal });
  });
}
