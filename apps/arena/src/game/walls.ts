import type { GameMap, Point, Wall } from "./maps.ts";
import { NUMBERS } from "./numbers.ts";

const { width, height } = NUMBERS.map;

/** Where a disc stands after it was pushed out of all that it may not stand in. */
export function pushedOut(map: GameMap, from: Point, radius: number): { x: number; y: number } {
  const at = { x: clamp(from.x, radius, width - radius), y: clamp(from.y, radius, height - radius) };
  // Out of one wall may be into another.
  for (let again = 0; again < 4; again++) if (!push(map, at, radius)) break;
  return at;
}

/** True if a disc is in a wall, or past the edge, by more than `tolerance`. */
export function isInside(map: GameMap, at: Point, radius: number, tolerance = 0): boolean {
  const reach = radius - tolerance;
  if (at.x < reach || at.y < reach || at.x > width - reach || at.y > height - reach) return true;
  return map.walls.some((wall) => {
    const nearest = nearestOn(wall, at.x, at.y);
    return Math.hypot(at.x - nearest.x, at.y - nearest.y) < reach + nearest.radius;
  });
}

function push(map: GameMap, at: { x: number; y: number }, radius: number): boolean {
  let isMoved = false;
  for (const wall of map.walls) {
    const nearest = nearestOn(wall, at.x, at.y);
    const dx = at.x - nearest.x;
    const dy = at.y - nearest.y;
    const reach = radius + nearest.radius;
    const squared = dx * dx + dy * dy;
    if (squared >= reach * reach) continue;
    isMoved = true;
    if (squared > 0) {
      const far = reach / Math.sqrt(squared);
      at.x = nearest.x + dx * far;
      at.y = nearest.y + dy * far;
    } else if (wall.shape === "box") {
      leave(wall, at, radius);
    } else at.x = wall.x + reach;
  }
  at.x = clamp(at.x, radius, width - radius);
  at.y = clamp(at.y, radius, height - radius);
  return isMoved;
}

/** Its middle is inside: out by the nearest of the sides beyond which there is room. */
function leave(box: Extract<Wall, { shape: "box" }>, at: { x: number; y: number }, radius: number): void {
  const outX = box.halfWidth + radius;
  const outY = box.halfHeight + radius;
  let least = Number.POSITIVE_INFINITY;
  const from = { x: at.x, y: at.y };
  const consider = (x: number, y: number): void => {
    const far = Math.abs(x - from.x) + Math.abs(y - from.y);
    if (far >= least || x < radius || y < radius || x > width - radius || y > height - radius) return;
    least = far;
    at.x = x;
    at.y = y;
  };
  consider(box.x - outX, from.y);
  consider(box.x + outX, from.y);
  consider(from.x, box.y - outY);
  consider(from.x, box.y + outY);
}

/**
 * How far along the way from one point to another a disc gets before it meets a wall or the map's edge, from
 * 0 to 1.
 */
export function freeShare(map: GameMap, from: Point, to: Point, radius: number): number {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  let share = Math.min(edge(from.x, dx, radius, width), edge(from.y, dy, radius, height));
  for (const wall of map.walls) {
    const at =
      wall.shape === "disc"
        ? meetsDisc(from, dx, dy, wall, wall.radius + radius)
        : meetsBox(from, dx, dy, wall, radius);
    share = Math.min(share, at);
  }
  return Math.max(0, share);
}

/** How far along a way a point gets before it is that near to a place; 1 if it does not come so near. */
export function meetsDisc(from: Point, dx: number, dy: number, at: Point, reach: number): number {
  const x = from.x - at.x;
  const y = from.y - at.y;
  const c = x * x + y * y - reach * reach;
  if (c <= 0) return 0;
  const a = dx * dx + dy * dy;
  const b = x * dx + y * dy;
  const root = b * b - a * c;
  if (a === 0 || b >= 0 || root < 0) return 1;
  const share = (-b - Math.sqrt(root)) / a;
  return share < 1 ? share : 1;
}

function meetsBox(
  from: Point,
  dx: number,
  dy: number,
  wall: Extract<Wall, { shape: "box" }>,
  radius: number,
): number {
  // A box that is larger by the radius, with corners: nobody sees the difference of an egg.
  const [enterX, leaveX] = within(from.x - wall.x, dx, wall.halfWidth + radius);
  const [enterY, leaveY] = within(from.y - wall.y, dy, wall.halfHeight + radius);
  const enter = Math.max(enterX, enterY);
  return enter < Math.min(leaveX, leaveY) && enter < 1 && Math.min(leaveX, leaveY) > 0
    ? Math.max(0, enter)
    : 1;
}

/** From when to when, along a way, a place is less than `half` from 0. */
function within(from: number, by: number, half: number): readonly [number, number] {
  if (by === 0) {
    return Math.abs(from) < half
      ? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
      : [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  }
  const one = (-half - from) / by;
  const other = (half - from) / by;
  return one < other ? [one, other] : [other, one];
}

function edge(from: number, by: number, radius: number, size: number): number {
  const to = from + by;
  if (to < radius) return clamp((radius - from) / by, 0, 1);
  if (to > size - radius) return clamp((size - radius - from) / by, 0, 1);
  return 1;
}

/** The nearest point of a wall's core: of a box the box, of a disc its middle and its radius. */
function nearestOn(wall: Wall, x: number, y: number): Point & { readonly radius: number } {
  if (wall.shape === "disc") return wall;
  return {
    x: clamp(x, wall.x - wall.halfWidth, wall.x + wall.halfWidth),
    y: clamp(y, wall.y - wall.halfHeight, wall.y + wall.halfHeight),
    radius: 0,
  };
}

function clamp(value: number, least: number, most: number): number {
  return value < least ? least : value > most ? most : value;
}
