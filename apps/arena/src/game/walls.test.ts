import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAPS, type Point, turned, type Wall } from "./maps.ts";
import { NUMBERS } from "./numbers.ts";
import { pathsOf } from "./paths.ts";
import { freeShare, isInside, pushedOut } from "./walls.ts";

const { width, height } = NUMBERS.map;
const { radius } = NUMBERS.player;
const point: fc.Arbitrary<Point> = fc.record({
  x: fc.integer({ min: 0, max: width * 100 }).map((x) => x / 100),
  y: fc.integer({ min: 0, max: height * 100 }).map((y) => y / 100),
});
const map = fc.constantFrom(...MAPS);

test("what was pushed out stands in no wall, wherever it was", () => {
  fc.assert(
    fc.property(map, point, (map, at) => !isInside(map, pushedOut(map, at, radius + 0.01), radius, 0.001)),
  );
});

test("what stands in no wall is not pushed", () => {
  fc.assert(
    fc.property(map, point, (map, at) => {
      fc.pre(!isInside(map, at, radius));
      assert.deepEqual(pushedOut(map, at, radius), { ...at });
    }),
  );
});

test("as far as a way is free, none of it is in a wall", () => {
  fc.assert(
    fc.property(map, point, point, fc.double({ min: 0, max: 1, noNaN: true }), (map, from, to, part) => {
      fc.pre(!isInside(map, from, radius));
      const share = freeShare(map, from, to, radius) * part;
      const at = { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
      assert.ok(!isInside(map, at, radius, 0.001));
    }),
  );
});

test("a way into the open is free, one through a wall is not", () => {
  const [zocalo] = MAPS;
  assert.equal(freeShare(zocalo, { x: 20, y: 6 }, { x: 20, y: 10 }, 0.18), 1);
  assert.ok(freeShare(zocalo, { x: 9, y: 12 }, { x: 16, y: 12 }, 0.18) < 0.2);
  assert.ok(freeShare(zocalo, { x: 2, y: 12 }, { x: -2, y: 12 }, 0.18) < 0.5);
});

for (const map of MAPS) {
  test(`${map.name} is the same from either side, and all its places are free`, () => {
    const place = (wall: Wall) =>
      `${wall.look} ${wall.x} ${wall.y} ${JSON.stringify({ ...wall, x: 0, y: 0 })}`;
    const walls = map.walls.map(place).sort();
    assert.deepEqual(map.walls.map(turned).map(place).sort(), walls);
    assert.deepEqual(map.baskets.map(turned), [...map.baskets].reverse());
    const swing = [-1, 1].map((side) => ({ ...map.pinata, x: map.pinata.x + side * NUMBERS.pinata.swings }));
    const places = [...map.baskets, ...map.starts.flat(), ...map.bags, ...map.kites, ...swing];
    for (const at of places) assert.ok(!isInside(map, at, radius), JSON.stringify(at));
  });

  test(`every place of ${map.name} can be walked to from every other one`, () => {
    const paths = pathsOf(map);
    const places = [...map.baskets, ...map.starts.flat(), ...map.bags, ...map.kites, map.pinata];
    for (const from of places) {
      for (const to of places) {
        let at = from;
        for (let steps = 0; at !== to && steps < 100; steps++) at = paths.next(at, to);
        assert.equal(at, to);
      }
    }
  });
}
