import type { Json } from "@zocalo/protocol";
import type { ApplyInput } from "../input/buffer.ts";

/**
 * What comes from outside into a match, beside inputs: somebody sits down or leaves, is away or back, or
 * says something. It takes effect at the beginning of a tick. `seat` is a seat's number; `user` is empty for
 * a guest and a bot.
 */
export type Command =
  | {
      readonly type: "join";
      readonly seat: number;
      readonly user: string;
      /** Empty for a bot: the game names it in the tick, so that its chance is played again, too. */
      readonly name: string;
      readonly isBot: boolean;
    }
  | { readonly type: "leave"; readonly seat: number }
  | { readonly type: "away"; readonly seat: number; readonly isAway: boolean }
  | { readonly type: "event"; readonly seat: number; readonly data: Json };

/** All that comes from outside into one tick: from people, or from a recording. */
export interface TickSource {
  /** In the order in which they take effect. */
  readonly commands: readonly Command[];
  /** Applies what a seat's player did, as `InputBuffer.take` does. */
  take(seat: number, tick: number, apply: ApplyInput): void;
}

/** Writes down what came from outside into each tick. */
export interface TickWriter {
  /** A tick begins; its commands are lent until `end`. */
  begin(tick: number, commands: readonly Command[]): void;
  /**
   * One input of a seat's player. The row is lent until this returns.
   *
   * @param ago how long before the tick it was that the player saw, in sixteenths of a tick
   */
  input(seat: number, row: Int32Array, ago: number): void;
  /** The tick has ended. */
  end(): void;
}

/** What a match wants of whoever runs it. In a replay nobody listens. */
export interface MatchListener {
  /** Everything of this tick has happened; it is committed after this. */
  stepped(): void;
  /** To the seat of this number, or to everybody. */
  said(data: Json, to: number | undefined): void;
  /** Somebody is to be put out, and may not come back for so many milliseconds. */
  kicked(seat: number, text: string, banMs: number): void;
  /** `Room.record` was called. */
  recordingWanted(): void;
  /** `Room.close` was called. */
  closed(): void;
}
