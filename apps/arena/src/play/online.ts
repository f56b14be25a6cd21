import type { Session } from "@zocalo/client";
import { type LinkModels, LinkModel, perfectLink, type Play, type PlayState } from "@zocalo/room/client";
import type { ArenaFrame, input, kinds, ShownPlayer } from "../game/kinds.ts";
import { hasMatch } from "../game/movement.ts";
import { NUMBERS, TICK, ticks } from "../game/numbers.ts";
import { type Happening, type Listener, SnapshotHappenings } from "./happenings.ts";
import { NetRing } from "./net-figures.ts";
import { OwnEggs, type ShownEgg } from "./own-eggs.ts";
import type { Moment, Source } from "./source.ts";

export type ArenaPlay = Play<typeof kinds, typeof input, "player">;

/** Of a place of the game, in units: what a prediction is off by is told in these. */
const PLACE_PRECISION = 0.002;
/** So often the server is asked how it is doing, in ms. */
const ASKS_EVERY_MS = 1_000;
/** A countdown that rises by more than this, in ticks, was begun anew, and not only corrected. */
const CORRECTION = 2.5;
/** One that begins anew may rise for so long, in ticks, as it is shown between two; none begins so often. */
const RISES_FOR = 2;

/** The two ways of a link that can be made bad while the page plays. */
export class ChangeableLink {
  readonly models: LinkModels = { up: new LinkModel(1), down: new LinkModel(2) };

  /** From now on everything passes a link like this one; `undefined`: as it is. */
  set(models: LinkModels | undefined): void {
    this.models.up.set(models?.up.conditions ?? perfectLink);
    this.models.down.set(models?.down.conditions ?? perfectLink);
  }
}

/** A match on the server, as somebody who plays or watches. */
export class Online implements Source {
  readonly play: ArenaPlay;
  readonly watches: boolean;
  readonly ring = new NetRing();
  readonly link: ChangeableLink;
  /** How many watch, as the server told last. */
  watchers = 0;
  readonly #session: Session;
  readonly #happenings = new SnapshotHappenings();
  readonly #throw = new Rise(NUMBERS.egg.cooldown);
  readonly #dash = new Rise(NUMBERS.dash.cooldown);
  readonly #eggs = new OwnEggs();
  #latenessMs = 0;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(session: Session, play: ArenaPlay, link: ChangeableLink) {
    this.#session = session;
    this.play = play;
    this.link = link;
    this.watches = play.room.seat < 0;
  }

  get frame(): ArenaFrame {
    return this.play.frame;
  }

  get me(): ShownPlayer | undefined {
    return this.play.me;
  }

  get eggs(): Iterable<ShownEgg> {
    return this.#eggs.shown(this.frame, this.me);
  }

  get state(): PlayState {
    return this.play.state;
  }

  advance({ now, seconds, fill }: Moment, tell: Listener): boolean {
    const { play } = this;
    if (play.advance(now, fill) === "returned") this.#happenings.forget();
    const me = play.me;
    this.#eggs.advance(seconds, play.frame, me, tell);
    if (me !== undefined) this.#ownDoings(me, seconds, tell);
    for (const tick of play.passed) {
      const rows = play.frameAt(tick);
      if (rows === undefined) continue;
      this.#happenings.passed(rows, (what, x, y, player) => {
        const isOwn = player !== undefined && player.slot === me?.slot;
        if (!(isOwn && isForetold(what))) tell(what, x, y, player);
      });
    }
    this.#measure(now);
    return hasMatch(play.frame);
  }

  /** The recording of the match that has just ended, or runs; `undefined` if there is none. */
  async recording(): Promise<Uint8Array | undefined> {
    return this.play.recording();
  }

  /** Gives the place up, at once if the server can be reached, and ends the session. */
  async leave(): Promise<void> {
    await this.play.leave();
    await this.#session.close();
  }

  /** What the own player does is seen and heard when it is done, not when the server has said so. */
  #ownDoings(me: ShownPlayer, seconds: number, tell: Listener): void {
    if (this.#throw.of(me.throwWait, seconds)) {
      this.#eggs.thrown(me);
      tell("throw", me.at.x, me.at.y, me);
    }
    if (this.#dash.of(me.dashWait, seconds)) tell("dash", me.at.x, me.at.y, me);
  }

  #measure(now: number): void {
    const { predictionErrorQuanta, ...figures } = this.play.figures();
    const predictionErrorUnits = predictionErrorQuanta * PLACE_PRECISION;
    this.ring.offer(now, { ...figures, predictionErrorUnits, tickLatenessMs: this.#latenessMs });
    if (now - this.#askedAt < ASKS_EVERY_MS || this.play.state !== "playing") return;
    this.#askedAt = now;
    this.play.stats().then(
      ({ latenessP99Ms, watchers }) => {
        this.#latenessMs = latenessP99Ms;
        this.watchers = watchers;
      },
      // The connection was lost: `Play.state` tells the page. It is asked again.
      () => undefined,
    );
  }
}

function isForetold(what: Happening): boolean {
  return what === "throw" || what === "dash" || what === "splat";
}

/**
 * Notices when a countdown begins anew, once each time, though it is corrected, has fractions, and is looked
 * at as seldom as it begins.
 */
class Rise {
  readonly #begunAt: number;
  /** What it would be if it had only fallen, in ticks. */
  #fallen = Number.POSITIVE_INFINITY;
  #sinceTold = Number.POSITIVE_INFINITY;

  /** @param seconds that it lasts */
  constructor(seconds: number) {
    this.#begunAt = ticks(seconds);
  }

  of(value: number, seconds: number): boolean {
    const passed = seconds / TICK;
    this.#sinceTold += passed;
    this.#fallen = Math.max(0, this.#fallen - passed);
    if (this.#sinceTold < RISES_FOR) return false;
    if (value - this.#fallen > CORRECTION) {
      this.#sinceTold = 0;
      this.#fallen = this.#begunAt;
      return true;
    }
    this.#fallen = Math.min(this.#fallen, value);
    return false;
  }
}
