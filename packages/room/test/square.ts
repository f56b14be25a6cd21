import { Random } from "@zocalo/integrity";
import { defineGame, defineRoom, int, oneOf, reference, text, vector } from "../src/index.ts";

const place = vector(2, { min: 0, max: 100, precision: 0.01, moves: true });

/** A small game: players walk, throw, and find what lies about. */
export const square = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: {
    player: { at: place, name: text(16), points: int(0, 1_000), team: oneOf("sun", "moon") },
    shot: { at: place, by: reference(), left: int(0, 60) },
    sweet: { at: place },
  },
  input: { move: vector(2, { min: -1, max: 1, precision: 0.01 }), fire: int(0, 1) },
  apply(player, { move, fire }, world) {
    player.at.x += 0.3 * move.x;
    player.at.y += 0.3 * move.y;
    if (fire === 1 && world.size < 60) world.add("shot", { at: player.at, by: player, left: 30 });
  },
});

/** What the server does with it. `state` counts sweets; events give points. */
export const squareRoom = defineRoom({
  game: square,
  seats: 6,
  bots: 2,
  open(room) {
    room.state = { sweets: 0 };
  },
  join(room, seat) {
    const at = [100 * room.random(), 100 * room.random()] as const;
    return room.world.add("player", { at, name: seat.name, team: seat.number % 2 === 0 ? "sun" : "moon" });
  },
  leave(room, seat) {
    room.world.add("sweet", { at: seat.entity.at });
  },
  step(room) {
    for (const shot of room.world.all("shot")) {
      shot.left -= 1;
      if (shot.left === 0) room.world.remove(shot);
    }
    if (room.random() < 0.05 && room.world.size < 50) {
      room.world.add("sweet", { at: [100 * room.random(), 100 * room.random()] });
      room.state = { sweets: (room.state as { sweets: number }).sweets + 1 };
    }
  },
  bot(room, seat, input) {
    input.move.x = room.random() - 0.5;
    input.fire = seat.entity.points % 2 === 0 && room.random() < 0.02 ? 1 : 0;
  },
  event(_room, seat, data) {
    if (typeof data === "number") seat.entity.points += data;
  },
});

/** One input as cells. */
export function anyInput(random: Random): Int32Array {
  const cells = new Int32Array(square.input.cells.length);
  const move = [random.next() * 2 - 1, random.next() * 2 - 1] as const;
  square.input.toCells({ move, fire: random.chance(0.1) ? 1 : 0 }, cells, 0);
  return cells;
}
