import type { Addr } from "./addr.ts";

/**
 * What carries the bytes of a `StreamConn`: a socket of the runtime, or memory. It knows nothing of promises, deadlines or
 * queues; those are the connection's. Each method may be called in any state and then does nothing if it is too late.
 */
export interface Transport {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  /** Bytes handed to `write` that have not yet gone to the other side or the operating system. */
  readonly bufferedBytes: number;
  /** Set by a receiver for which lent bytes are as good as owned ones. */
  prefersLent?: boolean;

  /** Names the receiver of events. Called once, before anything else; no event comes before the first `resume`, save `onClose`. */
  attach(sink: TransportSink): void;
  /** Asks for bytes, until `onBytes` answers `false` or `pause` is called. Cheap when already reading. */
  resume(): void;
  pause(): void;

  /** Takes the bytes, which stay in use until they are gone. `onWritten` follows, in order, once for each call. */
  write(bytes: Uint8Array): void;
  /** As `write`, for parts that leave together; one `onWritten` follows. */
  writev(parts: readonly Uint8Array[]): void;
  /** Ends this side after what was written. `onFinish` follows. */
  end(): void;
  /** Cuts both sides without flushing. `onClose` follows. */
  destroy(): void;
  /** Lets the process end although this connection is still open. */
  unref(): void;
  /** As `destroy`, and tells the peer that it was cut (TCP RST) where that is possible. */
  reset(): void;
}

/** Receives what happens on a transport. */
export interface TransportSink {
  /**
   * Bytes arrived. `isLent` means that the memory is used again as soon as this call returns.
   * The answer `false` stops reading until `resume`.
   */
  onBytes(bytes: Uint8Array, isLent: boolean): boolean;
  /** The peer has ended its side. */
  onEnd(): void;
  /** The oldest write not yet reported has left. May come from within `write`. */
  onWritten(): void;
  /** This side has ended: all that was written, and the end itself, has left. */
  onFinish(): void;
  /** The last event: both sides are gone. `error` is what the runtime said if it broke. */
  onClose(error: unknown): void;
}
