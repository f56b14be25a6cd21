// For programs that are no pages: what the game is, and what a bot would do.
import type { Frame } from "@zocalo/room/client";
import type { ArenaView, kinds } from "./kinds.ts";

export { think } from "./bots.ts";
export { game } from "./game.ts";
export type { ArenaView, input, Input, kinds, Match, Player } from "./kinds.ts";
export { hasMatch, matchOf } from "./movement.ts";
export { ARENA, arenaRoom } from "./room.ts";

/** What a client shows, as the game looks at worlds. Whoever writes to it is refused. */
export function viewOf(frame: Frame<typeof kinds>): ArenaView {
  return frame as unknown as ArenaView;
}
