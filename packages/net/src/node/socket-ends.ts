import type { Socket } from "node:net";

/** One end of a TCP connection, with an IP address as the system prints it. */
export interface SocketEnd {
  readonly host: string;
  readonly port: number;
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
