import { isIPv4, type Server, type Socket } from "node:net";
import { type IpAddr, ipAddr } from "../contracts/addr.ts";
import { checkTcpListenOptions } from "../options/check-options.ts";
import type { StreamListener } from "../contracts/conn.ts";
import { NetError } from "../contracts/error.ts";
import type { TcpListenOptions } from "../options/listen-options.ts";
import { localEnd, remoteEnd } from "../node/socket-ends.ts";
import { Inherited, type InheritedSocket, isInherited } from "./inherited.ts";
import { resolveHost } from "./resolve.ts";
import { connOf } from "./socket-conn.ts";
import { type ListenerKind, listenOn } from "./socket-listener.ts";
import { plainHost } from "../options/socket-options.ts";
import type { RawConnection } from "../node/socket-ends.ts";
import { parseAddr } from "../contracts/parse-addr.ts";

/** The first Node versions that know `reusePort`, by major version. */
const REUSE_PORT_SINCE: readonly [major: number, minor: number][] = [
  [22, 12],
  [23, 1],
];

/** Listens on a TCP address. See `listen`. */
export async function listenTcp(
  network: "tcp" | "tcp4" | "tcp6",
  address: string | InheritedSocket,
  options: TcpListenOptions = {},
): Promise<StreamListener> {
  const addr = isInherited(address) ? address : parseAddr(network, address, "listen");
  checkTcpListenOptions(options);
  const kind = await tcpKind(network, addr, options);
  return listenOn({ ...kind, open: { now: connOf } }, options);
}

/** All of a TCP listener but what it makes of a connection. */
export async function tcpKind(
  network: "tcp" | "tcp4" | "tcp6" | "tls",
  addr: IpAddr | InheritedSocket,
  options: TcpListenOptions | undefined,
): Promise<Omit<ListenerKind, "open">> {
  if ("fd" in addr) return inheritedKind(network, addr, options ?? {});
  const site = { op: "listen", network, localAddr: addr } as const;
  if (options?.reusePort && !hasReusePort()) {
    throw new NetError({
      ...site,
      code: "unsupported",
      reason: `reusePort needs Node 22.12, this is ${process.version}`,
    });
  }
  const [host] = await resolveHost(addr.host || anyHost(network), { network, signal: options?.signal }, site);
  let describe = describer(addr.network, undefined);
  return {
    network,
    addr,
    describe: (socket) => describe(socket),
    bind(server) {
      server.listen({
        port: addr.port,
        // Without a host Node takes both IP versions, and IPv4 alone where there is no IPv6.
        ...(addr.host === "" && network !== "tcp4" && network !== "tcp6" ? {} : { host }),
        ipv6Only: options?.ipv6Only ?? network === "tcp6",
        ...(options?.backlog === undefined ? {} : { backlog: options.backlog }),
        ...(options?.reusePort ? { reusePort: true } : {}),
      });
    },
    boundAddr(server) {
      const bound = boundTo(server, addr);
      describe = describer(addr.network, bound);
      return bound;
    },
  };
}

/** The same of a socket that is bound already. */
function inheritedKind(
  network: "tcp" | "tcp4" | "tcp6" | "tls",
  socket: InheritedSocket,
  options: TcpListenOptions,
): Omit<ListenerKind, "open"> {
  const inherited = new Inherited(network, socket, options, ["reusePort", "ipv6Only"]);
  const family = network === "tls" ? "tls" : "tcp";
  const addr = ipAddr(family, "", 0);
  let describe = describer(family, undefined);
  return {
    network,
    addr,
    describe: (accepted) => describe(accepted),
    bind: (server) => inherited.bind(server, options.backlog),
    publish: () => inherited.check(),
    explain: (error) => inherited.explain(error),
    boundAddr(server) {
      const bound = boundTo(server, addr);
      describe = describer(family, bound);
      return bound;
    },
  };
}

function anyHost(network: string): string {
  return network === "tcp4" ? "0.0.0.0" : "::";
}

function boundTo(server: Server, addr: IpAddr): IpAddr {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return addr;
  return ipAddr(addr.network, bound.address, bound.port);
}

/**
 * Reads the addresses of accepted sockets. The local one is not asked for, which costs a system call and
 * 90 bytes of each, where a listener is `bound` to a single address; else it is made anew only when it is not
 * that of the connection before.
 */
function describer(
  network: IpAddr["network"],
  bound: IpAddr | undefined,
): (socket: Socket) => RawConnection | undefined {
  const isSingle = bound !== undefined && isIPv4(bound.host) && bound.host !== anyHost("tcp4");
  let last = bound ?? ipAddr(network, "", 0);
  return (socket) => {
    const remote = remoteEnd(socket);
    if (remote === undefined) return undefined;
    if (!isSingle) {
      const local = localEnd(socket);
      const localHost = plainHost(local?.host);
      const localPort = local?.port ?? 0;
      if (last.host !== localHost || last.port !== localPort) last = ipAddr(network, localHost, localPort);
    }
    return { socket, localAddr: last, remoteAddr: ipAddr(network, plainHost(remote.host), remote.port) };
  };
}

function hasReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [newest] = REUSE_PORT_SINCE.at(-1) ?? [0, 0];
  return major > newest || REUSE_PORT_SINCE.some(([m, least]) => m === major && minor >= least);
}
