/** How a connection ended. */
export interface ConnEnd {
  /** A WebSocket close code; 1006 when the transport just broke. */
  readonly code: number;
  readonly reason: string;
  readonly error?: Error;
}

/** What a connection reports. */
export interface ConnHandler {
  /** One message from the server. */
  message(message: string | Uint8Array): void;
  /** There is room again after `trySend` answered `refused`. */
  drain(): void;
  /** Called once, last. */
  close(end: ConnEnd): void;
}

/**
 * A connection that carries messages, as far as a session needs one. The `MessageConn` of `@zocalo/net` is
 * one, so WebSocket connections, lines over TCP and in-memory pipes all do.
 */
export interface ClientConn {
  /** The largest message that it ever sends, in bytes; left out: any. */
  readonly maxSendBytes?: number | undefined;
  /** Bytes that wait to leave. While that are many nothing is cast. Left out: none. */
  readonly bufferedAmount?: number;
  /** Hands over all messages, including those already received. Called once. */
  serve(handler: ConnHandler): void;
  /** Sends if there is room; never throws, never waits. */
  trySend(message: string): "sent" | "buffered" | "refused";
  /** Closes in order, bounded in time. */
  close(code?: number, reason?: string): Promise<void>;
  /** Closes at once. */
  abort(): void;
}

/**
 * Opens a connection to `url`. Rejects when `signal` is aborted. The `dial` of `@zocalo/websocket` is one.
 */
export type Dial = (url: string, options: { readonly signal: AbortSignal }) => Promise<ClientConn>;
