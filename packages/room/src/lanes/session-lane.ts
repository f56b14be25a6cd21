import { type Lane, LaneEvents, type LaneState, MAX_MESSAGE_BYTES } from "./lane.ts";

/** What a `SessionLane` needs of either side of the session. */
export interface SessionCarrier {
  /**
   * Sends one message. Where the other side does not take it at once it waits, in place of the one that
   * waited before, or is dropped; it does not queue.
   *
   * @returns whether it was sent, or waits
   */
  send(bytes: Uint8Array): boolean;
  /** The lane is closed. */
  ended?(): void;
}

/**
 * The lane of last resort: messages over the session. A slow link drops old ones instead of queueing them.
 * `sessionLane` makes one for a client, and `SessionLanes` those of a server.
 */
export class SessionLane implements Lane {
  readonly carrier = "session";
  readonly maxMessageBytes = MAX_MESSAGE_BYTES;
  readonly #events: LaneEvents;
  readonly #over: SessionCarrier;

  /** @param onError is told what handlers throw */
  constructor(over: SessionCarrier, onError: (error: unknown) => void, isConnected = true) {
    this.#over = over;
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
    if (this.state === "closed") return;
    this.#over.ended?.();
    this.#events.become("closed");
  }

  /** Something has come, as the application's own. What is no bytes, or too long for a lane, is dropped. */
  received(data: unknown): void {
    if (data instanceof Uint8Array && data.length <= this.maxMessageBytes) this.#events.message(data);
  }

  /** Whether the session has a connection. */
  connected(isConnected: boolean): void {
    this.#events.become(isConnected ? "open" : "silent");
  }
}

/** By which name both sides know their lane, as the method of casts and the topic of messages. */
export const LANE_NAME = "room.lane";

/** Options of a lane over the session. */
export interface SessionLaneOptions {
  /** The same on both sides. Default `"room.lane"`. */
  readonly name?: string | undefined;
  /** Is told what handlers of lanes throw; nothing ends by it. */
  readonly onError: (error: unknown) => void;
}

/** What is used of a client's session; that of `@zocalo/client` has it. */
export interface LaneSession {
  /** `connected`, `closed`, or anything else while there is no connection. */
  readonly state: { readonly name: string };
  /** Sends once, without an answer. @returns whether there is a connection that takes it */
  cast(method: string, data: Uint8Array): boolean;
  /** Calls `handler` with each message of a topic. @returns how to stop that */
  onMessage(topic: string, handler: (message: { readonly data: unknown }) => void): () => void;
  /** Calls `listener` at each change of `state`. @returns how to stop that */
  onState(listener: (state: { readonly name: string }) => void): () => void;
}

/**
 * The client's lane over its session. It is `open` while the session is connected, `silent` while it is not;
 * closing it leaves the session as it is.
 *
 * @example
 * const lane = new BestLane(sessionLane(session, { onError }), { better, onError });
 */
export function sessionLane(session: LaneSession, options: SessionLaneOptions): Lane {
  const { name = LANE_NAME, onError } = options;
  const stops: (() => void)[] = [];
  const lane = new SessionLane(
    {
      send: (bytes) => session.cast(name, bytes),
      ended: () => stops.forEach((stop) => stop()),
    },
    onError,
    session.state.name === "connected",
  );
  stops.push(
    session.onMessage(name, ({ data }) => lane.received(data)),
    session.onState((state) => {
      if (state.name === "closed") lane.close();
      else lane.connected(state.name === "connected");
    }),
  );
  return lane;
}

/** What is used of a hub; that of `@zocalo/hub` has it. */
export interface LaneHub {
  /** Calls `handler` with each cast of a method. @returns how to stop that */
  onCast(method: string, handler: (context: { readonly session: string }, data: unknown) => void): () => void;
  /** Sends to the connections of one session. @returns to how many it went, and on how many it waits */
  send(
    to: { readonly session: string },
    topic: string,
    data: Uint8Array,
    options: { readonly volatile: true },
  ): { readonly sent: number; readonly waiting: number };
}

/**
 * The server's lanes over its sessions. Each is told nothing of its session's end: who owns the seat closes
 * the lane with it, and until then it sends nothing to a session that is gone.
 *
 * @example
 * const lanes = new SessionLanes(hub, { onError });
 * const lane = new BestLane(lanes.open(context.session), { onError });
 */
export class SessionLanes {
  readonly #hub: LaneHub;
  readonly #name: string;
  readonly #onError: (error: unknown) => void;
  readonly #lanes = new Map<string, SessionLane>();
  readonly #stop: () => void;

  /** Takes the casts of its name from now on. */
  constructor(hub: LaneHub, options: SessionLaneOptions) {
    this.#hub = hub;
    this.#name = options.name ?? LANE_NAME;
    this.#onError = options.onError;
    // What comes from a session without a lane is nobody's.
    this.#stop = hub.onCast(this.#name, ({ session }, data) => this.#lanes.get(session)?.received(data));
  }

  /** Lanes that are not closed. */
  get size(): number {
    return this.#lanes.size;
  }

  /** The lane of a session, by its public name. It closes the one before. */
  open(session: string): Lane {
    this.#lanes.get(session)?.close();
    const lane = new SessionLane(
      {
        send: (bytes) => {
          const { sent, waiting } = this.#hub.send({ session }, this.#name, bytes, { volatile: true });
          return sent + waiting > 0;
        },
        ended: () => void this.#lanes.delete(session),
      },
      this.#onError,
    );
    this.#lanes.set(session, lane);
    return lane;
  }

  /** Closes all lanes, and takes no more casts. */
  close(): void {
    this.#stop();
    for (const lane of this.#lanes.values()) lane.close();
  }
}
