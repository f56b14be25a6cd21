import { Replay } from "@zocalo/room/client";
import type { ArenaFrame, input, kinds, ShownPlayer } from "../game/kinds.ts";
import { hasMatch, matchOf } from "../game/movement.ts";
import { TICK } from "../game/numbers.ts";
import { arenaRoom } from "../game/room.ts";
import { Between } from "./between.ts";
import { happenings, type Listener } from "./happenings.ts";
import type { Moment, Source, Speed } from "./source.ts";

/** A match that was recorded, from its countdown on. */
export class Rerun implements Source {
  isPlaying = true;
  speed: Speed = 1;
  readonly #replay: Replay<typeof kinds, typeof input, "player">;
  readonly #between: Between;
  /** Whose it is to watch it. */
  readonly #seat: number;
  #owed = 0;
  #hasEnded = false;

  /**
   * @param bytes of `Play.recording`.
   * @param seat of whoever watches; -1 for none.
   * @throws RoomError for what is no recording, or one of another version.
   */
  constructor(bytes: Uint8Array, seat: number) {
    this.#replay = new Replay(arenaRoom, bytes);
    this.#seat = seat;
    const { world } = this.#replay.match;
    // It begins in the pause after the match before.
    while (!hasMatch(world) || matchOf(world).phase === "over") {
      this.#hasEnded = !this.#replay.next();
      if (this.#hasEnded) break;
    }
    this.#between = new Between(world);
  }

  get frame(): ArenaFrame {
    return this.#between.frame;
  }

  get me(): ShownPlayer | undefined {
    const slot = this.#replay.match.seat(this.#seat)?.entity.slot;
    const me = slot === undefined ? undefined : this.frame.get(slot);
    return me?.kind === "player" ? me : undefined;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  advance({ seconds }: Moment, tell: Listener): boolean {
    if (this.isPlaying && !this.#hasEnded) this.#owed += seconds * this.speed;
    while (this.#owed >= TICK && !this.#hasEnded) {
      this.#owed -= TICK;
      this.#between.keep();
      this.#hasEnded = !this.#replay.next();
      if (!this.#hasEnded) happenings(this.#between.before, this.#replay.match.world, tell);
    }
    this.#between.show(this.#hasEnded ? 1 : this.#owed / TICK);
    return true;
  }
}
