import { NUMBERS } from "./numbers.ts";

/** A place, or a direction. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** What nobody walks or throws through. */
export type Wall =
  | {
      readonly shape: "box";
      /** Its middle, half its width and half its height. */
      readonly x: number;
      readonly y: number;
      readonly halfWidth: number;
      readonly halfHeight: number;
      readonly look: "arcade" | "stall" | "bench" | "crates";
    }
  | {
      readonly shape: "disc";
      readonly x: number;
      readonly y: number;
      readonly radius: number;
      readonly look: "fountain" | "laurel" | "pot";
    };

/** Where a match is played. All of it is the same seen from either side. */
export interface GameMap {
  readonly name: "zocalo" | "mercado";
  readonly walls: readonly Wall[];
  /** The baskets of sun and moon. */
  readonly baskets: readonly [Point, Point];
  /** Where players of sun and moon begin, in turn. */
  readonly starts: readonly [readonly Point[], readonly Point[]];
  /** Where the piñata hangs; it swings along `x`. */
  readonly pinata: Point;
  readonly bags: readonly Point[];
  readonly kites: readonly Point[];
}

const { width, height } = NUMBERS.map;

/** The other side's place: the map is turned by half a turn. */
export function turned<P extends Point>(point: P): P {
  return { ...point, x: mirrored(point.x, width), y: mirrored(point.y, height) };
}

/** Without what a fraction loses on the way: twice mirrored is the same. */
function mirrored(at: number, size: number): number {
  return Math.round((size - at) * 1_000) / 1_000;
}

function box(
  look: Extract<Wall, { shape: "box" }>["look"],
  x: number,
  y: number,
  halfWidth: number,
  halfHeight: number,
): Wall {
  return { shape: "box", look, x, y, halfWidth, halfHeight };
}

function disc(look: Extract<Wall, { shape: "disc" }>["look"], x: number, y: number, radius: number): Wall {
  return { shape: "disc", look, x, y, radius };
}

function bothSides<P extends Point>(points: readonly P[]): P[] {
  return points.flatMap((point) => [point, turned(point)]);
}

const starts = [
  { x: 3, y: 8 },
  { x: 3, y: 16 },
  { x: 5, y: 12 },
  { x: 5, y: 5 },
  { x: 5, y: 19 },
] as const;

const shared = {
  baskets: [
    { x: 2.6, y: 12 },
    { x: 37.4, y: 12 },
  ],
  starts: [starts, starts.map(turned)],
} as const;

/** The open square: a fountain on either side, laurels, arcades in the corners. */
const zocalo: GameMap = {
  ...shared,
  name: "zocalo",
  walls: bothSides([
    disc("fountain", 12, 12, 1.8),
    disc("laurel", 9, 5.5, 1),
    disc("laurel", 9, 18.5, 1),
    disc("laurel", 16, 3.5, 0.9),
    disc("laurel", 16, 20.5, 0.9),
    box("bench", 16.5, 9, 1.4, 0.35),
    box("bench", 16.5, 15, 1.4, 0.35),
    box("arcade", 4, 0.6, 2.6, 0.6),
    box("arcade", 4, 23.4, 2.6, 0.6),
  ]),
  pinata: { x: 20, y: 12 },
  bags: bothSides([{ x: 20, y: 3 }]),
  kites: bothSides([{ x: 8.5, y: 12 }]),
};

/** The market: rows of stalls, and lanes between them. */
const mercado: GameMap = {
  ...shared,
  name: "mercado",
  walls: bothSides([
    box("stall", 9.5, 4, 2.2, 1),
    box("stall", 9.5, 9, 2.2, 1),
    box("stall", 9.5, 15, 2.2, 1),
    box("stall", 9.5, 20, 2.2, 1),
    box("stall", 16, 6.5, 1, 2.2),
    box("stall", 16, 17.5, 1, 2.2),
    box("crates", 20, 2, 0.8, 0.8),
    box("crates", 14, 12, 0.7, 0.7),
    disc("pot", 18.2, 9.2, 0.5),
    disc("pot", 18.2, 14.8, 0.5),
  ]),
  pinata: { x: 20, y: 12 },
  bags: bothSides([{ x: 13, y: 6.5 }]),
  kites: bothSides([{ x: 13, y: 17.5 }]),
};

export const MAPS: readonly [GameMap, GameMap] = [zocalo, mercado];
