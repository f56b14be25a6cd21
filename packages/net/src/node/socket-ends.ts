import type { Socket } from "node:net";
import { type Addr, type IpAddr, ipAddr } from "../contracts/addr.ts";
import { plainHost } from "../options/socket-options.ts";

/** One end of a TCP connection, with an IP address as the system prints it. */
export interface SocketEnd {
  readonly host: string;
  readonly port: number;
}

/** A connected socket with its two addresses, which it forgets when it is closed. */
export interface RawConnection {
  readonly socket: Socket;
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
}

/** The peer of a TCP socket; `undefined` if there was none any more when it was asked for first. */
export function remoteEnd({ remoteAddress, remotePort }: Socket): SocketEnd | undefined {
  return endOf(remoteAddress, remotePort);
}

/** This side of a TCP socket; `undefined` if it was closed before anybody asked. */
export function localEnd({ localAddress, localPort }: Socket): SocketEnd | undefined {
  return endOf(localAddress, localPort);
}

function endOf(host: string | undefined, port: number | undefined): SocketEnd | undefined {
  return host === undefined || port === undefined ? undefined : { host, port };
}

/** Most connections have the local address of the one before. */
let lastLocal: IpAddr = ipAddr("tcp", "", 0);

/** As `localEnd`, as an address. */
export function localAddrOf(socket: Socket): IpAddr | undefined {
  const local = localEnd(socket);
  if (local === undefined) return undefined;
  const host = plainHost(local.host);
  if (lastLocal.host !== host || lastLocal.port !== local.port) lastLocal = ipAddr("tcp", host, local.port);
  return lastLocal;
}
