/* oxlint-disable no-underscore-dangle -- Node's names */
import type { Duplex } from "node:stream";

/** What the operating system has taken of what was written to a socket, as two numbers. */
export interface WriteProgress {
  /** Bytes of writes that are complete; `undefined` if the stream does not count them. */
  readonly complete: number | undefined;
  /** Bytes left: of the write under way, where Node tells (it does so undocumented, for its own idle timeout), else of all. */
  readonly left: number;
}

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

/** True if anything was taken between the two. More may have been written meanwhile. */
export function hasProgressed(from: WriteProgress, to: WriteProgress): boolean {
  if (from.complete === undefined || to.complete === undefined) return from.left !== to.left;
  // Within one write what is left only shrinks.
  return to.complete > from.complete || to.left < from.left;
}
