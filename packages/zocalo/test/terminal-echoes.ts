import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { WebSocketServer } from "ws";
import { selfSigned, type TestIdentity } from "./terminal-certificates.ts";

const HOST = "127.0.0.1";

/** Each scheme of the command's URLs. */
export const SCHEMES = ["tcp", "tls", "unix", "udp", "ws", "wss"] as const;
export type Scheme = (typeof SCHEMES)[number];

/** Servers of Node's own modules and of `ws`, one for each scheme, that send back what they get. */
export class Echoes implements Disposable {
  /** For both `tls` and `wss`. */
  readonly identity: TestIdentity;
  /** `ADDRESS:PORT` of each connection and datagram that came, save those of `unix`. */
  readonly peers: string[] = [];
  readonly #urls = new Map<Scheme, string>();
  readonly #closing: (() => void)[] = [];

  private constructor(directory: string) {
    this.identity = selfSigned(directory, [HOST]);
  }

  /** @param directory for the certificate and the Unix socket. */
  static async open(directory: string): Promise<Echoes> {
    const echoes = new Echoes(directory);
    const { certFile, keyFile } = echoes.identity;
    const pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
    const echo = (socket: Socket): void => void socket.on("error", () => undefined).pipe(socket);
    await echoes.#serve("tcp", createServer(echo));
    await echoes.#serve("tls", createTlsServer(pair, echo));
    await echoes.#serve("unix", createServer(echo), join(directory, "echo"));
    for (const [scheme, server] of [
      ["ws", createHttpServer()],
      ["wss", createHttpsServer(pair)],
    ] as const) {
      new WebSocketServer({ server }).on("connection", (socket) => {
        socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
      });
      await echoes.#serve(scheme, server);
    }
    await echoes.#serveDatagrams();
    return echoes;
  }

  async #serve(scheme: Scheme, server: Server, path?: string): Promise<void> {
    server.on("connection", ({ remoteAddress, remotePort }: Socket) => {
      if (path === undefined) this.peers.push(`${remoteAddress}:${remotePort}`);
    });
    server.listen(path === undefined ? { port: 0, host: HOST } : { path });
    await once(server, "listening");
    this.#closing.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    this.#urls.set(scheme, path === undefined ? `${scheme}://${HOST}:${port}` : `${scheme}:${path}`);
  }

  async #serveDatagrams(): Promise<void> {
    const socket = createSocket("udp4");
    socket.on("message", (bytes, { port, address }) => {
      this.peers.push(`${address}:${port}`);
      socket.send(bytes, port, address);
    });
    await once(socket.bind(0, HOST), "listening");
    this.#closing.push(() => socket.close());
    this.#urls.set("udp", `udp://${HOST}:${socket.address().port}`);
  }

  /** Where the one of `scheme` is, with the options that a dialer needs. */
  to(scheme: Scheme): string {
    const isSecure = scheme === "tls" || scheme === "wss";
    return `${this.#urls.get(scheme)}${isSecure ? ` --ca ${this.identity.certFile}` : ""}`;
  }

  [Symbol.dispose](): void {
    for (const close of this.#closing) close();
  }
}
