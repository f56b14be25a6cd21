import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  defineGame,
  int,
  quaternion,
  reference,
  RoomError,
  type RoomErrorCode,
  text,
  vector,
} from "../index.ts";

const game = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: {
    player: {
      at: vector(3, { min: -100, max: 100, precision: 0.01, moves: true }),
      health: int(10, 100),
      turn: quaternion(10),
      name: text(8),
    },
    shot: { at: vector(2, { min: 0, max: 9, precision: 1 }), by: reference(), next: reference() },
  },
  input: { move: vector(2, { min: -1, max: 1, precision: 0.5 }) },
});

function code(expected: RoomErrorCode, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RoomError);
    assert.equal(error.code, expected);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

describe("entities", () => {
  test("a new one has its initial values, or those that are nearest", () => {
    const ana = game.world().add("player");
    assert.equal(
      JSON.stringify(ana),
      '{"at":{"x":0,"y":0,"z":0},"health":10,"turn":{"x":0,"y":0,"z":0,"w":1},"name":""}',
    );
  });

  test("one is the same object each time, and so are its vectors", () => {
    const world = game.world();
    const ana = world.add("player");
    assert.equal(world.get(ana.slot), ana);
    assert.equal([...world.all("player")][0], ana);
    const { at } = ana;
    ana.at = { x: 1, y: 2, z: 3 };
    assert.equal(ana.at, at);
    assert.deepEqual([at.x, at.y, at.z], [1, 2, 3]);
  });

  test("a vector may be assigned from another, a rotation from itself", () => {
    const world = game.world();
    const ana = world.add("player", { at: [1, 2, 3], turn: [1, 2, 3, 4] });
    const ben = world.add("player");
    ben.at = ana.at;
    ben.turn = ana.turn;
    assert.equal(JSON.stringify(ben), JSON.stringify(ana));
    const before = JSON.stringify(ana.turn);
    const { turn } = ana;
    ana.turn = turn;
    assert.equal(JSON.stringify(ana.turn), before);
  });

  test("one may be given another", () => {
    const world = game.world();
    const ana = world.add("player", { at: [1, 2, 3], name: "Ana", health: 50 });
    assert.equal(JSON.stringify(world.add("player", ana)), JSON.stringify(ana));
  });

  test("the fields of a removed one throw, and those of what takes its slot are not its own", () => {
    const world = game.world();
    const ana = world.add("player", { name: "Ana" });
    const { at } = ana;
    assert.equal(world.remove(ana), true);
    assert.equal(world.remove(ana), false);
    const ben = world.add("player", { name: "Ben" });
    assert.equal(ben.slot, ana.slot);
    assert.deepEqual([ana.isAlive, ana.slot, ana.kind], [false, 0, "player"]);
    assert.throws(() => ana.name, code("removed", /the entity of slot 0 was removed/));
    assert.throws(() => at.x, code("removed"));
    assert.throws(() => (at.x = 1), code("removed"));
    assert.throws(() => (ana.name = "Eva"), code("removed"));
    assert.equal(ben.name, "Ben");
  });

  test("a refused value is shown in its place, and changes nothing", () => {
    const world = game.world();
    const ana = world.add("player", { at: [1, 2, 3] });
    assert.throws(
      () => (ana.at.y = NaN),
      code("invalid_value", /^player\.at\.y is NaN; allowed: numbers from -100/),
    );
    assert.throws(
      () => (ana.at = { x: 5, y: NaN, z: 0 }),
      code("invalid_value", /^player\.at is an object.*not NaN$/),
    );
    assert.throws(
      () => (ana.health = "7" as never),
      code("invalid_value", /^player\.health is "7"; allowed/),
    );
    assert.throws(() => ((ana.turn as { x: number }).x = 1), code("invalid_value", /^player\.turn\.x is 1/));
    assert.throws(() => (ana.name = 7 as never), code("invalid_value", /player\.name is 7; allowed: text/));
    assert.deepEqual(JSON.stringify(ana.at), '{"x":1,"y":2,"z":3}');
    assert.throws(() => world.add("player", { at: [1, 2, NaN] }), code("invalid_value"));
    assert.throws(
      () => world.add("player", { nome: 1 } as never),
      code("unknown_field", /is "nome"; allowed: at, health/),
    );
    assert.throws(() => world.add("bot" as never), code("unknown_kind", /is "bot"; allowed: player, shot/));
    assert.throws(() => world.all("__proto__" as never), code("unknown_kind"));
    assert.equal(world.size, 1);
  });

  test("a walk sees each one once, also where they are removed meanwhile", () => {
    const world = game.world();
    const shots = Array.from({ length: 100 }, () => world.add("shot"));
    world.add("player");
    const seen: number[] = [];
    for (const shot of world.all("shot")) {
      seen.push(shot.slot);
      world.remove(shot);
      const next = shots[shot.slot + 1];
      if (shot.slot % 10 === 0 && next !== undefined) world.remove(next);
    }
    assert.deepEqual(
      seen,
      shots.map(({ slot }) => slot).filter((slot) => slot % 10 !== 1),
    );
    assert.equal(world.size, 1);
  });

  test("a walk ends although each step adds one", () => {
    const world = game.world();
    for (let count = 0; count < 10; count++) world.add("shot");
    for (const shot of world.all("shot")) world.add("shot", { at: shot.at });
    assert.equal(world.size, 20);
  });
});

describe("references", () => {
  test("one reads as the entity, and as undefined once that is removed, whoever takes its slot", () => {
    const world = game.world();
    const ana = world.add("player");
    const shot = world.add("shot", { by: ana });
    shot.next = shot;
    assert.equal(shot.by, ana);
    world.remove(ana);
    assert.equal(shot.by, undefined);
    assert.equal(world.add("player").slot, ana.slot);
    assert.equal(shot.by, undefined);
    shot.by = ana;
    assert.equal(shot.by, undefined);
    assert.equal(shot.next, shot);
  });

  test("an entity of another world, and what is none, is refused", () => {
    const world = game.world();
    const shot = world.add("shot");
    const others = [game.world().add("player"), {}, null, 0, { slot: 0 }, Object.create(shot)] as never[];
    for (const other of others) {
      assert.throws(
        () => (shot.by = other),
        code("invalid_value", /^shot\.by is .*allowed: entities of the same/),
      );
      assert.throws(() => world.remove(other), code("invalid_value"));
    }
    assert.equal(shot.by, undefined);
  });

  test("after any adding, removing, naming and copying each names whom it was given, if that is there", () => {
    const step = fc.record({ what: fc.integer({ min: 0, max: 9 }), a: fc.nat(20), b: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        let world = game.world({ maxEntities: 64 });
        let shots: ReturnType<typeof add>[] = [];
        let named = new Map<number, number>();
        let next = 0;
        function add() {
          const shot = world.add("shot", { at: [next % 10, 0] });
          return { number: next++, shot };
        }
        for (const { what, a, b } of steps) {
          const one = shots[a % (shots.length || 1)];
          const other = shots[b % (shots.length || 1)];
          if (what < 4 && world.size < 60) shots.push(add());
          else if (one === undefined || other === undefined) continue;
          else if (what < 6) {
            world.remove(one.shot);
            shots = shots.filter((each) => each !== one);
            named.delete(one.number);
            named = new Map([...named].filter(([, target]) => target !== one.number));
          } else if (what < 9) {
            one.shot.by = other.shot;
            named.set(one.number, other.number);
          } else {
            const copy = game.world({ maxEntities: 64 });
            world.copyTo(copy);
            world = copy;
            shots = shots.map(({ number, shot }) => ({ number, shot: copy.get(shot.slot) as typeof shot }));
          }
          for (const { number, shot } of shots) {
            const target = shots.find((each) => each.number === named.get(number));
            assert.equal(shot.by, target?.shot);
          }
        }
      }),
      { seed: 20_261_130, numRuns: 300 },
    );
  });
});

describe("limits", () => {
  test("a world is full at maxEntities, and not before", () => {
    for (const [options, most] of [
      [undefined, 1_024],
      [{ maxEntities: 1 }, 1],
      [{ maxEntities: 33 }, 33],
      [{ maxEntities: 65_535 }, 65_535],
    ] as const) {
      const world = game.world(options);
      for (let count = 0; count < most; count++) world.add("shot");
      assert.throws(
        () => world.add("shot"),
        code("limit_reached", new RegExp(`maxEntities, which is ${most}$`)),
      );
      assert.equal(world.size, most);
      const last = world.get(most - 1);
      assert.ok(last?.kind === "shot");
      last.by = last;
      assert.equal(last.by, last);
      world.remove(last);
      assert.equal(world.add("shot").slot, most - 1);
    }
  });

  test("no world is for less than 1 or more than 65,535 entities", () => {
    for (const maxEntities of [0, 65_536, 1.5, NaN, "7" as never]) {
      assert.throws(() => game.world({ maxEntities }), code("invalid_option", /integers from 1 to 65535/));
    }
  });

  test("it grows, and what was there stays", () => {
    const world = game.world();
    const players = Array.from({ length: 1_000 }, (_, index) => world.add("player", { health: index % 100 }));
    assert.deepEqual(
      players.map(({ health }) => health),
      players.map((_, index) => Math.max(10, index % 100)),
    );
  });
});

describe("copies", () => {
  test("a world that was copied goes on as the other one does", () => {
    const step = fc.record({ what: fc.integer({ min: 0, max: 5 }), a: fc.nat(50), b: fc.nat(50) });
    const play = (
      world: ReturnType<typeof game.world>,
      steps: readonly { what: number; a: number; b: number }[],
    ) => {
      for (const { what, a, b } of steps) {
        const one = world.get(a);
        if (what < 3) world.add("shot", { by: world.get(b), at: [a, b] });
        else if (one === undefined) continue;
        else if (what === 3) world.remove(one);
        else if (one.kind === "shot") one.next = world.get(b);
      }
    };
    const used = ({ kinds, generations, cells, layout, end, size }: ReturnType<typeof game.world>) => ({
      end,
      size,
      kinds: [...kinds.subarray(0, end)],
      generations: [...generations.subarray(0, end)],
      cells: [...cells.subarray(0, end * layout.stride)],
    });
    const steps = fc.array(step, { maxLength: 80 });
    fc.assert(
      fc.property(steps, steps, steps, (before, aside, after) => {
        const world = game.world();
        const saved = game.world();
        play(world, before);
        saved.copyFrom(world);
        play(world, aside);
        world.copyFrom(saved);
        assert.deepEqual(used(world), used(saved));
        play(world, after);
        play(saved, after);
        assert.deepEqual(used(world), used(saved));
      }),
      { seed: 20_261_130, numRuns: 300 },
    );
  });

  test("going back revives who was removed, and ends who was added", () => {
    const world = game.world();
    const saved = game.world();
    const ana = world.add("player", { name: "Ana" });
    world.copyTo(saved);
    world.remove(ana);
    const added = world.add("shot", {});
    assert.equal(added.slot, ana.slot);
    world.copyFrom(saved);
    assert.deepEqual([ana.isAlive, ana.name, added.isAlive], [true, "Ana", false]);
  });

  test("who was removed before a copy was taken is not alive again as who is added to the copy", () => {
    const world = game.world();
    const shots = Array.from({ length: 12 }, () => world.add("shot"));
    for (const shot of shots) world.remove(shot);
    const saved = game.world();
    saved.copyFrom(world);
    const again = Array.from({ length: 12 }, () => world.add("shot"));
    for (let count = 0; count < 12; count++) saved.add("shot");
    assert.deepEqual(saved.generations.subarray(0, 12), world.generations.subarray(0, 12));
    world.copyFrom(saved);
    assert.ok(again.every((shot) => shot.isAlive));
    assert.ok(shots.every((shot) => !shot.isAlive));
  });

  test("rows of another game, or too many of them, are refused, and change nothing", () => {
    const other = defineGame({
      version: 2,
      ticksPerSecond: 30,
      kinds: game.definition.kinds,
      input: game.definition.input,
    });
    const world = game.world({ maxEntities: 2 });
    const ana = world.add("player");
    assert.throws(
      () => world.copyFrom(other.world()),
      code("other_schema", /allowed: \d+, that of this game/),
    );
    assert.throws(() => game.frame(other.world()), code("other_schema"));
    const large = game.world();
    for (let count = 0; count < 3; count++) large.add("shot");
    assert.throws(
      () => world.copyFrom(large),
      code("limit_reached", /the number of slots is 3; allowed: .* 2$/),
    );
    assert.deepEqual([ana.isAlive, world.size], [true, 1]);
  });

  test("a reference to who is not among the rows becomes none", () => {
    const world = game.world();
    const { layout } = game;
    const cells = new Int32Array(2 * layout.stride);
    cells[2] = 2;
    world.copyFrom({ layout, end: 1, kinds: Uint8Array.of(2, 0), generations: Uint32Array.of(1, 0), cells });
    const shot = world.get(0);
    assert.ok(shot?.kind === "shot");
    assert.equal(shot.by, undefined);
    world.add("player");
    assert.equal(shot.by, undefined);
    assert.equal(world.cells[2], 0);
  });
});

test("a copy knows of slots that are free by now, and that it had no room for", () => {
  const world = game.world();
  const added = Array.from({ length: 20 }, () => world.add("player"));
  for (const entity of added) world.remove(entity);
  const copy = game.world();
  copy.copyFrom(world);
  for (let slot = 0; slot < 20; slot++) {
    world.add("player");
    copy.add("player");
    assert.equal(copy.generations[slot], world.generations[slot]);
  }
});
