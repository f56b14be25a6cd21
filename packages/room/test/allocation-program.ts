// Run by allocation.test.ts, with --expose-gc and a young generation in which no collection is due meanwhile.
// Prints, for each field, the bytes that a tick allocates for an entity: the least of many rounds, since it
// takes a while until functions are compiled that box no number. Rotations are left out: to read a component
// is to work out all four.
import assert from "node:assert/strict";
import { getHeapStatistics } from "node:v8";
import { angle, bool, defineGame, int, number, oneOf, reference, text, vector } from "@zocalo/room";

const ENTITIES = 1_000;
const TICKS = 20;
const MOST_ROUNDS = 200;
/** A number that is boxed takes 12 at least. */
const ENOUGH = 1;

const game = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: {
    player: {
      at: vector(2, { min: 0, max: 100, precision: 0.01, moves: true }),
      aim: angle(10),
      speed: number({ min: 0, max: 5, precision: 0.01 }),
      health: int(0, 100),
      isReady: bool(),
      team: oneOf("sun", "moon"),
      name: text(16),
      rival: reference(),
    },
  },
  input: { fire: bool() },
});

const world = game.world();
for (let count = 0; count < ENTITIES; count++) world.add("player", { name: `player ${count}` });

type Player = ReturnType<typeof world.add<"player">>;

const parts: Readonly<Record<string, (player: Player) => void>> = {
  at({ at }) {
    at.x += 0.37;
  },
  aim(player) {
    player.aim += 0.1;
  },
  speed(player) {
    player.speed = player.speed > 4 ? 0 : player.speed + 0.25;
  },
  health(player) {
    player.health = player.health === 100 ? 0 : player.health + 1;
  },
  isReady(player) {
    player.isReady = !player.isReady;
  },
  team(player) {
    player.team = player.team === "sun" ? "moon" : "sun";
  },
  name(player) {
    const { name } = player;
    player.name = name;
  },
  rival(player) {
    player.rival = player.rival === player ? undefined : player;
  },
  get({ slot }) {
    assert.ok(world.get((slot + 1) % ENTITIES)?.isAlive);
  },
};

const { gc } = globalThis;
assert.ok(gc);
const bytesUsed = (): number => getHeapStatistics().used_heap_size;
const least: Record<string, number> = {};
for (const [name, part] of Object.entries(parts)) {
  let bytes = Infinity;
  for (let round = 0; round < MOST_ROUNDS && bytes > ENOUGH; round++) {
    gc();
    const before = bytesUsed();
    for (let tick = 0; tick < TICKS; tick++) for (const player of world.all("player")) part(player);
    const used = bytesUsed() - before;
    // Less than nothing: there was a collection.
    if (used >= 0) bytes = Math.min(bytes, used / TICKS / ENTITIES);
  }
  least[name] = bytes;
}
console.log(JSON.stringify(least));
