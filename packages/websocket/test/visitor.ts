// What tests of one visitor share: a greedy and an honest one, and a listener that echoes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import type { Listener } from "@zocalo/net";
import type { WebSocketConn } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

/** Two addresses of this machine. `exemptAddresses: []` makes them visitors as any other. */
export const GREEDY = "127.0.0.2";
export const HONEST = "127.0.0.1";
export const exemptAddresses: readonly string[] = [];

export const tls = selfSigned("IP:127.0.0.1");

/** A client that says only what it is told to. */
export class Visitor {
  readonly socket: Socket;
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
    });
  }

  /** Connected, or refused already: a reset may be here before the connection is known to be made. */
  static async from(localAddress: string, port: number): Promise<Visitor> {
    const visitor = new Visitor(connect({ port, host: "127.0.0.1", localAddress }));
    await new Promise<void>((resolve) => {
      visitor.socket.once("connect", () => resolve());
      visitor.socket.once("close", () => resolve());
    });
    return visitor;
  }

  static async secureFrom(localAddress: string, port: number): Promise<Visitor> {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    const visitor = new Visitor(connectSecurely({ socket, host: "127.0.0.1", ca: tls.cert }));
    await once(visitor.socket, "secureConnect");
    return visitor;
  }

  /** All that came until the server closed the connection. */
  rest(): Promise<string> {
    const { socket } = this;
    return new Promise((resolve) => {
      const tell = (): void => resolve(this.#received.toString("latin1"));
      if (socket.closed) tell();
      else socket.on("close", tell); // Not by `once` of events, which a reset would reject.
    });
  }

  /** Asks for a WebSocket and gets it. */
  async upgrade(request = upgradeRequest()): Promise<this> {
    this.socket.write(request);
    await this.until((bytes) => bytes.includes("\r\n\r\n"));
    assert.match(this.#received.toString("latin1"), /^HTTP\/1\.1 101 /);
    this.#received = Buffer.alloc(0);
    return this;
  }

  /** Asks for a WebSocket on a connection on which so many other requests wait for their answers. */
  async upgradeBehind(count: number): Promise<void> {
    await this.until((bytes) => bytes.toString("latin1").split("HTTP/1.1 426 ").length > count);
    this.#received = Buffer.alloc(0);
    await this.upgrade();
  }

  /** An echo there and back. */
  async roundTrip(): Promise<string> {
    const startedAt = performance.now();
    this.socket.write(frameFrom("client", 0x81, "hola"));
    await this.until((bytes) => bytes.includes("hola"));
    this.#received = Buffer.alloc(0);
    return `${(performance.now() - startedAt).toFixed(2)} ms`;
  }

  async until(isThere: (bytes: Buffer) => boolean): Promise<void> {
    while (!isThere(this.#received)) await once(this.socket, "data");
  }
}

/** Echoes on each connection; gives how to wait for the end of the next one that is over. */
export function echoAll(listener: Listener<WebSocketConn>): () => Promise<void> {
  const waiting: (() => void)[] = [];
  void (async () => {
    for await (const conn of listener) {
      conn.serve({
        message: (message) => void conn.trySend(message),
        close: () => setImmediate(() => waiting.shift()?.()),
      });
    }
  })();
  return () => new Promise((resolve) => waiting.push(resolve));
}
