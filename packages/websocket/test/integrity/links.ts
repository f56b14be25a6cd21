import { createHash } from "node:crypto";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import type { Listener } from "@zocalo/net";
import { attach, type CompressionOptions, dial, listen, type WebSocketConn } from "../../src/index.ts";
import { selfSigned } from "../certificate.ts";
import type { Agreed } from "../conformance/deflate.ts";

/** How our end comes to its connection. */
export const DOORS = ["listen", "attach", "listen wss", "dial", "dial wss"] as const;
export type Door = (typeof DOORS)[number];

/** How messages are compressed. */
export const COMPRESSIONS = ["none", "each", "takeover"] as const;
export type CompressionKind = (typeof COMPRESSIONS)[number];

/** A connection under test, and the socket of the other end, which has its handshake behind it. */
export interface Link {
  readonly conn: WebSocketConn;
  readonly far: Socket;
  readonly agreed: Agreed | undefined;
  /** True if the far end is the client, which masks. */
  readonly isFarClient: boolean;
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const WINDOW = { serverMaxWindowBits: 15, clientMaxWindowBits: 15 };

/** Makes links, over listeners and servers that all cases share. */
export class Links {
  readonly #identity = selfSigned("IP:127.0.0.1");
  readonly #listeners = new Map<string, Listener<WebSocketConn>>();
  readonly #servers: (Server | HttpServer)[] = [];
  readonly #ports = new Map<string, number>();
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
  }

  /** One at a time, so that who dialed and who was accepted belong together. */
  make(door: Door, compression: CompressionKind, isStreaming: boolean): Promise<Link> {
    const made = this.#latest.then(() =>
      door === "dial" || door === "dial wss"
        ? this.#dialed(door, compression, isStreaming)
        : this.#listened(door, compression, isStreaming),
    );
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
    const server = createHttpServer();
    await this.#serve(`attach ${name}`, server);
    this.#listeners.set(`attach ${name}`, attach(server, options));
  }

  async #serve(name: string, server: Server | HttpServer): Promise<void> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    this.#ports.set(name, address.port);
    this.#servers.push(server);
  }

  async #listened(door: Door, compression: CompressionKind, isStreaming: boolean): Promise<Link> {
    const listener = this.#listeners.get(`${door} ${compression} ${isStreaming}`);
    if (listener === undefined || !("port" in listener.addr)) throw new Error(`no listener for ${door}`);
    const { port } = listener.addr;
    const far =
      door === "listen wss"
        ? connectTls({ port, host: "127.0.0.1", ca: this.#identity.cert })
        : connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    far.on("error", ignore);
    await new Promise((resolve) => far.once(door === "listen wss" ? "secureConnect" : "connect", resolve));
    const extension = extensionOf(compression);
    far.write(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n` +
        `${extension === undefined ? "" : `Sec-WebSocket-Extensions: ${extension}\r\n`}\r\n`,
    );
    const [head, conn] = await Promise.all([readHead(far), listener.accept()]);
    return { conn, far, agreed: agreedIn(head), isFarClient: true };
  }

  async #dialed(
    door: "dial" | "dial wss",
    compression: CompressionKind,
    isStreaming: boolean,
  ): Promise<Link> {
    const accepted = new Promise<Socket>((resolve) => (this.#accepted = resolve));
    const url = `${door === "dial" ? "ws" : "wss"}://127.0.0.1:${this.#ports.get(door)}/`;
    const dialing = dial(url, { ...connOptions(compression, isStreaming), tls: { ca: this.#identity.cert } });
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
    const conn = await dialing;
    return {
      conn,
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
    compression: compression === "none" ? false : { contextTakeover: compression === "takeover" },
    messages: isStreaming ? "stream" : "whole",
  };
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
