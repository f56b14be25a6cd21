import type { Room, RoomDefinition, Seat } from "@zocalo/room";
import { think } from "./bots.ts";
import type { Past } from "./eggs.ts";
import { game } from "./game.ts";
import type { input, kinds, Player } from "./kinds.ts";
import { matchOf } from "./movement.ts";
import { BOT_NAMES } from "./names.ts";
import { NUMBERS } from "./numbers.ts";
import { join, leave } from "./players.ts";
import { open, step } from "./step.ts";

/** The mode under which a page joins. */
export const ARENA = "arena";

type ArenaRoom = Room<typeof kinds, "player">;

/** What a name must not have, as it would change how text beside it is shown: controls, and line breaks. */
const UNSHOWN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * The game on a server: ten seats, of which bots have those that nobody else has. A recording goes from the
 * end of one match to the end of the next: the pause after it and the countdown come first. So whoever asks
 * in a pause gets the match that has just ended.
 */
export const arenaRoom: RoomDefinition<typeof kinds, typeof input, "player"> = {
  game,
  seats: NUMBERS.match.seats,
  bots: NUMBERS.match.seats,
  maxEntities: 512,
  maxRewindMs: 1_000 * NUMBERS.egg.latest,
  sharesRecordings: true,
  open: (room) => open(room.world, () => room.random()),
  join(room, { name, isBot, number }) {
    const shown = shownName(name);
    // Bots come in turn of each temperament and team; people keep the look of their name.
    const look = isBot ? number >> 1 : lookOf(shown);
    return join(room.world, { name: shown, isBot, look });
  },
  leave: (room, { entity }) => leave(room.world, entity, () => room.random()),
  step(room) {
    const match = matchOf(room.world);
    const { phase } = match;
    step(room.world, { random: () => room.random(), past: pastOf(room) });
    const isFirst = match.tick === 1;
    if (isFirst || (match.phase === "over" && phase === "play")) room.record();
  },
  bot: (room, { entity }, into) => think(entity, room.world, into),
  botName: (_room, seat) => BOT_NAMES[seat % BOT_NAMES.length] ?? "",
};

/** Where the others were on the screen of whoever throws. */
function pastOf(room: ArenaRoom): Past {
  return {
    late: (player) => Math.round(room.tick - (seatOf(room, player)?.displayed ?? room.tick)),
    placeOf(player, ticksAgo) {
      const frame = room.past(room.tick - ticksAgo);
      const then = frame.get(player.slot);
      // Somebody else may have been in this slot.
      const isSame = frame.rows.generations[player.slot] === room.world.generations[player.slot];
      return isSame && then?.kind === "player" ? then.at : player.at;
    },
  };
}

function seatOf(room: ArenaRoom, player: Player): Seat<typeof kinds, "player"> | undefined {
  return room.seats.find(({ entity }) => entity.slot === player.slot);
}

function shownName(name: string): string {
  return name.replace(UNSHOWN, "").trim() || "?";
}

/** The same for the same name, from 0 to 255. */
function lookOf(name: string): number {
  let hash = 0;
  for (const character of name) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) | 0;
  return (hash ^ (hash >>> 8) ^ (hash >>> 16)) & 255;
}
