import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { hasPeer, readReset, resetBehindEnd } from "../node/reset.ts";
import { truncationOf } from "../node/tls-end.ts";
import { SocketTransport } from "./socket-transport.ts";

/**
 * The peer has cut the connection and taken what it wanted; of what was written, and of an end, Node says
 * some turns of the event loop later that they were taken, behind all that has come by then.
 */
const MAX_TURNS = 3;

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

  /** Of an end that is none: not before what is on its way has had its turns. */
  override ended(): void {
    const socket = this.socket;
    if (socket === undefined || truncationOf(socket) === undefined) return super.ended();
    let turns = MAX_TURNS;
    let next: NodeJS.Immediate | undefined;
    const look = (): void => {
      if (turns-- > 0 && this.#isLeaving(socket)) {
        next = setImmediate(look);
        return;
      }
      clearImmediate(next);
      socket.off("close", look);
      super.ended();
    };
    // Node closes it by itself once both ends are over.
    socket.prependListener("close", look);
    look();
  }

  /** Something is being written, or the end is. */
  #isLeaving({ destroyed, writableEnded, writableFinished }: Duplex): boolean {
    return !destroyed && (this.bufferedBytes > 0 || (writableEnded && !writableFinished));
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
