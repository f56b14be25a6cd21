// Two servers with the same options: one answers upgrades by itself where it can, the other leaves all to
// `node:http`.
import { Server as HttpServer } from "node:http";
import { Server as HttpsServer } from "node:https";
import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectSecurely } from "node:tls";
import type { CloseInfo, Listener, Message, Peer } from "@zocalo/net";
import { setOwnUpgrades } from "../src/server/door.ts";
import { type ListenOptions, listen, type WebSocketConn } from "../src/index.ts";
import { ANY_PORT, portOf } from "./peers.ts";

let seenByHttp = 0;
for (const prototype of [HttpServer.prototype, HttpsServer.prototype]) {
  const emit: unknown = Reflect.get(prototype, "emit");
  prototype.emit = function (this: HttpServer, event: string, ...rest: unknown[]): boolean {
    if (event === "upgrade") seenByHttp++;
    return Reflect.apply(emit as () => boolean, this, [event, ...rest]);
  };
}

/** How many upgrades `node:http` has parsed so far in this process. */
export function upgradesByHttp(): number {
  return seenByHttp;
}

/** `listen`, with all left to `node:http`. */
export async function listenByHttp(
  address: string,
  options?: ListenOptions,
): Promise<Listener<WebSocketConn>> {
  setOwnUpgrades(false);
  try {
    return await listen(address, options);
  } finally {
    setOwnUpgrades(true);
  }
}

/** What came of a connection, as the application saw it. */
interface Seen {
  readonly request: Peer["request"];
  readonly subprotocol: string;
  readonly extensions: string;
  readonly messages: readonly Message[];
  readonly end: Pick<CloseInfo, "code" | "reason" | "wasClean">;
}

/** What came of some bytes. */
export interface Outcome {
  /** All that was answered. */
  readonly answer: string;
  readonly seen: readonly Seen[];
}

/** A server that notes what it sees. */
export class Witness implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Listener<WebSocketConn>;
  readonly #isSecure: boolean;
  #seen: Promise<Seen>[] = [];

  private constructor(listener: Listener<WebSocketConn>, isSecure: boolean) {
    this.#listener = listener;
    this.port = portOf(listener);
    this.#isSecure = isSecure;
    void this.#acceptAll();
  }

  static async start(start: typeof listenByHttp, options: ListenOptions): Promise<Witness> {
    return new Witness(await start(ANY_PORT, options), options.tls !== undefined);
  }

  async #acceptAll(): Promise<void> {
    for await (const conn of this.#listener) {
      const messages: Message[] = [];
      const { subprotocol, extensions } = conn;
      const { request } = conn.peer;
      const ended = new Promise<CloseInfo>((close) => {
        conn.serve({ message: (message) => void messages.push(message), close });
      });
      this.#seen.push(
        ended.then(({ code, reason, wasClean }) => ({
          request,
          subprotocol,
          extensions,
          messages,
          end: { code, reason, wasClean },
        })),
      );
    }
  }

  /**
   * Sends these parts, each a turn of the event loop later than the one before, and the end; then waits for
   * the server's.
   */
  async exchange(...parts: readonly Uint8Array[]): Promise<Outcome> {
    const to = { port: this.port, host: "127.0.0.1", noDelay: true };
    const socket = this.#isSecure ? connectSecurely({ ...to, rejectUnauthorized: false }) : connect(to);
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await once(socket, this.#isSecure ? "secureConnect" : "connect");
    for (const part of parts) {
      await new Promise((resolve) => socket.write(part, resolve));
      if (parts.length > 1)
        for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
    await closed;
    const seen = await Promise.all(this.#seen.splice(0));
    const answer = Buffer.concat(chunks).toString("latin1");
    return { answer: answer.replaceAll(/\r\nDate: [^\r]*/g, ""), seen };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener.abort();
  }
}

/** A server of each kind. */
export interface BothWays extends AsyncDisposable {
  readonly own: Witness;
  readonly byHttp: Witness;
}

export async function bothWays(options: ListenOptions = {}): Promise<BothWays> {
  const own = await Witness.start(listen, options);
  const byHttp = await Witness.start(listenByHttp, options);
  return {
    own,
    byHttp,
    async [Symbol.asyncDispose]() {
      await own[Symbol.asyncDispose]();
      await byHttp[Symbol.asyncDispose]();
    },
  };
}
