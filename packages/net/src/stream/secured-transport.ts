import type { Socket } from "node:net";
import { hasPeer, readReset, resetBehindEnd } from "../node/reset.ts";
import { truncationOf } from "../node/tls-end.ts";
import { SocketTransport } from "./socket-transport.ts";

/** A transport over TLS, where it is the socket below that has a peer and can be reset. */
export class SecuredTransport extends SocketTransport {
  readonly #below: Socket;
  /**
   * Until the event loop has had its turn TLS itself may still write the end of its handshake. If that meets
   * a reset, Linux has told it, and tells an end to us.
   */
  #mayHideReset = true;

  constructor(below: Socket) {
    super();
    this.#below = below;
    setImmediate(() => {
      if (hasPeer(below)) this.#mayHideReset = false;
      // TLS goes on to wait for what could not leave, and no write would ever be over.
      else if (this.#isHidden()) this.writeOver(readReset());
    });
  }

  /**
   * Node remembers what it set on a socket and does not set it again; what is on is known of the one below.
   */
  protected override get carrier(): Socket {
    return this.#below;
  }

  protected override resetBehindEnd(): Error | undefined {
    const reset = this.#isHidden() ? readReset() : resetBehindEnd(this.#below);
    return reset ?? (this.socket && truncationOf(this.socket));
  }

  /** TLS itself has met a reset and kept it. Where both sides have ended there is no peer either. */
  #isHidden(): boolean {
    return this.#mayHideReset && this.socket?.writableEnded === false && hasPeer(this.#below) === false;
  }
}
