import { signal } from "@preact/signals";
import type { ArenaFrame, ShownPlayer, Team } from "../game/kinds.ts";
import { matchOf } from "../game/movement.ts";
import { NUMBERS } from "../game/numbers.ts";
import { leader } from "../game/players.ts";
import { countsDouble } from "../game/sweets.ts";
import type { Happening } from "../play/happenings.ts";
import { WORDS } from "../play/words.ts";

/** A line of the leader board. */
export interface BoardLine {
  readonly slot: number;
  readonly name: string;
  readonly team: Team;
  readonly isBot: boolean;
  readonly isMine: boolean;
  readonly points: number;
  readonly hits: number;
}

/** What is worth a sentence on the screen about the player; empty for nothing. */
export type MyState = "" | "out" | "full" | "carrying";

/** The board is counted anew after so many ticks. */
const BOARD_TICKS = 15;
/** For so long a banner is on the screen, in ticks. */
const BANNER_TICKS = 75;

/** What the words around the picture say of the match. */
export class Readout {
  readonly phase = signal<"countdown" | "play" | "over">("countdown");
  readonly sun = signal(0);
  readonly moon = signal(0);
  readonly seconds = signal(0);
  readonly isDouble = signal(false);
  readonly mine = signal<MyState>("");
  readonly banner = signal("");
  /** Of whom this page steers. */
  readonly team = signal<Team | undefined>(undefined);
  readonly canDash = signal(true);
  /** For a screen reader. */
  readonly said = signal("");
  readonly board = signal<readonly BoardLine[]>([]);
  /** Where I am, or whom I watch, in units, a few times a second, and whether I have thrown: for tests. */
  readonly at = signal("");
  readonly hasThrown = signal(false);
  /** Where each person is, in units: for tests. */
  readonly people = signal("");
  #tick = Number.NEGATIVE_INFINITY;
  #bannerLeft = 0;

  /** Another match is shown. */
  clear(): void {
    this.#tick = Number.NEGATIVE_INFINITY;
    this.banner.value = "";
    this.mine.value = "";
    this.team.value = undefined;
    this.hasThrown.value = false;
  }

  /**
   * After the picture was drawn. Signals tell nobody of a value that stayed.
   *
   * @param eye whom one looks at.
   * @param isPlaying the player can do something now.
   */
  read(
    frame: ArenaFrame,
    me: ShownPlayer | undefined,
    eye: ShownPlayer | undefined,
    isPlaying: boolean,
  ): void {
    const match = matchOf(frame);
    const tick = Math.floor(match.tick);
    const before = this.#tick;
    if (tick === before) return;
    this.#tick = tick;
    this.phase.value = match.phase;
    this.sun.value = match.sun;
    this.moon.value = match.moon;
    this.seconds.value = Math.ceil(match.left / NUMBERS.ticksPerSecond);
    this.isDouble.value = countsDouble(match);
    this.mine.value = match.phase === "play" && isPlaying && me !== undefined ? stateOf(me) : "";
    this.canDash.value = me === undefined || (me.dashWait <= 0 && me.out <= 0);
    if (this.#bannerLeft > 0 && tick > before) {
      this.#bannerLeft -= Math.min(BANNER_TICKS, tick - before);
      if (this.#bannerLeft <= 0) this.banner.value = "";
    }
    if (isPlaying && me !== undefined) this.#side(me.team, match.phase);
    if (Math.floor(tick / BOARD_TICKS) === Math.floor(before / BOARD_TICKS)) return;
    this.board.value = linesOf(frame, me);
    this.people.value = placesOf(frame);
    this.at.value = eye === undefined ? "" : `${eye.at.x.toFixed(1)} ${eye.at.y.toFixed(1)}`;
  }

  /** @param isMine it happened to the player, or was done by them. */
  happened(what: Happening, isMine: boolean, frame: ArenaFrame, me: ShownPlayer | undefined): void {
    if (what === "throw" && isMine) this.hasThrown.value = true;
    if (what === "go") this.announce(WORDS.go);
    if (what === "double") this.announce(WORDS.double);
    if (what === "out" && isMine) this.said.value = WORDS.out;
    if (what !== "over") return;
    this.board.value = linesOf(frame, me);
    const match = matchOf(frame);
    const winner = leader(match);
    const verdict = winner === undefined ? WORDS.draw : WORDS.wins[winner];
    this.said.value = `${verdict}. ${WORDS.result(match.sun, match.moon)}`;
    this.banner.value = "";
  }

  /** For whom one plays is said once: below the countdown, or in a banner where a match is joined. */
  #side(team: Team, phase: "countdown" | "play" | "over"): void {
    if (this.team.value === team) return;
    this.team.value = team;
    if (phase === "play") this.announce(WORDS.sides[team]);
    else if (phase === "countdown") this.said.value = WORDS.sides[team];
  }

  announce(text: string): void {
    this.banner.value = text;
    this.said.value = text;
    this.#bannerLeft = BANNER_TICKS;
  }
}

function linesOf(frame: ArenaFrame, me: ShownPlayer | undefined): BoardLine[] {
  const lines: BoardLine[] = [];
  for (const player of frame.all("player")) {
    const { slot, name, team, isBot, points, hitsMade } = player;
    lines.push({ slot, name, team, isBot, points, hits: hitsMade, isMine: slot === me?.slot });
  }
  return lines.sort((a, b) => b.points - a.points || b.hits - a.hits || a.slot - b.slot);
}

function placesOf(frame: ArenaFrame): string {
  const places: string[] = [];
  for (const { name, isBot, at } of frame.all("player"))
    if (!isBot) places.push(`${name} ${at.x.toFixed(3)} ${at.y.toFixed(3)}`);
  return places.join("|");
}

function stateOf(me: ShownPlayer): MyState {
  if (me.out > 0) return "out";
  if (me.sweets >= NUMBERS.sweets.carried) return "full";
  return me.sweets >= 3 ? "carrying" : "";
}
