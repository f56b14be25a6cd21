import {
  ColliderDesc,
  init,
  type RigidBody,
  RigidBodyDesc,
  World,
} from "@dimforge/rapier3d-deterministic-compat";
import { BOX_CELLS, BOXES, BOXES_PER_SECOND, quantizeBox } from "./boxes.ts";

/** Half an edge, in metres: the small boxes, and the one that is pushed through them. */
const SMALL = 0.2;
const LARGE = 0.75;
/** Small boxes stand in a square, so many along an edge and so far apart, in metres. */
const ALONG = 30;
const SPACING = 1;
/** Half an edge of the floor, which has walls around it. */
const FLOOR = 16;
const GRAVITY = -20;
/** How the large box is pushed: metres a second, metres a second², and how far from the middle it goes. */
const SPEED = 10;
const PUSH = 60;
const TURNS_AT = 10;
/** Boxes near the large one are drawn to it, metres a second². How near follows `CHANGING`. */
const DRAW = 25;
const REACH = { first: 4, least: 2, most: 6, step: 0.02 } as const;
/** How many boxes shall change in a frame. */
const CHANGING = 100;
/** Frames that the recording leaves out: the large box is put in motion in them. */
export const FIRST_RECORDED = 60;

/**
 * Boxes that are pushed about and roll, a frame a sixtieth of a second: 900 small ones at rest on a floor,
 * and a large one that is pushed through them in loops and drags along what is near. As in the article
 * "Snapshot Compression" of G. Fiedler, 2015. The same on every machine and Node: the library promises that
 * of its own arithmetic, and what is added here is `+`, `*`, `/` and the square root.
 *
 * @returns for each frame the quantised cells of all boxes, in memory of its own.
 */
export async function* simulateBoxes(frames: number): AsyncGenerator<Int32Array> {
  await init();
  const world = new World({ x: 0, y: 0, z: GRAVITY });
  world.timestep = 1 / BOXES_PER_SECOND;
  addFloor(world);
  const small: RigidBody[] = [];
  for (let i = 0; i < BOXES - 1; i++) {
    const x = ((i % ALONG) - (ALONG - 1) / 2) * SPACING;
    const y = (Math.floor(i / ALONG) - (ALONG - 1) / 2) * SPACING;
    const body = addBox(world, SMALL, x, y);
    body.sleep();
    small.push(body);
  }
  const large = addBox(world, LARGE, 0, 0);
  const bodies = [...small, large];
  const aim = new Aim();
  let reach: number = REACH.first;
  let before = cellsOf(bodies);
  for (let frame = 0; frame < frames; frame++) {
    push(large, aim);
    for (const body of small) draw(body, large, reach);
    world.step();
    aim.move();
    const cells = cellsOf(bodies);
    reach += REACH.step * (CHANGING - changedBoxes(before, cells));
    reach = Math.max(REACH.least, Math.min(REACH.most, reach));
    before = cells;
    yield cells;
  }
  world.free();
}

/** How many boxes differ between two frames. */
export function changedBoxes(before: Int32Array, cells: Int32Array): number {
  let changed = 0;
  for (let box = 0; box < BOXES; box++) {
    for (let cell = box * BOX_CELLS; cell < (box + 1) * BOX_CELLS; cell++) {
      if (before[cell] === cells[cell]) continue;
      changed++;
      break;
    }
  }
  return changed;
}

function addFloor(world: World): void {
  const thick = 1;
  const high = 10;
  world.createCollider(ColliderDesc.cuboid(FLOOR, FLOOR, thick).setTranslation(0, 0, -thick));
  for (const [x, y] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ] as const) {
    const wall = ColliderDesc.cuboid(x === 0 ? FLOOR : thick, y === 0 ? FLOOR : thick, high);
    world.createCollider(wall.setTranslation(x * (FLOOR + thick), y * (FLOOR + thick), high));
  }
}

function addBox(world: World, half: number, x: number, y: number): RigidBody {
  const body = world.createRigidBody(RigidBodyDesc.dynamic().setTranslation(x, y, half));
  world.createCollider(ColliderDesc.cuboid(half, half, half), body);
  return body;
}

/** Where the large box is pushed to: two points that turn at different rates, so that the loops differ. */
class Aim {
  #slow = { x: 1, y: 0 };
  #fast = { x: 0.8, y: 0.6 };

  get x(): number {
    return TURNS_AT * this.#slow.y;
  }

  get y(): number {
    return TURNS_AT * this.#fast.y;
  }

  /** One frame on. */
  move(): void {
    const step = SPEED / TURNS_AT / BOXES_PER_SECOND;
    this.#slow = turned(this.#slow, 0.71 * step);
    this.#fast = turned(this.#fast, 1.13 * step);
  }
}

/** A point of the unit circle turned by a small angle, without the sine and cosine that engines differ in. */
function turned({ x, y }: { x: number; y: number }, angle: number): { x: number; y: number } {
  const [u, v] = [x - angle * y, y + angle * x];
  const length = Math.sqrt(u * u + v * v);
  return { x: u / length, y: v / length };
}

/** Pushes the large box above its middle, so that it rolls, and harder the more it lags. */
function push(large: RigidBody, aim: Aim): void {
  const at = large.translation();
  const velocity = large.linvel();
  const [dx, dy] = [aim.x - at.x, aim.y - at.y];
  const away = Math.sqrt(dx * dx + dy * dy);
  const wanted = SPEED * Math.min(1, away / 2);
  const ux = (away === 0 ? 0 : (dx / away) * wanted) - velocity.x;
  const uy = (away === 0 ? 0 : (dy / away) * wanted) - velocity.y;
  const lack = Math.sqrt(ux * ux + uy * uy);
  if (lack === 0) return;
  const impulse = (large.mass() * Math.min(PUSH / BOXES_PER_SECOND, lack)) / lack;
  const point = { x: at.x, y: at.y, z: at.z + 0.8 * LARGE };
  large.applyImpulseAtPoint({ x: impulse * ux, y: impulse * uy, z: 0 }, point, true);
}

function draw(body: RigidBody, large: RigidBody, reach: number): void {
  const [at, to] = [body.translation(), large.translation()];
  const [x, y, z] = [to.x - at.x, to.y - at.y, to.z - at.z];
  const length = Math.sqrt(x * x + y * y + z * z);
  if (length >= reach || length === 0) return;
  const impulse = (DRAW * body.mass()) / BOXES_PER_SECOND / length;
  body.applyImpulse({ x: impulse * x, y: impulse * y, z: impulse * z }, true);
}

function cellsOf(bodies: readonly RigidBody[]): Int32Array {
  const cells = new Int32Array(BOXES * BOX_CELLS);
  for (const [box, body] of bodies.entries()) {
    quantizeBox(body.translation(), body.rotation(), !body.isSleeping(), cells, box * BOX_CELLS);
  }
  return cells;
}
