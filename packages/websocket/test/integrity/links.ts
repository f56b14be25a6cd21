import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import * as net from "@zocalo/net";
import { attach, type CompressionOptions, dial, listen, type WebSocketConn } from "../../src/index.ts";
import { selfSigned } from "../certificate.ts";
import type { Agreed } from "../conformance/deflate.ts";

/** How our end comes to its connection. */
export const DOORS = [
  "listen",
  "attach",
  "attach unix",
  "listen wss",
  "over tcp",
  "over unix",
  "over tls",
  "dial",
  "dial wss",
] as const;
/** Of those, the ones whose far end speaks TLS and is no server. */
const SECURE_DOORS: readonly string[] = ["listen wss", "over tls"];
export type Door = (typeof DOORS)[number];
export const DIAL_DOORS = ["dial", "dial wss"] as const satisfies readonly Door[];
export type DialDoor = (typeof DIAL_DOORS)[number];

/** More than the systems of both ends hold, in bytes: some of it has to wait in the process. */
export const FLOOD_BYTES = 9_000_000;

/** How messages are compressed. */
export const COMPRESSIONS = ["none", "each", "takeover"] as const;
export type CompressionKind = (typeof COMPRESSIONS)[number];

/** The socket of the other end, which has its handshake behind it. */
export interface FarSide {
  readonly far: Socket;
  readonly agreed: Agreed | undefined;
  /** True if the far end is the client, which masks. */
  readonly isFarClient: boolean;
}

/** A connection under test, and its other end. */
export interface Link extends FarSide {
  readonly conn: WebSocketConn;
}

/** What whoever dials has to be told. */
export interface FaceOptions {
  readonly compression: boolean | CompressionOptions;
  readonly tls: { readonly ca: string };
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const WINDOW = { serverMaxWindowBits: 15, clientMaxWindowBits: 15 };

/** Makes links, over listeners and servers that all cases share. */
export class Links {
  readonly #identity = selfSigned("IP:127.0.0.1");
  readonly #listeners = new Map<string, net.Listener<WebSocketConn>>();
  readonly #servers: (Server | HttpServer)[] = [];
  readonly #ports = new Map<string, number>();
  readonly #directory = mkdtempSync(join(tmpdir(), "zocalo-ws-"));
  readonly #paths = new Map<string, string>();
  /** The socket that a raw server has accepted for the dial that is under way. */
  #accepted: ((socket: Socket) => void) | undefined;
  #latest: Promise<unknown> = Promise.resolve();

  static async open(): Promise<Links> {
    const links = new Links();
    for (const compression of COMPRESSIONS) {
      for (const isStreaming of [false, true]) await links.#listen(compression, isStreaming);
    }
    await links.#serve(
      "dial",
      createServer({ pauseOnConnect: true }, (socket) => links.#accepted?.(socket)),
    );
    const secure = createTlsServer(links.#identity, (socket) => links.#accepted?.(socket));
    await links.#serve("dial wss", secure);
    return links;
  }

  async dispose(): Promise<void> {
    for (const listener of this.#listeners.values()) await listener.abort();
    for (const server of this.#servers) server.close();
    rmSync(this.#directory, { recursive: true });
  }

  /** One at a time, so that who dialed and who was accepted belong together. */
  async make(door: Door, compression: CompressionKind, isStreaming: boolean): Promise<Link> {
    if (door !== "dial" && door !== "dial wss") {
      return this.#inTurn(() => this.#listened(door, compression, isStreaming));
    }
    const messages = isStreaming ? "stream" : "whole";
    const { face, ...far } = await this.dialed(door, compression, (url, options) =>
      dial(url, { ...options, messages }),
    );
    return { ...far, conn: face };
  }

  /** The far side of whatever `open` dials. */
  dialed<Face>(
    door: DialDoor,
    compression: CompressionKind,
    open: (url: string, options: FaceOptions) => Promise<Face>,
  ): Promise<FarSide & { readonly face: Face }> {
    return this.#inTurn(() => this.#dialed(door, compression, open));
  }

  #inTurn<T>(make: () => Promise<T>): Promise<T> {
    const made = this.#latest.then(make);
    this.#latest = made.catch(() => undefined); // who asked for it is told
    return made;
  }

  async #listen(compression: CompressionKind, isStreaming: boolean): Promise<void> {
    const options = connOptions(compression, isStreaming);
    const name = `${compression} ${isStreaming}`;
    this.#listeners.set(`listen ${name}`, await listen("127.0.0.1:0", options));
    this.#listeners.set(
      `listen wss ${name}`,
      await listen("127.0.0.1:0", { ...options, tls: this.#identity }),
    );
    await this.#listenOver("over tcp", name, await net.listen("tcp", "127.0.0.1:0"), options);
    await this.#listenOver("over tls", name, await net.listen("tls", "127.0.0.1:0", this.#identity), options);
    const overPath = join(this.#directory, `over-${this.#paths.size}.sock`);
    this.#paths.set(`over unix ${name}`, overPath);
    await this.#listenOver("over unix", name, await net.listen("unix", overPath), options);
    const server = createHttpServer();
    await this.#serve(`attach ${name}`, server);
    this.#listeners.set(`attach ${name}`, attach(server, options));
    const local = createHttpServer();
    const path = join(this.#directory, `${this.#paths.size}.sock`);
    await new Promise<void>((resolve) => local.listen(path, resolve));
    this.#servers.push(local);
    this.#paths.set(`attach unix ${name}`, path);
    this.#listeners.set(`attach unix ${name}`, attach(local, options));
  }

  async #listenOver(
    door: Door,
    name: string,
    below: net.Listener<net.Conn>,
    options: SharedOptions,
  ): Promise<void> {
    this.#listeners.set(`${door} ${name}`, await listen(below, options));
  }

  async #serve(name: string, server: Server | HttpServer): Promise<void> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    this.#ports.set(name, address.port);
    this.#servers.push(server);
  }

  async #listened(door: Door, compression: CompressionKind, isStreaming: boolean): Promise<Link> {
    const name = `${door} ${compression} ${isStreaming}`;
    const listener = this.#listeners.get(name);
    if (listener === undefined) throw new Error(`no listener for ${door}`);
    const path = this.#paths.get(name);
    const where =
      path === undefined && "port" in listener.addr
        ? { port: listener.addr.port, host: "127.0.0.1" }
        : { path: path ?? "" };
    const isSecure = SECURE_DOORS.includes(door);
    const far = isSecure
      ? connectTls({ ...where, ca: this.#identity.cert })
      : connect({ ...where, allowHalfOpen: true });
    far.on("error", ignore);
    await new Promise((resolve) => far.once(isSecure ? "secureConnect" : "connect", resolve));
    const extension = extensionOf(compression);
    far.write(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n` +
        `${extension === undefined ? "" : `Sec-WebSocket-Extensions: ${extension}\r\n`}\r\n`,
    );
    const [head, conn] = await Promise.all([readHead(far), listener.accept()]);
    return { conn, far, agreed: agreedIn(head), isFarClient: true };
  }

  async #dialed<Face>(
    door: DialDoor,
    compression: CompressionKind,
    open: (url: string, options: FaceOptions) => Promise<Face>,
  ): Promise<FarSide & { readonly face: Face }> {
    const accepted = new Promise<Socket>((resolve) => (this.#accepted = resolve));
    const url = `${door === "dial" ? "ws" : "wss"}://127.0.0.1:${this.#ports.get(door)}/`;
    const opening = open(url, {
      compression: compressionOf(compression),
      tls: { ca: this.#identity.cert },
    });
    const far = await accepted;
    far.on("error", ignore);
    const head = await readHead(far);
    const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? "";
    const accept = createHash("sha1")
      .update(key + GUID)
      .digest("base64");
    const extension = /^sec-websocket-extensions:/im.test(head) ? extensionOf(compression) : undefined;
    far.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n` +
        `${extension === undefined ? "" : `Sec-WebSocket-Extensions: ${extension}\r\n`}\r\n`,
    );
    return {
      face: await opening,
      far,
      agreed: extension === undefined ? undefined : agreedIn(`x: ${extension}`),
      isFarClient: false,
    };
  }
}

interface SharedOptions {
  readonly compression: boolean | CompressionOptions;
  readonly messages: "whole" | "stream";
}

function connOptions(compression: CompressionKind, isStreaming: boolean): SharedOptions {
  return {
    compression: compressionOf(compression),
    messages: isStreaming ? "stream" : "whole",
  };
}

function compressionOf(compression: CompressionKind): boolean | CompressionOptions {
  return compression === "none" ? false : { contextTakeover: compression === "takeover" };
}

function extensionOf(compression: CompressionKind): string | undefined {
  if (compression === "none") return undefined;
  const one = "permessage-deflate";
  return compression === "takeover" ? one : `${one}; server_no_context_takeover; client_no_context_takeover`;
}

function agreedIn(head: string): Agreed | undefined {
  if (!head.includes("permessage-deflate")) return undefined;
  return {
    serverNoContextTakeover: head.includes("server_no_context_takeover"),
    clientNoContextTakeover: head.includes("client_no_context_takeover"),
    ...WINDOW,
  };
}

/** Reads an HTTP head, and leaves what comes behind it. */
async function readHead(socket: Socket): Promise<string> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) {
      if (socket.destroyed) throw new Error("the connection ended within the handshake");
      await new Promise<void>((resolve) => {
        socket.once("readable", resolve);
        socket.once("close", resolve);
      });
      continue;
    }
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf("\r\n\r\n");
    if (end === -1) continue;
    if (bytes.length > end + 4) socket.unshift(bytes.subarray(end + 4));
    return bytes.subarray(0, end + 4).toString("latin1");
  }
}

function ignore(): void {
  // The far end sees by what comes and by its close.
}
