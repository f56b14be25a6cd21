import { Socket } from "node:net";
import type { Duplex } from "node:stream";

/**
 * Reaches into Node: each socket has a listener of Node's own for its end, and ours beside it makes an array of the two, 64 bytes for each connection. It is found by
 * its name; where there is another, or more, it stays.
 */

const found = new Socket().listeners("end");
const idle = found.length === 1 && found[0]?.name === "onReadableStreamEnd" ? found[0] : undefined;

/** Removes Node's own listener for the end of a socket that may be half-open: it does something only to others. */
export function dropIdleListener(socket: Duplex): void {
  if (idle !== undefined && socket.allowHalfOpen && socket instanceof Socket) {
    // Not `removeAllListeners`, which would turn Node's table of listeners into a larger one.
    socket.off("end", idle as () => void);
  }
}
