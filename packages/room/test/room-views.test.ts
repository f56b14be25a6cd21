// What each player is sent of a room is what its interest says, whatever happens there.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Random } from "@zocalo/integrity";
import { area } from "../src/match/area.ts";
import { type AnyInterest, both, either, owner, team } from "../src/match/interest.ts";
import { RoomViews } from "../src/match/room-views.ts";
import { oneOf, reference } from "../src/schema/choices.ts";
import { defineGame } from "../src/schema/game.ts";
import { int } from "../src/schema/numbers.ts";
import type { EntityOf } from "../src/schema/types.ts";
import { vector } from "../src/schema/vector.ts";
import { SnapshotReader } from "../src/snapshot/reader.ts";
import type { Receiver } from "../src/snapshot/receiver.ts";
import { Snapshots, type SnapshotView } from "../src/snapshot/snapshots.ts";

const at = vector(2, { min: -100, max: 100, precision: 0.25, moves: true });
const deep = vector(3, { min: -50, max: 50, precision: 0.5 });
const side = oneOf("sun", "moon", "rain");
const game = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: {
    player: { health: int(0, 9), team: side, at, by: reference() },
    mine: { at: deep, by: reference(), team: side },
    clock: { left: int(0, 99), by: reference() },
    tree: { at },
  },
  input: { move: at },
});
type K = typeof game.definition.kinds;
type Entity = EntityOf<K>;

class Seat {
  readonly number: number;
  entity: EntityOf<K, "player"> | undefined;

  constructor(number: number) {
    this.number = number;
  }
}

/** By the names of fields, what an interest should say. It is told what the seat remembers. */
type Says = (memory: Memory, entity: Entity, wasSeen: boolean) => boolean;

interface Memory {
  own: Entity | undefined;
  place: { x: number; y: number; z: number } | undefined;
  team: string | undefined;
}

function placeOf(entity: Entity): Memory["place"] {
  if (entity.kind === "clock") return undefined;
  return { x: entity.at.x, y: entity.at.y, z: entity.kind === "mine" ? entity.at.z : 0 };
}

const inArea: Says = ({ place: from }, entity, wasSeen) => {
  const to = placeOf(entity);
  if (to === undefined) return true;
  if (from === undefined) return false;
  const squared = (from.x - to.x) ** 2 + (from.y - to.y) ** 2 + (from.z - to.z) ** 2;
  return squared <= (wasSeen ? 36 : 30) ** 2;
};
const inTeam: Says = (memory, entity) => !("team" in entity) || memory.team === entity.team;
const isOwned: Says = ({ own }, entity) =>
  !("by" in entity) || entity.by === undefined || entity.by === own || entity === own;
const isOdd: Says = ({ own }, entity) => entity.slot % 2 === 1 || entity === own;

const near = area({ at: "at", radius: 30, margin: 6 });
const custom: AnyInterest<K> = {
  sees: (_room, { entity: own }, entity) => entity.slot % 2 === 1 || entity === own,
};
const interests: readonly (readonly [string, AnyInterest<K>, Says])[] = [
  ["area", near, inArea],
  ["team", team("team"), inTeam],
  ["owner", owner("by"), isOwned],
  ["custom", custom, isOdd],
  ["area and owner", both(near, owner("by")), (...all) => inArea(...all) && isOwned(...all)],
  ["custom and area", both(custom, near), (...all) => isOdd(...all) && inArea(...all)],
  ["team or area", either(team("team"), near), (...all) => inTeam(...all) || inArea(...all)],
  ["area twice", either(near, area({ at: "at", radius: 30, margin: 6 })), inArea],
  ["team twice", both(team("team"), team("team")), inTeam],
];

/** One page: it begins anew where its view is another one. */
class Page {
  view: SnapshotView | undefined;
  receiver: Receiver | undefined;
  reader = new SnapshotReader(game.layout);
  readonly #out = new Uint8Array(60_000);

  read(view: SnapshotView): void {
    if (view !== this.view) {
      this.view = view;
      this.receiver = view.receiver({ budgetBytes: this.#out.length });
      this.reader = new SnapshotReader(game.layout);
    }
    const length = this.receiver?.encode(this.#out) ?? 0;
    const news = this.reader.read(this.#out.subarray(0, length));
    assert.ok(news.ok && news.frame.isWhole);
    this.receiver?.acknowledge(this.reader.acknowledgement.tick, this.reader.acknowledgement.bits);
  }

  /** Slots of what it has. */
  slots(world: {
    readonly end: number;
    readonly cells: Int32Array;
    readonly kinds: Uint8Array;
  }): Set<number> {
    const frame = this.reader.newest ?? assert.fail();
    const slots = new Set<number>();
    for (let slot = 0; slot < world.end; slot++) {
      const id = this.view?.idOf(slot) ?? -1;
      if (id < 0) continue;
      slots.add(slot);
      assert.equal(frame.kinds[id], world.kinds[slot]);
      const { cells } = game.layout.kinds[(world.kinds[slot] ?? 0) - 1] ?? assert.fail();
      for (let c = 0; c < cells.length; c++) {
        if (cells[c]?.refers === true) continue;
        assert.equal(frame.cells[id * game.layout.stride + c], world.cells[slot * game.layout.stride + c]);
      }
    }
    let count = 0;
    for (let id = 0; id < frame.end; id++) if (frame.kinds[id] !== 0) count++;
    assert.equal(count, slots.size, "it has nothing else");
    return slots;
  }
}

class Play {
  readonly world = game.world();
  readonly snapshots = new Snapshots(this.world);
  readonly random: Random;
  readonly says: Says;
  readonly views: RoomViews<K>;
  readonly seats: Seat[] = [];
  readonly pages = new Map<Seat, Page>();
  readonly memories = new Map<Seat, Memory>();
  readonly seen = new Map<Seat | "watch", Set<Entity>>();
  #watch = new Page();
  #isWatched = false;

  constructor(seed: number, [, interest, says]: (typeof interests)[number]) {
    this.random = new Random(seed);
    this.says = says;
    this.views = new RoomViews(this, this.snapshots, { kinds: game.definition.kinds, interest });
  }

  place(): [number, number] {
    return [this.random.int(-60, 60), this.random.int(-60, 60)];
  }

  spawn(seat: Seat): void {
    const { random } = this;
    seat.entity = this.world.add("player", { at: this.place(), team: random.pick(["sun", "moon", "rain"]) });
  }

  change(): void {
    const { random, world, seats } = this;
    for (let number = 0; number < 6; number++) {
      const seat = seats.find((one) => one.number === number);
      if (seat === undefined && random.chance(0.1)) {
        const added = new Seat(number);
        if (random.chance(0.8)) this.spawn(added);
        seats.push(added);
      } else if (seat !== undefined) this.#play(seat);
    }
    if (world.size < 60) {
      const by = random.pick([...world.all("player"), undefined]);
      if (random.chance(0.5)) world.add("tree", { at: this.place() });
      if (random.chance(0.3)) world.add("clock", { by });
      if (random.chance(0.5))
        world.add("mine", {
          at: [...(this.place().map((n) => n / 2) as [number, number]), random.int(-9, 9)],
          by,
        });
    }
    for (const kind of ["tree", "mine"] as const) {
      for (const entity of world.all(kind)) {
        if (random.chance(0.05)) world.remove(entity);
        else if (random.chance(0.5)) entity.at.x += random.int(-8, 8);
      }
    }
  }

  #play(seat: Seat): void {
    const { random, world } = this;
    const { entity } = seat;
    if (entity?.isAlive !== true) {
      if (random.chance(0.3)) this.spawn(seat);
    } else if (random.chance(0.05)) {
      world.remove(entity);
      if (random.chance(0.5)) seat.entity = undefined;
    } else {
      entity.at.y += random.int(-8, 8);
      if (random.chance(0.05)) entity.team = random.pick(["sun", "moon", "rain"]);
      if (random.chance(0.1)) entity.by = random.pick([...world.all("player"), undefined]);
    }
    if (random.chance(0.03)) {
      if (entity?.isAlive === true) world.remove(entity);
      this.seats.splice(this.seats.indexOf(seat), 1);
      for (const known of [this.pages, this.memories, this.seen]) known.delete(seat);
    }
  }

  /** Which the seat is to be shown now. */
  expected(who: Seat | "watch", memory: Memory): Set<number> {
    const before = this.seen.get(who) ?? new Set();
    const slots = new Set<number>();
    const entities = new Set<Entity>();
    for (let slot = 0; slot < this.world.end; slot++) {
      const entity = this.world.get(slot);
      if (entity === undefined || !this.says(memory, entity, before.has(entity))) continue;
      slots.add(slot);
      entities.add(entity);
    }
    this.seen.set(who, entities);
    return slots;
  }

  remember(seat: Seat): Memory {
    const memory = this.memories.get(seat) ?? { own: undefined, place: undefined, team: undefined };
    memory.own = seat.entity?.isAlive === true ? seat.entity : undefined;
    if (memory.own !== undefined) memory.place = placeOf(memory.own);
    if (memory.own?.kind === "player") memory.team = memory.own.team;
    this.memories.set(seat, memory);
    return memory;
  }

  tick(tick: number): void {
    this.change();
    if (this.random.chance(0.05)) this.#isWatched = !this.#isWatched;
    this.views.update(this.seats, this.#isWatched);
    this.snapshots.commit(tick);
    const shown: Set<number>[] = [];
    for (const seat of this.seats) {
      const page = this.pages.get(seat) ?? new Page();
      this.pages.set(seat, page);
      const view = this.views.seatView(seat.number) ?? assert.fail();
      page.read(view);
      const slots = page.slots(this.world);
      assert.deepEqual([...slots], [...this.expected(seat, this.remember(seat))], `seat ${seat.number}`);
      shown.push(slots);
    }
    assert.equal(this.views.seatView(6), undefined);
    const { watchView } = this.views;
    assert.equal(watchView !== undefined, this.#isWatched);
    if (watchView === undefined) return;
    if (watchView !== this.#watch.view) this.#watch = new Page();
    this.#watch.read(watchView);
    const nobody = { own: undefined, place: undefined, team: undefined };
    const common = [...this.expected("watch", nobody)].filter((slot) => shown.every((one) => one.has(slot)));
    assert.deepEqual([...this.#watch.slots(this.world)], common);
  }
}

for (const one of interests) {
  test(`${one[0]}: each page has exactly what its interest says, and watchers nothing that is hidden from a seat`, () => {
    const property = (seed: number): void => {
      const play = new Play(seed, one);
      for (let tick = 0; tick < 100; tick++) play.tick(tick);
    };
    fc.assert(fc.property(fc.integer({ min: 0 }), property), { seed: 20_261_130, numRuns: 8 });
  });
}
