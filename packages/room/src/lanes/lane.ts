/**
 * - `probing`: whether anything passes is being found out; nothing is carried yet.
 * - `open`: what was sent a moment ago has been answered.
 * - `silent`: nothing was answered for a while. It is tried again and again, and may open.
 * - `closed`: for good.
 */
export type LaneState = "probing" | "open" | "silent" | "closed";

/** By what a lane is carried. */
export type Carrier = "udp" | "webrtc" | "session";

/**
 * Carries messages that may get lost or be overtaken, and that come at most once: snapshots one way, inputs
 * the other. Each side has one, and it is the same whatever carries it.
 */
export interface Lane {
  /** What carries it; of a lane of several, what carries the next message. */
  readonly carrier: Carrier;
  /** Whether messages pass. Each change is told to `onState`. */
  readonly state: LaneState;
  /** The longest message, in bytes. */
  readonly maxMessageBytes: number;
  /**
   * Sends one message. The bytes are read until this returns.
   *
   * @returns whether it left. That says nothing about its arrival. False also for a message that is too
   *   long, and one that the limits of the lane, or what is not yet acknowledged, leave no room for.
   */
  send(bytes: Uint8Array): boolean;
  /** Calls `handler` with each message that comes; the bytes are its own. It replaces the one before. */
  onMessage(handler: (bytes: Uint8Array) => void): void;
  /** Calls `handler` at each change of `state` and of `carrier`. It replaces the one before. */
  onState(handler: (state: LaneState) => void): void;
  /**
   * The newest of what was sent that the other side has acknowledged is this old, in milliseconds: who
   * sends knows. A lane that queues where it cannot see it sends less then.
   */
  acknowledged?(ageMs: number): void;
  /** Ends it. The other side is not told: the session is for that. A second time does nothing. */
  close(): void;
}

/** A lane that asks the other side for signs of life, and so knows how long there and back takes. */
export interface PingedLane extends Lane {
  /** How long the newest ping and its answer took, in milliseconds; `undefined` before the first. */
  readonly roundTripMs: number | undefined;
}

/** The longest message of a lane, in bytes: with its seal and headers it fits every usual path. */
export const MAX_MESSAGE_BYTES = 1_150;

/** What lanes have in common: who is told, and the one place where the state changes. */
export class LaneEvents {
  #state: LaneState;
  #message: ((bytes: Uint8Array) => void) | undefined;
  #changed: ((state: LaneState) => void) | undefined;
  readonly #report: (error: unknown) => void;

  /** @param report is told what handlers throw */
  constructor(state: LaneState, report: (error: unknown) => void) {
    this.#state = state;
    this.#report = report;
  }

  get state(): LaneState {
    return this.#state;
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.#message = handler;
  }

  onState(handler: (state: LaneState) => void): void {
    this.#changed = handler;
  }

  message(bytes: Uint8Array): void {
    if (this.#state === "closed") return;
    try {
      this.#message?.(bytes);
    } catch (error) {
      this.#report(error);
    }
  }

  /** Nothing comes after `closed`. */
  become(state: LaneState): void {
    if (this.#state === state || this.#state === "closed") return;
    this.#state = state;
    this.tell();
  }

  /** Tells the state, be it that something else about the lane is new. */
  tell(): void {
    try {
      this.#changed?.(this.#state);
    } catch (error) {
      this.#report(error);
    }
  }
}
