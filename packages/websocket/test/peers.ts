import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import type { CloseInfo, IpAddr, Listener, Message, SendOutcome } from "@zocalo/net";
import { acceptKey } from "../src/handshake/accept-key.ts";
import { type ListenOptions, listen, type WebSocketConn } from "../src/index.ts";

/** A port of this machine that the system chooses. */
export const ANY_PORT = "127.0.0.1:0";
/** A key as a client sends it, and what must be answered (RFC 6455 §1.3). */
export const SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ==";
export const SAMPLE_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** A listener, and the first connection that it accepts. */
export interface Accepting extends AsyncDisposable {
  readonly listener: Listener<WebSocketConn, IpAddr>;
  readonly url: string;
  readonly port: number;
}

/** Listens on a free port; all ends with the disposal. */
export async function accepting(options: ListenOptions = {}): Promise<Accepting> {
  const listener = await listen(ANY_PORT, options);
  const { port } = listener.addr;
  return {
    listener,
    port,
    url: `ws://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => listener.abort(),
  };
}

export function portOf(listener: Listener<WebSocketConn>): number {
  const { addr } = listener;
  if (!("port" in addr)) throw new Error("no port");
  return addr.port;
}

/** Echoes on every connection, by the handler style. */
export async function echoAll(listener: Listener<WebSocketConn>): Promise<void> {
  for await (const conn of listener) {
    conn.serve({
      message(message) {
        conn.trySend(message);
      },
    });
  }
}

/** Resolves with how the connection ended; notes messages. */
export function ended(conn: WebSocketConn, messages: Message[] = []): Promise<CloseInfo> {
  return new Promise((resolve) => {
    conn.serve({ message: (message) => void messages.push(message), close: resolve });
  });
}

/** A raw TCP client that collects what it gets. */
export class RawPeer {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #isOver = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#isOver = true;
      this.#wake?.();
    });
  }

  static async connect(port: number): Promise<RawPeer> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: false });
    const peer = new RawPeer(socket);
    await once(socket, "connect");
    return peer;
  }

  /** Connects and upgrades; `extra` is written right behind the request. */
  static async upgraded(port: number, extra: Uint8Array = new Uint8Array(0)): Promise<RawPeer> {
    const peer = await RawPeer.connect(port);
    peer.socket.write(Buffer.concat([Buffer.from(upgradeRequest()), extra]));
    await peer.head();
    return peer;
  }

  write(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }

  /** Waits for the HTTP head and takes it. */
  async head(): Promise<string> {
    await this.#until(() => this.#received.includes("\r\n\r\n"));
    const end = this.#received.indexOf("\r\n\r\n") + 4;
    return this.take(end).then((bytes) => bytes.toString("latin1"));
  }

  /** Waits for `count` bytes and takes them. */
  async take(count: number): Promise<Buffer> {
    await this.#until(() => this.#received.length >= count);
    const bytes = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return bytes;
  }

  /** All that comes until the server ends the connection. */
  async rest(): Promise<Buffer> {
    while (!this.#isOver) await this.#next();
    return this.#received;
  }

  async #until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      if (this.#isOver)
        throw new Error(`the peer ended after ${JSON.stringify(this.#received.toString("latin1"))}`);
      await this.#next();
    }
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** An upgrade request with replaced (or, by `null`, removed) headers; an array repeats one. */
export function upgradeRequest(
  headers: Record<string, string | readonly string[] | null> = {},
  firstLine = "GET / HTTP/1.1",
): string {
  const all: Record<string, string | readonly string[] | null> = {
    Host: "example.org",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": SAMPLE_KEY,
    "Sec-WebSocket-Version": "13",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : (typeof value === "string" ? [value] : value).map((each) => `${name}: ${each}`),
  );
  return `${[firstLine, ...lines].join("\r\n")}\r\n\r\n`;
}

/** The answer that lets an upgrade through. */
export function upgradeAnswer(head: string): string {
  const [, key = ""] = /^sec-websocket-key: (.*)\r$/im.exec(head) ?? [];
  return [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${acceptKey(key)}`,
    "\r\n",
  ].join("\r\n");
}

/**
 * A TCP server that answers each connection's request head with what `answer` gives; `end` ends the
 * connections in order.
 */
export async function rawServer(
  answer: (head: string, socket: Socket) => void,
): Promise<{ port: number; end(): void } & AsyncDisposable> {
  const { createServer: createTcpServer } = await import("node:net");
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    let head = "";
    socket.on("data", (chunk) => {
      if (head.includes("\r\n\r\n")) return;
      head += chunk.toString("latin1");
      if (head.includes("\r\n\r\n")) answer(head, socket);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    end() {
      for (const socket of sockets) socket.end();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A plain HTTP server on a free port, to attach to. */
export async function httpServer(): Promise<{ server: Server; port: number } & AsyncDisposable> {
  const server = createServer((_request, response) => response.end("page"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    server,
    port: address.port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Sends until the connection says there is no more room; how many were taken. */
export function fill(conn: WebSocketConn, message: Message): { taken: number; last: SendOutcome } {
  for (let taken = 0; ; taken++) {
    const last = conn.trySend(message);
    if (last === "refused") return { taken, last };
  }
}
