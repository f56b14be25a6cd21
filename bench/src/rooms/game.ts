import { angle, defineGame, defineRoom, int, type RoomDefinition, vector } from "@zocalo/room";

/** From which all chance of a measurement follows. */
export const SEED = 12;
export const TICKS_PER_SECOND = 30;
/** The finest difference of a place, in units. Those of `arena` have it, too. */
export const QUANTUM = 0.002;
/** `arena` draws its 40 units over 1,280 CSS pixels. */
export const PIXELS_PER_UNIT = 32;
/** Most of `mark`. */
export const MARKS = 65_535;

const WIDTH = 40;
const HEIGHT = 24;
/** Units a second, and by how much a walker becomes faster in a tick: as in `arena`. */
const WALKS_AT = 6;
const GAIN = WALKS_AT / 0.12 / TICKS_PER_SECOND;
/** Between the middles of two who touch. */
const APART = 1;

const at = vector(2, { min: 0, max: WIDTH, precision: QUANTUM, moves: true });

/** Walkers with the field, speed and precision of `arena`, and a mark that their players set. */
export const game = defineGame({
  version: 1,
  ticksPerSecond: TICKS_PER_SECOND,
  kinds: {
    player: {
      at,
      speed: vector(2, { min: -20, max: 20, precision: 0.05 }),
      aim: angle(10),
      mark: int(0, MARKS),
    },
  },
  input: { move: vector(2, { min: -1, max: 1, precision: 0.01 }), aim: angle(10), mark: int(0, MARKS) },
  apply(player, { move, aim, mark }) {
    const { at, speed } = player;
    const most = WALKS_AT / Math.max(1, Math.hypot(move.x, move.y));
    const dx = move.x * most - speed.x;
    const dy = move.y * most - speed.y;
    const share = Math.min(1, GAIN / Math.max(GAIN, Math.hypot(dx, dy)));
    speed.x += dx * share;
    speed.y += dy * share;
    at.x = clamped(at.x + speed.x / TICKS_PER_SECOND, WIDTH);
    at.y = clamped(at.y + speed.y / TICKS_PER_SECOND, HEIGHT);
    player.aim = aim;
    player.mark = mark;
  },
});

function clamped(value: number, most: number): number {
  return Math.min(most, Math.max(0, value));
}

type Kinds = typeof game.definition.kinds;
type Input = typeof game.definition.input;

/** One in so many ticks a bot goes another way. */
const BOT_TURNS = 20;

/** What a room of it is like. */
export interface WalkersOptions {
  readonly seats: number;
  /** Bots have so many seats, as long as nobody wants them. Default 0. */
  readonly bots?: number;
  /** Without people, too. Default false. */
  readonly stays?: boolean;
  /** Is called in each tick. */
  readonly ran: () => void;
}

/** A room of it. Who touches another is pushed off: by the server alone, so that no client can predict it. */
export function walkers(options: WalkersOptions): RoomDefinition<Kinds, Input, "player"> {
  const { seats, bots = 0, stays = false, ran } = options;
  const places = new Float64Array(2 * seats);
  return defineRoom({
    game,
    seats,
    bots,
    ...(stays && { emptyMs: null }),
    join: (room) => room.world.add("player", { at: [WIDTH * room.random(), HEIGHT * room.random()] }),
    bot(room, { entity }, input) {
      // Where it looks it walks, so its aim is all that it remembers.
      const turns = room.random() * BOT_TURNS < 1;
      input.aim = turns ? 2 * Math.PI * room.random() - Math.PI : entity.aim;
      input.move.x = Math.cos(input.aim);
      input.move.y = Math.sin(input.aim);
    },
    step({ seats: taken }) {
      ran();
      for (const [i, { entity }] of taken.entries()) {
        places[2 * i] = entity.at.x;
        places[2 * i + 1] = entity.at.y;
      }
      for (let i = 0; i < taken.length; i++) {
        for (let j = 0; j < i; j++) {
          const x = (places[2 * i] ?? 0) - (places[2 * j] ?? 0);
          const y = (places[2 * i + 1] ?? 0) - (places[2 * j + 1] ?? 0);
          const apart = Math.hypot(x, y);
          if (apart >= APART || apart === 0) continue;
          const [one, other] = [taken[i]?.entity.at, taken[j]?.entity.at];
          if (one === undefined || other === undefined) continue;
          const by = (APART - apart) / 2 / apart;
          one.x = clamped(one.x + by * x, WIDTH);
          one.y = clamped(one.y + by * y, HEIGHT);
          other.x = clamped(other.x - by * x, WIDTH);
          other.y = clamped(other.y - by * y, HEIGHT);
        }
      }
    },
  });
}
