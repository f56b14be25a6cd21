import type { Json } from "@zocalo/protocol";
import type { ApplyInput } from "../input/buffer.ts";

/** What comes from outside into a match, beside inputs. It takes effect at the beginning of a tick. */
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
  readonly commands: readonly Command[];
  /** Applies what a seat's player did, as `InputBuffer.take` does. */
  take(seat: number, tick: number, apply: ApplyInput): void;
}

/** Writes down what came from outside into each tick. */
export interface TickWriter {
  begin(tick: number, commands: readonly Command[]): void;
  /** @param ago how long before the tick it was that the player saw, in sixteenths of a tick */
  input(seat: number, row: Int32Array, ago: number): void;
  end(): void;
}

/** What a match wants of whoever runs it. In a replay nobody listens. */
export interface MatchListener {
  /** Everything of this tick has happened; it is committed after this. */
  stepped(): void;
  /** To the seat of this number, or to everybody. */
  said(data: Json, to: number | undefined): void;
  kicked(seat: number, text: string, banMs: number): void;
  recordingWanted(): void;
  closed(): void;
}
