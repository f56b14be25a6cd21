import { type Lane, LaneEvents, type LaneState, MAX_MESSAGE_BYTES } from "./lane.ts";

/** What a lane over the reliable side needs of it. */
export interface SessionCarrier {
  /**
   * Sends one message. Where the other side does not take it at once it waits, in place of the one that
   * waited before, and no others: on the server `hub.send` with a key and `volatile`, at the client
   * `session.cast`.
   *
   * @returns whether it was sent, or waits
   */
  send(bytes: Uint8Array): boolean;
}

/**
 * The lane of last resort: messages over the session. A slow link drops old ones instead of queueing them,
 * as far as its carrier does.
 *
 * Who owns the session says what comes of it, by `received` and `connected`, and closes the lane with it.
 */
export class SessionLane implements Lane {
  readonly carrier = "session";
  readonly maxMessageBytes: number;
  readonly #events: LaneEvents;
  readonly #over: SessionCarrier;

  constructor(
    over: SessionCarrier,
    onError: (error: unknown) => void,
    { isConnected = true, maxMessageBytes = MAX_MESSAGE_BYTES } = {},
  ) {
    this.#over = over;
    this.maxMessageBytes = maxMessageBytes;
    this.#events = new LaneEvents(isConnected ? "open" : "silent", onError);
  }

  get state(): LaneState {
    return this.#events.state;
  }

  send(bytes: Uint8Array): boolean {
    return bytes.length <= this.maxMessageBytes && this.state === "open" && this.#over.send(bytes);
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.#events.onMessage(handler);
  }

  onState(handler: (state: LaneState) => void): void {
    this.#events.onState(handler);
  }

  close(): void {
    this.#events.become("closed");
  }

  /** A message has come; its bytes are the application's from now on. One that is too long is dropped. */
  received(bytes: Uint8Array): void {
    if (bytes.length <= this.maxMessageBytes) this.#events.message(bytes);
  }

  /** Whether the session has a connection. */
  connected(isConnected: boolean): void {
    this.#events.become(isConnected ? "open" : "silent");
  }
}
