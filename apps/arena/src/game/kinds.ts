import {
  angle,
  bool,
  type EntityOf,
  type Frame,
  type FrameEntityOf,
  int,
  type InputOf,
  number,
  oneOf,
  reference,
  text,
  vector,
  type World,
} from "@zocalo/room/client";
import { NUMBERS, ticks } from "./numbers.ts";

const { match, player, dash, egg, sweets, pinata, bag, kite } = NUMBERS;

// Twenty times finer than can be seen: one walks 0.2 in a tick, and rounding that changes the speed.
const place = vector(2, { min: 0, max: 40, precision: 0.002, moves: true });

/** Ticks that are left of something. It falls steadily, so that it is foretold and costs next to nothing. */
function countdown(seconds: number) {
  return number({ min: 0, max: ticks(seconds), precision: 1, moves: true });
}

export const TEAMS = ["sun", "moon"] as const;
export type Team = (typeof TEAMS)[number];

export const kinds = {
  /** There is one, in slot 0. */
  match: {
    tick: number({ min: 0, max: 2 ** 31 - 1, precision: 1, moves: true }),
    phase: oneOf("countdown", "play", "over"),
    map: oneOf("zocalo", "mercado"),
    /** Ticks left of this phase. */
    left: countdown(match.lasts),
    sun: int(0, 9_999),
    moon: int(0, 9_999),
    /** A random number of this match, for bots, which may not draw one themselves. */
    luck: int(0, 65_535),
  },
  player: {
    at: place,
    /** Units a second. */
    speed: vector(2, { min: -20, max: 20, precision: 0.05 }),
    aim: angle(10),
    team: oneOf(...TEAMS),
    name: text(16),
    isBot: bool(),
    /** Which pattern is cut into the body. */
    look: int(0, 255),
    /** How many eggs have hit since the player was last unhurt. */
    hits: int(0, player.hits),
    /** Carried. */
    sweets: int(0, sweets.carried),
    /** In this match: what the sweets count that were brought home, and how often rivals were hit. */
    points: int(0, 9_999),
    hitsMade: int(0, 9_999),
    /** An egg leaves the hand in this tick. */
    throws: bool(),
    throwWait: countdown(egg.cooldown),
    dash: countdown(dash.lasts),
    dashWait: countdown(dash.cooldown),
    /** This dash has taken what it can take. */
    hasStolen: bool(),
    dazed: countdown(player.dazedFor),
    mends: countdown(player.mendsIn),
    out: countdown(player.isOutFor),
    safe: countdown(player.isSafeFor),
    bag: countdown(bag.lasts),
    kite: countdown(kite.lasts),
  },
  egg: {
    at: place,
    aim: angle(10),
    by: reference(),
    team: oneOf(...TEAMS),
    left: countdown(egg.lasts),
    /** By how many ticks its thrower sees the others late. */
    late: int(0, ticks(egg.latest)),
  },
  sweet: {
    at: place,
    /** Where it comes to lie; until then nobody takes it. */
    to: vector(2, { min: 0, max: 40, precision: 0.002 }),
  },
  pinata: { at: place, hits: int(0, pinata.hits), back: countdown(pinata.isBackIn) },
  /** What lies there to be picked up, and is back after a while. */
  treat: { at: place, what: oneOf("bag", "kite"), back: countdown(kite.isBackIn) },
} as const;

export const input = {
  move: vector(2, { min: -1, max: 1, precision: 0.01 }),
  aim: angle(10),
  throws: bool(),
  dashes: bool(),
} as const;

export type ArenaWorld = World<typeof kinds>;
/** What can be looked at: a world, or what a client shows of one. */
export type ArenaView = Pick<ArenaWorld, "get" | "all">;
export type Input = InputOf<typeof input>;
export type Match = EntityOf<typeof kinds, "match">;
export type Player = EntityOf<typeof kinds, "player">;
export type Egg = EntityOf<typeof kinds, "egg">;
export type Sweet = EntityOf<typeof kinds, "sweet">;
export type Pinata = EntityOf<typeof kinds, "pinata">;
export type Treat = EntityOf<typeof kinds, "treat">;

/** Rows that are shown, not changed: of one tick, or between two. */
export type ArenaFrame = Pick<Frame<typeof kinds>, "get" | "all">;
export type ShownMatch = FrameEntityOf<typeof kinds, "match">;
export type ShownPlayer = FrameEntityOf<typeof kinds, "player">;
export type ShownPinata = FrameEntityOf<typeof kinds, "pinata">;
