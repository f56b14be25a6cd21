import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalMatch } from "../src/game/local-match.ts";
import { mapOf, matchOf } from "../src/game/movement.ts";
import { NUMBERS } from "../src/game/numbers.ts";
import { countsDouble, countSweets } from "../src/game/sweets.ts";
import { isInside } from "../src/game/walls.ts";

const NAMES = ["Inés", "Omar", "Teo", "Lupita", "Chucho", "Rosa", "Beto", "Nela", "Paco", "Yola"];
const SEEDS = 6;

function begin(seed: number): LocalMatch {
  const match = new LocalMatch(seed);
  match.fill(10, NAMES);
  return match;
}

/** What the rules say of sweets: burst, handed in, nothing else. */
function checkTick({ world }: LocalMatch, tick: () => void): void {
  const match = matchOf(world);
  const { sun, moon } = match;
  const worth = countsDouble(match) ? 2 : 1;
  const before = countSweets(world);
  const [pinata] = world.all("pinata");
  const wasThere = pinata?.back === 0;
  tick();
  const handedIn = (match.sun - sun + match.moon - moon) / worth;
  const burst = wasThere && (pinata?.back ?? 0) > 0;
  const made = countSweets(world) - before + handedIn;
  if (burst) assert.ok(made >= 0 && made <= NUMBERS.pinata.holds);
  else assert.equal(made, 0);
  assert.ok(countSweets(world) <= NUMBERS.sweets.most);
  const points = { sun: 0, moon: 0 };
  for (const player of world.all("player")) {
    points[player.team] += player.points;
    if (isInside(mapOf(world), player.at, NUMBERS.player.radius, 0.001)) {
      assert.fail(`${player.name} is in a wall, at ${player.at.x} ${player.at.y}`);
    }
  }
  assert.ok(points.sun === match.sun && points.moon === match.moon);
}

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`a match of ten bots runs to its end by the rules, on both maps (seed ${seed})`, () => {
    const local = begin(seed);
    for (const map of ["zocalo", "mercado"]) {
      const match = matchOf(local.world);
      assert.equal(match.map, map);
      while (match.phase !== "over") checkTick(local, () => local.tick(new Map()));
      assert.ok(match.sun + match.moon > 20, "bots play");
      while (match.phase === "over") local.tick(new Map());
    }
  });
}

test("the same seed gives the same rows at each tick, another one others", () => {
  const one = begin(7);
  const same = begin(7);
  const other = begin(8);
  for (let tick = 0; tick < 1_500; tick++) {
    for (const match of [one, same, other]) match.tick(new Map());
    assert.deepEqual(rows(one), rows(same));
  }
  assert.notDeepEqual(rows(one), rows(other));
});

test("a world that was copied goes on as the other one does: bots have no memory", () => {
  const one = begin(3);
  for (let tick = 0; tick < 700; tick++) one.tick(new Map());
  const copy = new LocalMatch(0);
  copy.world.copyFrom(one.world);
  const random = one.random();
  for (let tick = 0; tick < 300; tick++) {
    one.tick(new Map(), undefined, () => random);
    copy.tick(new Map(), undefined, () => random);
  }
  assert.deepEqual(rows(one), rows(copy));
});

function rows({ world }: LocalMatch) {
  const { end, layout } = world;
  return [world.cells.slice(0, end * layout.stride), world.kinds.slice(0, end)];
}
