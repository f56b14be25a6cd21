import type { GameMap, Point } from "./maps.ts";
import { NUMBERS } from "./numbers.ts";
import { freeShare, isInside } from "./walls.ts";

const { width, height } = NUMBERS.map;
const CELLS = width * height;
const NOWHERE = 0xffff;
/** Walkers keep a little more than their radius from walls, so that they do not scrape along them. */
const RADIUS = NUMBERS.player.radius + 0.05;
const STRAIGHT = 5;
const DIAGONAL = 7;
/** How many cells a walker looks ahead for one that it can go to in a straight line. */
const LOOKS_AHEAD = 6;

/** By cell, how far it is to one place. */
type Distances = Uint16Array;

/** Ways around the walls of one map. What it answers follows from the map alone. */
export class Paths {
  readonly #map: GameMap;
  readonly #isFree: Uint8Array;
  /** By cell of the goal; made when they are first asked for. */
  readonly #distances = new Map<number, Distances>();

  constructor(map: GameMap) {
    this.#map = map;
    this.#isFree = new Uint8Array(CELLS);
    for (let cell = 0; cell < CELLS; cell++) {
      this.#isFree[cell] = isInside(map, centre(cell), RADIUS) ? 0 : 1;
    }
  }

  /** Where to go next, in a straight line, to get from one place to another. */
  next(from: Point, to: Point): Point {
    if (this.#isStraight(from, to)) return to;
    const distances = this.#to(this.#freeNear(to));
    let cell = this.#freeNear(from);
    let best = centre(cell);
    for (let ahead = 0; ahead < LOOKS_AHEAD; ahead++) {
      cell = this.#nearer(cell, distances);
      const place = centre(cell);
      if (ahead > 0 && !this.#isStraight(from, place)) break;
      best = place;
    }
    return best;
  }

  #isStraight(from: Point, to: Point): boolean {
    return freeShare(this.#map, from, to, NUMBERS.player.radius - 0.02) === 1;
  }

  /** The neighbour that is nearest to the goal. */
  #nearer(cell: number, distances: Distances): number {
    let best = cell;
    let least = distances[cell] === 0 ? 0 : NOWHERE;
    for (const [other, cost] of this.#around(cell)) {
      const sum = (distances[other] ?? NOWHERE) + cost;
      if (sum >= least) continue;
      least = sum;
      best = other;
    }
    return best;
  }

  #to(goal: number): Distances {
    const known = this.#distances.get(goal);
    if (known !== undefined) return known;
    const distances = new Uint16Array(CELLS).fill(NOWHERE);
    distances[goal] = 0;
    // By what it costs: few costs are waiting at a time, so a list for each is a queue.
    const waiting: number[][] = [[goal]];
    for (let cost = 0; cost < waiting.length; cost++) {
      for (const cell of waiting[cost] ?? []) {
        if (distances[cell] !== cost) continue;
        for (const [other, more] of this.#around(cell)) {
          const sum = cost + more;
          if (sum >= (distances[other] ?? 0)) continue;
          distances[other] = sum;
          for (let i = waiting.length; i <= sum; i++) waiting.push([]);
          waiting[sum]?.push(other);
        }
      }
    }
    this.#distances.set(goal, distances);
    return distances;
  }

  /** Free neighbours, and what it costs to go there; diagonally only where both sides are free. */
  *#around(cell: number): Generator<readonly [cell: number, cost: number]> {
    const x = cell % width;
    const y = (cell - x) / width;
    for (let dy = -1; dy <= 1; dy++) {
      for (let dx = -1; dx <= 1; dx++) {
        if ((dx === 0 && dy === 0) || !this.#free(x + dx, y + dy)) continue;
        if (dx === 0 || dy === 0) yield [cell + dy * width + dx, STRAIGHT];
        else if (this.#free(x + dx, y) && this.#free(x, y + dy)) yield [cell + dy * width + dx, DIAGONAL];
      }
    }
  }

  #free(x: number, y: number): boolean {
    return x >= 0 && y >= 0 && x < width && y < height && this.#isFree[y * width + x] === 1;
  }

  #freeNear(at: Point): number {
    const x = Math.min(width - 1, Math.max(0, Math.floor(at.x)));
    const y = Math.min(height - 1, Math.max(0, Math.floor(at.y)));
    let best = y * width + x;
    if (this.#free(x, y)) return best;
    let nearest = Number.POSITIVE_INFINITY;
    for (let cy = y - 2; cy <= y + 2; cy++) {
      for (let cx = x - 2; cx <= x + 2; cx++) {
        const distance = Math.hypot(cx + 0.5 - at.x, cy + 0.5 - at.y);
        if (!this.#free(cx, cy) || distance >= nearest) continue;
        nearest = distance;
        best = cy * width + cx;
      }
    }
    return best;
  }
}

function centre(cell: number): Point {
  return { x: (cell % width) + 0.5, y: Math.floor(cell / width) + 0.5 };
}

const known = new WeakMap<GameMap, Paths>();

/** The ways of a map, found once. */
export function pathsOf(map: GameMap): Paths {
  const paths = known.get(map) ?? new Paths(map);
  known.set(map, paths);
  return paths;
}
