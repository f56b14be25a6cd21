import { setTimeout as wait } from "node:timers/promises";
import { someAtATime } from "../hub-load.ts";
import { enter, type Player, type Way } from "./player.ts";
import { type Mode, summed, type Traffic } from "./wire.ts";

/** How many come at a time. */
const AT_ONCE = 20;
/** How often the crew looks who is due, in milliseconds. */
const LOOK_MS = 2;
const OPEN_WITHIN_MS = 20_000;

/** Many players, drawn one after the other and not all at once. */
export class Crew {
  readonly players: Player[] = [];
  /** What else is looked at after one was drawn. */
  onDrawn: ((player: Player, at: number) => void) | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #frameMs: number;
  /** How many were drawn so far: the next one is due when its share of a frame has passed. */
  #drawn = 0;
  #beganAt = performance.now();

  constructor(framesPerSecond: number) {
    this.#frameMs = 1_000 / framesPerSecond;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /**
   * So many join; resolves when snapshots come to all by the way that is wanted.
   *
   * @param isLight Each does without pictures and predictions as soon as it plays, so that it costs little.
   */
  async enter(
    count: number,
    port: number | string,
    mode: Mode,
    way: Way,
    random: () => number,
    isLight = false,
  ): Promise<void> {
    const carrier = way === "session" ? "session" : "udp";
    await someAtATime(count, AT_ONCE, async () => {
      const player = await enter(port, mode, way, random);
      this.players.push(player);
      this.#begin();
      const { play } = player;
      const since = performance.now();
      while (play.me === undefined || play.figures().carrier !== carrier) {
        if (performance.now() - since > OPEN_WITHIN_MS)
          throw new Error(`one of ${count} does not play over ${carrier} after ${OPEN_WITHIN_MS} ms`);
        await wait(20);
      }
      if (isLight) player.becomeLight();
    });
  }

  /** What came and went of those that are light. */
  traffic(): Traffic {
    return summed(this.players.map(({ traffic }) => traffic));
  }

  async leave(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.players.map((player) => player.leave()));
  }

  #begin(): void {
    this.#drawn = 0;
    this.#beganAt = performance.now();
  }

  #look(): void {
    const { length } = this.players;
    if (length === 0) return;
    const now = performance.now();
    const due = Math.floor(((now - this.#beganAt) / this.#frameMs) * length);
    // What was missed by more than a frame is left out, as a page leaves out pictures.
    this.#drawn = Math.max(this.#drawn, due - length);
    for (; this.#drawn < due; this.#drawn++) {
      const player = this.players[this.#drawn % length];
      if (player === undefined) continue;
      player.advance();
      this.onDrawn?.(player, performance.now());
    }
  }
}
