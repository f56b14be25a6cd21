import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { connect as connectTls, TLSSocket } from "node:tls";
import { callbackify } from "node:util";
import {
  type Conn,
  dial,
  fromNodeStream,
  fromWebStreams,
  listen,
  type Listener,
  pipe,
  toNodeStream,
  toWebStreams,
} from "@zocalo/net";
import { TestCertificates, type TestIdentity } from "@zocalo/integrity";
import { duplexPair } from "./duplex-pair.ts";

/** What carries the bytes of a connection under test. */
export const TRANSPORTS = [
  "tcp",
  "unix",
  "tls",
  "pipe",
  "duplex",
  "holding duplex",
  "foreign socket",
  "node stream",
  "web streams",
] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/**
 * Who is on the other end: a socket of Node's own, or one of ours seen as a stream of Node's. Of a `drained`
 * one all bytes come that it can read, although the connection breaks behind them; a stream of Node's throws
 * away what waits in it then.
 */
export type FarKind = "raw" | "ours" | "drained";

/** A connection under test and its other end. */
export interface Link {
  readonly conn: Conn;
  readonly far: Duplex;
  /** Cuts the far end at once, with a reset where there is one. */
  resetFar(): void;
  /**
   * True if what the far end has sent arrives although it resets: between two systems, not over Node's own
   * streams.
   */
  readonly hasSystem: boolean;
  /** False if the far end may still look at bytes after the write has said that they were taken. */
  readonly takesAtOnce: boolean;
}

/**
 * Makes links, over listeners that all cases share. Those are there before the first case, which is asked
 * what it leaves open.
 */
export class Links {
  readonly #directory = mkdtempSync(join(tmpdir(), "zocalo-integrity-"));
  readonly #servers = new Map<string, Promise<RawServer>>();
  readonly #listeners = new Map<string, Promise<Listener>>();
  #latest: Promise<unknown> = Promise.resolve();
  #certificates: { authority: TestIdentity; identity: TestIdentity; remove(): void } | undefined;
  #paths = 0;

  static async open(): Promise<Links> {
    const links = new Links();
    for (const network of ["tcp", "unix", "tls"] as const) {
      await links.#server(network);
      await links.#listener(network);
    }
    return links;
  }

  async dispose(): Promise<void> {
    for (const server of this.#servers.values()) (await server).server.close();
    for (const listener of this.#listeners.values()) await (await listener).abort();
    this.#certificates?.remove();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /**
   * One at a time, so that who dialed and who was accepted belong together.
   *
   * @param isDialed Whether our end is the one that dials, where there is such a thing.
   */
  make(transport: TransportName, far: FarKind, isDialed: boolean): Promise<Link> {
    const made = this.#latest.then(() => this.#make(transport, far, isDialed));
    this.#latest = made.catch(() => undefined); // who asked for it is told
    return made;
  }

  /** A connection that a program makes which `start` starts. */
  accept(network: "tcp" | "unix" | "tls", start: (address: string) => void): Promise<Conn> {
    const made = this.#latest.then(async () => {
      const listener = await this.#listener(network);
      start(String(listener.addr));
      return listener.accept();
    });
    this.#latest = made.catch(() => undefined); // who asked for it is told
    return made;
  }

  /** Where nobody listens: a port of the loopback, which another process may take meanwhile, or a path. */
  async freeAddress(network: "tcp" | "unix" | "tls"): Promise<string> {
    if (network === "unix") return join(this.#directory, `free-${(this.#paths += 1)}.sock`);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    await new Promise<void>((resolve) => server.close(() => resolve()));
    return `127.0.0.1:${address.port}`;
  }

  dial(network: "tcp" | "unix" | "tls", address: string): Promise<Conn> {
    if (network === "tls") return dial("tls", address, { ca: this.identities.authority.cert });
    return network === "tcp" ? dial("tcp", address) : dial("unix", address);
  }

  async #make(transport: TransportName, far: FarKind, isDialed: boolean): Promise<Link> {
    switch (transport) {
      case "tcp":
      case "unix":
      case "tls":
        return this.#socketLink(transport, far, isDialed);
      case "pipe": {
        const [a, b] = pipe();
        return link(a, farStream(b, far), { hasSystem: false });
      }
      case "duplex":
      case "holding duplex": {
        const isHolding = transport === "holding duplex";
        const [a, b] = duplexPair(isHolding);
        return link(fromNodeStream(a), b, { hasSystem: false, takesAtOnce: !isHolding });
      }
      case "foreign socket": {
        const [near, farSocket] = await this.#rawPair();
        return link(fromNodeStream(near), farSocket, { hasSystem: false });
      }
      case "node stream": {
        const made = await this.#socketLink("tcp", far, isDialed);
        return { ...made, conn: fromNodeStream(toNodeStream(made.conn)), hasSystem: false };
      }
      case "web streams": {
        const made = await this.#socketLink("tcp", far, isDialed);
        return { ...made, conn: fromWebStreams(toWebStreams(made.conn)), hasSystem: false };
      }
    }
  }

  async #socketLink(network: "tcp" | "unix" | "tls", far: FarKind, isDialed: boolean): Promise<Link> {
    if (far !== "raw") {
      const listener = await this.#listener(network);
      const [dialed, accepted] = await Promise.all([
        this.dial(network, String(listener.addr)),
        listener.accept(),
      ]);
      const [near, other] = isDialed ? [dialed, accepted] : [accepted, dialed];
      return link(near, farStream(other, far), { hasSystem: network !== "tls" });
    }
    if (isDialed) {
      const server = await this.#server(network);
      const [conn, socket] = await Promise.all([this.dial(network, server.address), server.next()]);
      return link(conn, socket, { hasSystem: network !== "tls" });
    }
    const listener = await this.#listener(network);
    const [socket, conn] = await Promise.all([this.#connect(network, listener), listener.accept()]);
    return link(conn, socket, { hasSystem: network !== "tls" });
  }

  async #connect(network: "tcp" | "unix" | "tls", { addr }: Listener): Promise<Socket> {
    if (network === "unix") return connected(connect({ path: String(addr), ...halfOpen }), "connect");
    if (!("port" in addr)) throw new Error("no port");
    const socket = connect({ port: addr.port, host: "127.0.0.1", allowHalfOpen: true });
    if (network === "tcp") return connected(socket, "connect");
    socket.on("error", ignore);
    const secured = connectTls({
      ...halfOpen,
      socket,
      ca: this.identities.authority.cert,
      host: "127.0.0.1",
    });
    return connected(secured, "secureConnect");
  }

  async #rawPair(): Promise<[Socket, Socket]> {
    const server = await this.#server("tcp");
    const port = Number(server.address.split(":").at(-1));
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    return [await connected(socket, "connect"), await server.next()];
  }

  #listener(network: "tcp" | "unix" | "tls"): Promise<Listener> {
    const known = this.#listeners.get(network);
    if (known) return known;
    const made =
      network === "tls"
        ? listen("tls", "127.0.0.1:0", this.identities.identity)
        : network === "tcp"
          ? listen("tcp", "127.0.0.1:0")
          : listen("unix", join(this.#directory, "ours.sock"));
    this.#listeners.set(network, made);
    return made;
  }

  #server(network: "tcp" | "unix" | "tls"): Promise<RawServer> {
    const known = this.#servers.get(network);
    if (known) return known;
    const identity = network === "tls" ? this.identities.identity : undefined;
    const made = RawServer.listen(
      network === "unix" ? join(this.#directory, "raw.sock") : undefined,
      identity,
    );
    this.#servers.set(network, made);
    return made;
  }

  /** The certificate of 127.0.0.1, and of who has signed it. */
  get identities(): { authority: TestIdentity; identity: TestIdentity } {
    if (this.#certificates === undefined) {
      const certificates = new TestCertificates();
      const identity = certificates.issue("integrity", ["127.0.0.1"]);
      this.#certificates = { authority: certificates.ca, identity, remove: () => certificates.remove() };
    }
    return this.#certificates;
  }
}

/** Sockets of TLS know it too, but Node's types do not. */
const halfOpen: object = { allowHalfOpen: true };

/** A server of Node's own whose connections are taken one after the other. */
class RawServer {
  readonly server: Server;
  readonly address: string;
  readonly #accepted: Socket[] = [];
  #waiting: ((socket: Socket) => void) | undefined;

  private constructor(server: Server, address: string) {
    this.server = server;
    this.address = address;
  }

  static async listen(path: string | undefined, identity: TestIdentity | undefined): Promise<RawServer> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: identity === undefined });
    await new Promise<void>((resolve) => {
      if (path === undefined) server.listen(0, "127.0.0.1", resolve);
      else server.listen(path, resolve);
    });
    const address = server.address();
    if (address === null) throw new Error("not listening");
    const made = new RawServer(server, typeof address === "string" ? address : `127.0.0.1:${address.port}`);
    server.on("connection", (socket) => {
      socket.on("error", ignore);
      if (identity === undefined) return made.#take(socket);
      const secured = new TLSSocket(socket, {
        isServer: true,
        cert: identity.cert,
        key: identity.key,
        ...halfOpen,
      });
      secured.on("error", ignore);
      secured.once("secure", () => made.#take(secured));
    });
    return made;
  }

  next(): Promise<Socket> {
    const first = this.#accepted.shift();
    return first === undefined ? new Promise((resolve) => (this.#waiting = resolve)) : Promise.resolve(first);
  }

  #take(socket: Socket): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#accepted.push(socket);
    else waiting(socket);
  }
}

function link(
  conn: Conn,
  far: Duplex,
  { hasSystem, takesAtOnce = true }: { hasSystem: boolean; takesAtOnce?: boolean },
): Link {
  far.on("error", ignore);
  // Or small writes would wait in its system, which a reset throws away.
  if (far instanceof Socket) far.setNoDelay(true);
  const resetFar = (): void => {
    if (far instanceof TLSSocket) far.destroy();
    else if (far instanceof Socket && far.remotePort !== undefined) far.resetAndDestroy();
    else if (far instanceof Socket) far.destroy();
    else far.destroy(new Error("reset by the driver"));
  };
  return { conn, far, resetFar, hasSystem, takesAtOnce };
}

function farStream(conn: Conn, far: FarKind): Duplex {
  return far === "drained" ? drained(conn) : toNodeStream(conn);
}

function drained(conn: Conn): Duplex {
  return new Duplex({
    allowHalfOpen: true,
    read() {
      conn.read().then(
        (bytes) => this.push(bytes),
        () => this.push(null), // what came before it is what the driver looks at
      );
    },
    write: (chunk: Uint8Array, _encoding, done) => callbackify(() => conn.write(chunk))(done),
    final: (done) => callbackify(() => conn.closeWrite())(done),
    destroy(error, done) {
      conn.abort();
      done(error);
    },
  });
}

function connected(socket: Socket, event: "connect" | "secureConnect"): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once(event, () => {
      socket.off("error", reject);
      socket.on("error", ignore);
      resolve(socket);
    });
  });
}

function ignore(): void {
  // The far end sees by what comes and by its close; our end is what is tested.
}
