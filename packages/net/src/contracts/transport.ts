import type { Addr } from "./addr.ts";

/**
 * What carries the bytes of a connection, be it a `Conn` or a WebSocket: a socket of the runtime, or memory.
 * It knows nothing of promises, deadlines or queues; those are the connection's. Each method may be called in
 * any state and then does nothing if it is too late.
 */
export interface Transport {
  readonly localAddr: Addr;
  readonly remoteAddr: Addr;
  /** Bytes of the write under way; 0 once the other side or the operating system has taken all of it. */
  readonly bufferedBytes: number;
  /** Of those, what has been taken already, as far as that is known. */
  readonly takenBytes: number;
  /** Bytes that have arrived so far. Still known when it is closed. */
  readonly bytesRead: number;
  /** Bytes that have been taken so far, as far as that is known. Still known when it is closed. */
  readonly bytesWritten: number;
  /** How far writing has come. */
  progress(): WriteProgress;
  /**
   * Bytes that the system has taken and the peer's has not acknowledged; `undefined` if that cannot be known.
   * Never rejects.
   */
  unacknowledgedBytes(): Promise<number | undefined>;
  /** Set by a receiver for which lent bytes are as good as owned ones. */
  prefersLent?: boolean;
  /**
   * True if nothing reads the memory of a write after its `onWritten`. Other streams may go on with what they
   * were given.
   */
  readonly releasesMemory: boolean;

  /**
   * Names the receiver of events, before anything else; another may take its place later. No event comes
   * before the first `resume`, save `onWriteFailed` and `onClose`.
   */
  attach(sink: TransportSink): void;
  /** Asks for bytes, until `onBytes` answers `false` or `pause` is called. Cheap when already reading. */
  resume(): void;
  /** Asks for no more bytes. Some may still come. */
  pause(): void;

  /**
   * Writes; only while `bufferedBytes` is 0. `onWritten` follows when all has been taken, mostly before this
   * returns, or `onWriteFailed`, or `onClose`. Of lent bytes it keeps none: those that are not taken at once
   * it copies. The caller's own are read until then.
   */
  write(bytes: Uint8Array): void;
  /** As `write`, for parts that leave together; one `onWritten` follows. */
  writev(parts: readonly Uint8Array[]): void;
  /** Ends this side after what was written. `onFinish` follows. */
  end(): void;
  /** Cuts both sides without flushing. `onClose` follows. */
  destroy(): void;
  /** Lets the process end although this connection is still open. */
  unref(): void;
  /** Takes `unref` back. */
  ref(): void;
  /**
   * Has the system ask a peer that has been silent for so many milliseconds whether it is there (TCP
   * keep-alive), where there is such a thing; `undefined`: no more.
   */
  keepAlive(delayMs: number | undefined): void;
  /**
   * Sends small writes at once, or lets the system collect them (TCP_NODELAY), where there is such a thing.
   */
  noDelay(isOn: boolean): void;
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
  /** The peer has ended its side: there were no more bytes than those that came. */
  onEnd(): void;
  /** The write under way has been taken. May come from within `write`. */
  onWritten(): void;
  /**
   * Nothing more can be written, and the write under way was not taken in full. What has arrived meanwhile is
   * still to be read; then comes `onEnd` if the peer had ended, and `onClose` with this error. May come from
   * within `write`.
   */
  onWriteFailed(error: unknown): void;
  /** This side has ended: all that was written, and the end itself, has left. */
  onFinish(): void;
  /** The last event: both sides are gone. `error` is what the runtime said if it broke. */
  onClose(error: unknown): void;
}

/** What the operating system has taken of what was written to a socket, as two numbers. */
export interface WriteProgress {
  /** Bytes of writes that are complete; `undefined` if the stream does not count them. */
  readonly complete: number | undefined;
  /**
   * Bytes left: of the write under way, where Node tells (it does so undocumented, for its own idle timeout),
   * else of all.
   */
  readonly left: number;
}
