import type { ArenaFrame, Input, ShownPlayer } from "../game/kinds.ts";
import type { Listener } from "./happenings.ts";
import type { ShownEgg } from "./own-eggs.ts";

/** A moment at which a picture is drawn. */
export interface Moment {
  /** Of `performance.now()`, in ms. */
  readonly now: number;
  /** Since the last picture. */
  readonly seconds: number;
  /** A dialog is over the picture: what can wait, waits. */
  readonly isPaused: boolean;
  /** Reads the hands, for the input of one tick. */
  readonly fill: (input: Input) => void;
}

/** What is shown, whoever makes it: this page alone, a server, or a recording. */
export interface Source {
  /** Others between two ticks, one's own player as it is foretold. It may become another object. */
  readonly frame: ArenaFrame;
  /** The eggs in the air, where some are foretold; else those of `frame`. */
  readonly eggs?: Iterable<ShownEgg>;
  /** Whom this page steers, or steered when it was recorded; in `frame`. */
  readonly me: ShownPlayer | undefined;
  /**
   * Goes on, and tells what has happened meanwhile, each once. Where the page was away it tells nothing.
   *
   * @returns false as long as there is nothing to show.
   */
  advance(moment: Moment, tell: Listener): boolean;
}

/** How fast a recording can be played. */
export const SPEEDS = [0.5, 1, 2, 4] as const;
export type Speed = (typeof SPEEDS)[number];
