import { defineGame, defineRoom, int, oneOf, text, vector } from "@zocalo/room";

const place = vector(2, { min: 0, max: 100, precision: 0.01, moves: true });

/**
 * A small game that is played over sockets: players walk at most 0.3 a tick, and throw at most once in 10
 * ticks.
 */
export const square = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: {
    player: {
      at: place,
      name: text(16),
      points: int(0, 1_000),
      wait: int(0, 10),
      team: oneOf("sun", "moon"),
    },
    shot: { at: place, left: int(0, 60) },
    secret: { at: place },
  },
  input: { move: vector(2, { min: -1, max: 1, precision: 0.01 }), fire: int(0, 1) },
  apply(player, { move, fire }, world) {
    player.at.x += 0.3 * move.x;
    player.at.y += 0.3 * move.y;
    player.wait -= 1;
    if (fire === 0 || player.wait > 0) return;
    player.wait = 10;
    world.add("shot", { at: player.at, left: 30 });
  },
});

export const squareRoom = defineRoom({
  game: square,
  seats: 4,
  // A `RawPlayer` speaks when it is told something, and who is away is told nothing: no pause may end that.
  awayMs: 60_000,
  holdMs: 60_000,
  sharesRecordings: true,
  open(room) {
    room.state = { shots: 0 };
    room.record();
  },
  join(room, seat) {
    return room.world.add("player", {
      at: [50, 50],
      name: seat.name,
      team: seat.number % 2 === 0 ? "sun" : "moon",
    });
  },
  step(room) {
    for (const shot of room.world.all("shot")) {
      shot.left -= 1;
      if (shot.left === 0) room.world.remove(shot);
    }
  },
  bot(room, _seat, input) {
    input.move.y = room.random() - 0.5;
  },
  event(room, seat, data) {
    if (data === "point") seat.entity.points += 1;
    if (data === "hello") room.send({ from: seat.number });
    if (data === "other team") seat.entity.team = seat.entity.team === "sun" ? "moon" : "sun";
    if (data === "kick me") room.kick(seat, { text: "as you wish", banMs: 60_000 });
    if (data === "close") room.close();
    if (data === "throw") throw new Error("a fault of the game");
  },
});

/** A row of cells of an input. */
export function inputRow(x: number, y: number, fire: 0 | 1 = 0): Int32Array {
  const cells = new Int32Array(square.input.cells.length);
  square.input.toCells({ move: [x, y], fire }, cells, 0);
  return cells;
}
