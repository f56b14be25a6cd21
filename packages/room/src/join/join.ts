import type { Game } from "../schema/game.ts";
import type { Fields, KindName, Kinds } from "../schema/types.ts";
import type { JoinOptions, RoomSession } from "./options.ts";
import { Play } from "./play.ts";

/**
 * Joins a room: takes a place in it, opens a lane, and keeps both. A join whose answer is lost is repeated
 * until there is one, and takes no second place.
 *
 * @param session of `@zocalo/client`.
 * @returns resolves when the place is there; frames come later.
 * @throws RoomError `other_version` if the page has to be loaded again, and `no_room`, `full`, `banned`,
 *   `limit_reached`, `failed`, `bad_request`: `cause` has the server's answer with its `data`. `ended` if
 *   the session was closed, or another took the place meanwhile; `bad_answer` for an answer that is none, or
 *   that has another room than the one that was asked for. Else what `session.call` rejects with.
 * @example
 * const play = await join(session, game, { mode: "arena", name: "Ana" });
 * function draw(): void {
 *   play.advance(performance.now(), (input) => (input.move.x = keys.right ? 1 : 0));
 *   for (const player of play.frame.all("player")) drawPlayer(player);
 *   requestAnimationFrame(draw);
 * }
 * draw();
 */
export async function join<K extends Kinds, I extends Fields, Player extends KindName<K>>(
  session: RoomSession,
  game: Game<K, I, Player>,
  options: JoinOptions,
): Promise<Play<K, I, Player>> {
  const play = new Play(session, game, options);
  await play.enter();
  return play;
}
