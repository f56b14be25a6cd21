import type { EndedMessage, JoinRefusal, RoomCreation, RoomTicket } from "../contracts/wire.ts";
import type { LaneClock } from "../lanes/running-time.ts";
import type { LaneSession } from "../lanes/session-lane.ts";
import type { OpenLane } from "../lanes/best-lane.ts";
import type { PredictionOptions } from "../play/prediction.ts";
import type { SnapshotLimits } from "../snapshot/reader.ts";
import type { DisplayOptions } from "../timing/display.ts";

/** What is used of a client's session; that of `@zocalo/client` has it. */
export interface RoomSession extends LaneSession {
  /** Calls a method of the server. Rejects with what it refuses, as a `CallError` or `ProtocolError`. */
  call(method: string, input?: unknown, options?: { readonly signal?: AbortSignal }): Promise<unknown>;
}

/**
 * - `playing`: inputs go to the server, and snapshots come.
 * - `returning`: the connection is lost, or the match moves to another process. The place is kept, and is
 *   taken again by itself; inputs are not made until then.
 * - `ended`: for good.
 */
export type PlayState = "playing" | "returning" | "ended";

/** Why a game has ended. */
export interface PlayEnd {
  /**
   * As the server said it, or why it refused to give the place back, or
   * - `left`: `leave` was called.
   * - `session_closed`: the session was.
   * - `refused`: the place was not given back; `error` says why.
   */
  readonly reason: EndedMessage["reason"] | JoinRefusal | "left" | "session_closed" | "refused";
  /** The game's own words, from the server: at most 1,000 characters. */
  readonly text?: string | undefined;
  /** What the server refused with, or what else ended it. */
  readonly error?: unknown;
}

/** How a game is shown and predicted. */
export interface PlayOptions
  extends Omit<DisplayOptions, "ticksPerSecond">,
    PredictionOptions,
    SnapshotLimits {}

/** Options of `join`. */
export interface JoinOptions extends PlayOptions {
  /** Which of the server's rooms. */
  readonly mode: string;
  /** How others see who joins. Default `""`. */
  readonly name?: string | undefined;
  /** This room and no other. Default: that of the ticket, or any of this mode that has a place. */
  readonly room?: string | undefined;
  /** Default false: play. */
  readonly watch?: boolean | undefined;
  /** Opens a room. Default: join one. */
  readonly create?: RoomCreation | undefined;
  /** `Play.ticket` of an earlier page, to come back to its place. */
  readonly ticket?: RoomTicket | undefined;
  /** A better lane than the session: `overWebRtc` in a page, `overUdp()` on Node. Default: the session. */
  readonly lane?: OpenLane | undefined;
  /** Is called with each event of the room. */
  readonly onEvent?: ((data: unknown) => void) | undefined;
  /**
   * Is called where events of the room will not come, with how many: more were said than are kept for one
   * who is cut off. After a crash of the server `Play.restored` says that some may be lost.
   */
  readonly onMissed?: ((count: number) => void) | undefined;
  /** Is called at each change of `Play.state`. */
  readonly onState?: ((state: PlayState) => void) | undefined;
  /** Is called once, when the game has ended. */
  readonly onEnd?: ((end: PlayEnd) => void) | undefined;
  /**
   * Is told what handlers and the game's `apply` throw, and what the server sends that is nothing; no game
   * ends by it. Default: `reportError`, or where there is none `console.error`.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Gives up joining. Afterwards it does nothing: then there is `Play.leave`. */
  readonly signal?: AbortSignal | undefined;
  /** From 0 to below 1; spreads the joins of many clients that lost their connection at once. */
  readonly random?: (() => number) | undefined;
  /** Default: the page's. `advance` is given times of the same clock. */
  readonly clock?: LaneClock | undefined;
}
