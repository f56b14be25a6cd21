import type { Socket } from "node:net";
import { type IpAddr, ipAddr } from "../contracts/addr.ts";
import { AddressSet } from "../flow/address-set.ts";
import { NetError } from "../contracts/error.ts";
import { parseProxyHeader, type ProxyHeader } from "./proxy-header.ts";
import { plainHost } from "../options/socket-options.ts";
import type { RawConnection } from "../node/socket-ends.ts";
import type { ProxyProtocolOptions } from "../options/listen-options.ts";
import { startTimer } from "../flow/deadline.ts";
import { checkTime } from "../options/check-values.ts";

/** How long a trusted proxy may take to send its header unless told otherwise, in milliseconds. */
export const DEFAULT_PROXY_TIMEOUT_MS = 5000;

/** Reads the headers of a listener's connections. */
export class ProxyProtocol {
  readonly #trusted: AddressSet;
  readonly #timeoutMs: number;

  /** @throws NetError `invalid_argument` for what is neither an address nor a network. */
  constructor(options: ProxyProtocolOptions) {
    const { trusted, timeoutMs = DEFAULT_PROXY_TIMEOUT_MS } = options;
    this.#trusted = new AddressSet("proxyProtocol.trusted", trusted);
    this.#timeoutMs = checkTime("listen", "proxyProtocol.timeoutMs", timeoutMs);
  }

  /** True if connections from this host begin with a header. */
  trusts(host: string): boolean {
    return this.#trusted.has(host);
  }

  /**
   * Takes the header off, and answers with the addresses it gives.
   *
   * @throws NetError `bad_frame`, `timeout`, `end_of_stream`.
   */
  async take(raw: RawConnection): Promise<RawConnection> {
    const { ends } = await readHeader(raw.socket, this.#timeoutMs);
    if (!ends) return raw;
    const addr = ({ host, port }: { host: string; port: number }): IpAddr =>
      ipAddr(raw.localAddr.network === "tls" ? "tls" : "tcp", plainHost(host), port);
    return { socket: raw.socket, localAddr: addr(ends.destination), remoteAddr: addr(ends.source) };
  }
}

/** What follows the header goes back into the socket, to be read by whoever comes next. */
function readHeader(socket: Socket, timeoutMs: number): Promise<ProxyHeader> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const timer = startTimer(() => {
      settle(() => reject(headerError("timeout", `no header within ${timeoutMs} ms`)));
    }, timeoutMs);
    const settle = (outcome: () => void): void => {
      clearTimeout(timer);
      socket.off("readable", onReadable);
      socket.off("end", onEnd);
      socket.off("close", onEnd);
      outcome();
    };
    const onReadable = (): void => {
      for (;;) {
        const portion: unknown = socket.read();
        if (!Buffer.isBuffer(portion)) return;
        received = Buffer.concat([received, portion]);
        try {
          const header = parseProxyHeader(received);
          if (!header) continue;
          const rest = received.subarray(header.length);
          settle(() => resolve(header));
          if (rest.length > 0) socket.unshift(rest);
        } catch (error) {
          settle(() => reject(error));
        }
        return;
      }
    };
    const onEnd = (): void =>
      settle(() => reject(headerError("end_of_stream", "connection ended within the header")));
    socket.on("readable", onReadable);
    socket.on("end", onEnd);
    socket.on("close", onEnd);
  });
}

function headerError(code: "timeout" | "end_of_stream", what: string): NetError {
  return new NetError({ op: "accept", code, reason: `PROXY protocol: ${what}` });
}
