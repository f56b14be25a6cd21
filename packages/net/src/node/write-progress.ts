/* oxlint-disable no-underscore-dangle -- Node's names */
import type { Duplex } from "node:stream";
import type { WriteProgress } from "../contracts/transport.ts";

/** What is used of Node beyond its documentation. */
interface Handle {
  readonly writeQueueSize?: unknown;
  /** Under TLS: the handle of the TCP connection. TLS itself counts only whole writes. */
  readonly _parent?: Handle;
}

/**
 * How far writing to `socket` has come.
 *
 * @param unsentBytes of all that was written to it, what is not complete.
 */
export function writeProgress(socket: Duplex, unsentBytes: number = socket.writableLength): WriteProgress {
  const { bytesWritten, _handle: handle } = socket as Duplex & {
    bytesWritten?: unknown;
    _handle?: Handle | null;
  };
  const queued = (handle?._parent ?? handle)?.writeQueueSize;
  return {
    complete: typeof bytesWritten === "number" ? bytesWritten - unsentBytes : undefined,
    left: typeof queued === "number" ? queued : unsentBytes,
  };
}
