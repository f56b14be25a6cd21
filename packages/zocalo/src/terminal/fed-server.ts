import { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type Conn, type IpAddr, type Listener, toNodeStream } from "@zocalo/net";
import { toOriginForm } from "@zocalo/websocket";

/**
 * How long a client may take for its request, in milliseconds. Node's own limits hold only for servers that
 * listen themselves.
 */
const REQUEST_MS = 10_000;

/**
 * An HTTP server for WebSockets whose connections come from a listener of this project, which knows things
 * that Node's does not, such as PROXY headers. Requests that are no upgrade get 426.
 */
export class FedServer extends Server {
  readonly #addr: IpAddr;
  readonly #timers = new WeakMap<Duplex, NodeJS.Timeout>();

  /** @param listener is accepted from until it is closed; closing it is its owner's business. */
  constructor(listener: Listener) {
    super((request, response) => {
      const headers = { Connection: "close", "Content-Type": "text/plain" };
      if (!toOriginForm(request))
        return void response.writeHead(400, headers).end("there must be one valid Host\n");
      response.writeHead(426, { ...headers, Upgrade: "websocket" }).end("WebSocket only\n");
    });
    this.#addr = listener.addr as IpAddr;
    // A request that is not HTTP is answered by Node; there is nothing to add.
    void this.#feed(listener);
  }

  override address(): AddressInfo {
    const { host, port } = this.#addr;
    return { address: host, port, family: host.includes(":") ? "IPv6" : "IPv4" };
  }

  /** A client has asked in time. */
  hasAsked(socket: Duplex): void {
    clearTimeout(this.#timers.get(socket));
  }

  async #feed(listener: Listener): Promise<void> {
    for await (const conn of listener) {
      const stream = withAddresses(conn);
      const timer = setTimeout(() => conn.abort(), REQUEST_MS);
      this.#timers.set(stream, timer);
      stream.on("close", () => clearTimeout(timer));
      this.emit("connection", stream);
    }
  }
}

/** The connection as Node has it, with the names under which its sockets keep their ends. */
function withAddresses(conn: Conn): Duplex {
  const local = conn.localAddr as IpAddr;
  const remote = conn.remoteAddr as IpAddr;
  return Object.assign(toNodeStream(conn), {
    localAddress: local.host,
    localPort: local.port,
    remoteAddress: remote.host,
    remotePort: remote.port,
    encrypted: conn.tls !== undefined,
  });
}
