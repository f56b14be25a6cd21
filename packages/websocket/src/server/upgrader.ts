import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocketConn } from "../session/conn.ts";
import { StreamCaller } from "./caller.ts";
import { Handshakes } from "./handshakes.ts";
import { type UpgraderOptions, upgraderOptionNames } from "./upgrader-options.ts";

/**
 * Turns HTTP requests into WebSocket connections, on any `http` or `https` server.
 *
 * @example
 * const upgrader = new Upgrader({ subprotocols: ["chat"] });
 * server.on("upgrade", (request, socket, head) => {
 *   upgrader.upgrade(request, socket, head).then(serve).catch(report);
 * });
 */
export class Upgrader {
  readonly #handshakes: Handshakes;

  /**
   * @throws WebSocketNetError or NetError `invalid_argument`, naming the option; for a name that is not
   *   known, too.
   */
  constructor(options: UpgraderOptions = {}) {
    this.#handshakes = new Handshakes(options, upgraderOptionNames);
  }

  /**
   * Answers the request of an `upgrade` event. A request that is not a valid upgrade gets its HTTP status and
   * the socket is ended; so does one that is not allowed. Nothing the peer sends from now on is lost, however
   * late the application begins to read.
   *
   * @throws WebSocketNetError `refused` with the `status` that was sent, `timeout`, or `closed` if the peer
   *   left first. The peer has been answered: there is nothing left to do but to log it. Catch it, for
   *   anybody can cause it: `upgrade(…).then(serve).catch(report)`, or `try` around the `await` in an `async`
   *   listener, whose promise Node does not look at. Or leave it to `attach`, which catches by itself.
   */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<WebSocketConn> {
    const upgrading = this.#upgrade(request, socket, head);
    // The peer has been answered. A promise that is made of this one, by `await` or `then`, is the caller's
    // to catch.
    upgrading.catch(ignore);
    return upgrading;
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<WebSocketConn> {
    return this.#handshakes.upgrade({ request, head, caller: new StreamCaller(socket) });
  }
}

function ignore(): void {}
