/** What is the same for every contender: who is where, and whom each client sees. */
export interface SceneSettings {
  readonly name: string;
  readonly clients: number;
  readonly entities: number;
  /** Edge of the square that they move in, in units. */
  readonly edge: number;
  /** A client sees what is no farther from its own entity, in units; without this all see everything. */
  readonly sight?: number;
}

export const SCENES = {
  "10 players": { name: "10 players", clients: 10, entities: 10, edge: 40 },
  "100 players": { name: "100 players", clients: 100, entities: 100, edge: 120 },
  "1,000 moving, 20 clients": {
    name: "1,000 moving, 20 clients",
    clients: 20,
    entities: 1_000,
    edge: 640,
    // 105 in view of each.
    sight: 127,
  },
} as const satisfies Readonly<Record<string, SceneSettings>>;
export type SceneName = keyof typeof SCENES;

export const TICKS_PER_SECOND = 30;
/** Units to the step of a position, and steps of a turn: what each contender keeps. */
export const PRECISION = 0.01;
export const AIMS = 256;
/** The largest position that any scene has: 16 bits at that precision. */
export const FARTHEST = 655.35;
export const TEAMS = ["sun", "moon"] as const;

/** Units a second, and units a second². */
const WALK = 6;
const ACCELERATION = 40;
/** Radians, and radians a second. */
const TURN = 2 * Math.PI;
const TURNING = 4;

/** One that moves, as the game tells it to each contender. Its numbers are on the steps that are kept. */
export interface Entity {
  readonly number: number;
  readonly team: (typeof TEAMS)[number];
  x: number;
  y: number;
  /** Radians. */
  aim: number;
  /** 0 to 100. */
  health: number;
  isFiring: boolean;
}

/** With what nobody is told. */
interface Mover extends Entity {
  exactX: number;
  exactY: number;
  exactAim: number;
  speedX: number;
  speedY: number;
  wantedX: number;
  wantedY: number;
  wantedAim: number;
}

/**
 * A game of so many, the same for the same seed. Each walks straight for a second or so, then another way or
 * stands still, turns to aim, fires at times and is hit at times.
 */
export class Scene {
  readonly settings: SceneSettings;
  readonly entities: readonly Entity[];
  /** For each client whom it sees, by number. Replaced in place by `step`. */
  readonly seen: readonly Uint8Array[];
  readonly #movers: Mover[] = [];
  readonly #random: () => number;

  constructor(settings: SceneSettings, seed: number) {
    this.settings = settings;
    this.#random = randomNumbers(seed);
    for (let number = 0; number < settings.entities; number++) {
      this.#movers.push({
        number,
        team: number % 2 === 0 ? "sun" : "moon",
        x: 0,
        y: 0,
        aim: 0,
        health: 100,
        isFiring: false,
        exactX: this.#random() * settings.edge,
        exactY: this.#random() * settings.edge,
        exactAim: 0,
        speedX: 0,
        speedY: 0,
        wantedX: 0,
        wantedY: 0,
        wantedAim: 0,
      });
    }
    this.entities = this.#movers;
    this.seen = Array.from({ length: settings.clients }, () => new Uint8Array(settings.entities).fill(1));
    this.step();
  }

  /** One tick on. */
  step(): void {
    for (const mover of this.#movers) this.#move(mover);
    this.#look();
  }

  #move(mover: Mover): void {
    const random = this.#random;
    const step = 1 / TICKS_PER_SECOND;
    const { edge } = this.settings;
    if (random() < step) {
      const angle = random() * TURN;
      const speed = random() < 0.2 ? 0 : WALK;
      mover.wantedX = speed * Math.cos(angle);
      mover.wantedY = speed * Math.sin(angle);
    }
    mover.speedX += limited(mover.wantedX - mover.speedX, ACCELERATION * step);
    mover.speedY += limited(mover.wantedY - mover.speedY, ACCELERATION * step);
    mover.exactX = Math.max(0, Math.min(edge, mover.exactX + mover.speedX * step));
    mover.exactY = Math.max(0, Math.min(edge, mover.exactY + mover.speedY * step));
    if (random() < step) mover.wantedAim = random() * TURN;
    const turn = wrapped(mover.wantedAim - mover.exactAim + TURN / 2) - TURN / 2;
    mover.exactAim = wrapped(mover.exactAim + limited(turn, TURNING * step));
    mover.x = Math.round(mover.exactX / PRECISION) * PRECISION;
    mover.y = Math.round(mover.exactY / PRECISION) * PRECISION;
    mover.aim = ((Math.round((mover.exactAim / TURN) * AIMS) % AIMS) / AIMS) * TURN;
    if (random() < step) mover.isFiring = !mover.isFiring;
    if (random() < 0.2 * step) mover.health = mover.health <= 10 ? 100 : mover.health - 10;
  }

  #look(): void {
    const { sight } = this.settings;
    if (sight === undefined) return;
    for (const [client, seen] of this.seen.entries()) {
      const self = this.#movers[client];
      if (!self) continue;
      for (const { number, x, y } of this.#movers) {
        seen[number] = (x - self.x) ** 2 + (y - self.y) ** 2 <= sight ** 2 ? 1 : 0;
      }
    }
  }
}

/** An entity as every client must have it, on one line. */
export function quantizedEntity({ number, team, x, y, aim, health, isFiring }: Entity): string {
  const turns = (Math.round((aim / TURN) * AIMS) + AIMS) % AIMS;
  return [number, team, Math.round(x / PRECISION), Math.round(y / PRECISION), turns, health, isFiring].join(
    " ",
  );
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function limited(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value));
}

/** The angle from 0 up to a whole turn. */
function wrapped(angle: number): number {
  return ((angle % TURN) + TURN) % TURN;
}
