import type { Socket } from "node:dgram";
import { type IpAddr, ipAddr, parseAddr } from "./addr.ts";
import type { Deadline, WaitOptions } from "./conn.ts";
import { NetError } from "./error.ts";
import { withinLimits } from "./dial-limits.ts";
import { argumentError, type FailureSite } from "./failures.ts";
import { bind, checkNetwork, limitsOf, type PacketNetwork, type PacketOptions } from "./listen-packet.ts";
import type { SendOutcome } from "./message-conn.ts";
import { netErrorFrom } from "./node-error.ts";
import type { Packet } from "./packet-conn.ts";
import { raced, resolveHost, type Resolver } from "./resolve.ts";
import { type UdpLimits, UdpSocket } from "./udp-socket.ts";

/** Receives the datagrams of one peer without a promise for each. */
export interface DatagramHandler {
  /** Called for each in order. While a returned promise is pending, datagrams queue, and past the limit are dropped and counted. */
  message(bytes: Uint8Array): void | Promise<void>;
  /** The network reported something about what was sent (ICMP), such as `refused`: nobody listens there. Nothing ends by it. */
  error?(error: NetError): void;
  /** Called exactly once, last; with an error if the handler threw. */
  close?(error?: Error): void;
}

/**
 * A datagram socket connected to one peer: only its datagrams are received, and what the network reports about those sent to
 * it (ICMP) becomes an error. Datagrams may be lost, doubled or overtaken. Connecting sends none, so it says nothing about
 * whether anybody is there.
 *
 * @example
 * const conn = await dial("udp", "127.0.0.1:7001");
 * await conn.send(Buffer.from("hola"));
 * const answer = await conn.receive({ signal: AbortSignal.timeout(1000) });
 */
export interface DatagramConn extends AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly localAddr: IpAddr;
  readonly remoteAddr: IpAddr;
  /** Datagrams that were thrown away because the application was behind. */
  readonly dropped: number;

  /**
   * Waits for the next datagram.
   *
   * @throws NetError `refused` when nobody listens there, `host_unreachable` and the like, each reported once, after which
   * receiving goes on; `timeout`, `canceled`, `closed` as for `PacketConn`.
   */
  receive(options?: WaitOptions): Promise<Uint8Array>;

  /** Hands all datagrams, including those already received, to `handler`. May be called once, and instead of `receive`. */
  serve(handler: DatagramHandler): void;

  /** Sends one datagram; resolves when the system has taken it. @throws NetError `too_large`, `refused` (of an earlier one), … */
  send(bytes: Uint8Array, options?: WaitOptions): Promise<void>;

  /** Sends without waiting and without a word on errors. See `PacketConn.trySend`. */
  trySend(bytes: Uint8Array): SendOutcome;

  /** Closes and unblocks pending operations, which reject with `closed`; iteration ends quietly. */
  close(): Promise<void>;

  setDeadline(at: Deadline): void;
  setReadDeadline(at: Deadline): void;
  setWriteDeadline(at: Deadline): void;
}

/** Options of `dial("udp", …)`. */
export interface UdpDialOptions extends Omit<PacketOptions, "signal">, WaitOptions {
  /** Until when the host's name must be resolved. Default: none. */
  readonly deadline?: Deadline | undefined;
  /** Where to send from, such as `"192.0.2.1:0"`. Default: what the system's routes say, and any free port. */
  readonly localAddress?: string | undefined;
  /** How the host's name becomes addresses. Default: the system's. */
  readonly resolver?: Resolver | undefined;
}

/** Connects a datagram socket to a peer; of several addresses of a name the first that has a route is taken. See `dial`. */
export async function dialUdp(
  network: PacketNetwork,
  address: string,
  options: UdpDialOptions = {},
): Promise<DatagramConn> {
  checkNetwork(network, "dial");
  const limits = limitsOf(options, "dial");
  const addr = parseAddr(network, address, "dial");
  const site: FailureSite = { op: "dial", network, remoteAddr: addr };
  if (addr.port === 0) throw argumentError("dial", `cannot dial port 0 of ${JSON.stringify(address)}`);
  const host = addr.host || (network === "udp6" ? "::1" : "127.0.0.1");
  return withinLimits(options, site, async ({ signal }) => {
    const failures: unknown[] = [];
    for (const ip of await resolveHost(host, { network, signal, resolver: options.resolver }, site)) {
      try {
        return await connect(network, ipAddr("udp", ip, addr.port), { ...options, signal }, limits, site);
      } catch (error) {
        failures.push(error);
        if (signal.aborted) break;
      }
    }
    throw signal.aborted ? failures.at(-1) : failures[0];
  });
}

async function connect(
  network: PacketNetwork,
  remote: IpAddr,
  options: UdpDialOptions,
  limits: UdpLimits,
  site: FailureSite,
): Promise<DatagramConn> {
  const isIPv6 = remote.host.includes(":");
  const local = parseAddr(network, options.localAddress ?? ":0", "dial");
  const localHost = local.host || (isIPv6 ? "::" : "0.0.0.0");
  const socket = await bind(network, localHost, local.port, options, site);
  try {
    const connected = new Promise<void>((resolve, reject) => {
      socket.connect(remote.port, remote.host, (error?: Error) => {
        if (error) reject(error);
        else resolve();
      });
    });
    await raced(connected, options.signal, site);
    return new ConnectedDatagramConn(socket, network, limits, remote);
  } catch (error) {
    socket.close();
    throw netErrorFrom(error, { ...site, remoteAddr: remote });
  }
}

class ConnectedDatagramConn implements DatagramConn {
  readonly remoteAddr: IpAddr;
  readonly #udp: UdpSocket;

  constructor(socket: Socket, network: PacketNetwork, limits: UdpLimits, remoteAddr: IpAddr) {
    this.remoteAddr = remoteAddr;
    this.#udp = new UdpSocket(socket, network, limits, remoteAddr);
  }

  get localAddr(): IpAddr {
    return this.#udp.localAddr;
  }

  get dropped(): number {
    return this.#udp.dropped;
  }

  receive(options?: WaitOptions): Promise<Uint8Array> {
    return this.#udp.receive(bytesOf, options);
  }

  serve(handler: DatagramHandler): void {
    this.#udp.serve(
      { message: ({ bytes }) => handler.message(bytes), close: (error) => handler.close?.(error) },
      (error) => handler.error?.(error),
    );
  }

  send(bytes: Uint8Array, options?: WaitOptions): Promise<void> {
    return this.#udp.send(bytes, undefined, options);
  }

  trySend(bytes: Uint8Array): SendOutcome {
    return this.#udp.trySend(bytes, undefined);
  }

  close(): Promise<void> {
    return this.#udp.close();
  }

  setDeadline(at: Deadline): void {
    this.#udp.setReadDeadline(at);
    this.#udp.setWriteDeadline(at);
  }

  setReadDeadline(at: Deadline): void {
    this.#udp.setReadDeadline(at);
  }

  setWriteDeadline(at: Deadline): void {
    this.#udp.setWriteDeadline(at);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this.#udp.iterate(bytesOf);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function bytesOf({ bytes }: Packet): Uint8Array {
  return bytes;
}
