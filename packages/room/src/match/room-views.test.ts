import assert from "node:assert/strict";
import { test } from "node:test";
import { oneOf, reference } from "../schema/choices.ts";
import { defineGame } from "../schema/game.ts";
import { int } from "../schema/numbers.ts";
import type { EntityOf } from "../schema/types.ts";
import { vector } from "../schema/vector.ts";
import { BodyWriter } from "../snapshot/body-writer.ts";
import { Snapshots } from "../snapshot/snapshots.ts";
import { area } from "./area.ts";
import { type AnyInterest, both, either, everyone, owner, team } from "./interest.ts";
import { RoomViews } from "./room-views.ts";

const at = vector(2, { min: -100, max: 100, precision: 0.25, moves: true });
const deep = vector(3, { min: -50, max: 50, precision: 0.5 });
const game = defineGame({
  version: 1,
  ticksPerSecond: 30,
  kinds: {
    player: { health: int(0, 9), team: oneOf("sun", "moon"), at },
    mine: { at: deep, by: reference(), team: oneOf("sun", "moon") },
  },
  input: { move: at },
});
type K = typeof game.definition.kinds;

class Seat {
  readonly number: number;
  entity: EntityOf<K, "player"> | undefined;

  constructor(number: number) {
    this.number = number;
  }
}

/** Even slots are hidden from all but those whose they are. */
const custom: AnyInterest<K> = {
  sees: (_room, { entity: own }, entity) => entity.slot % 2 === 1 || entity === own,
};

function smallRoom(interest: AnyInterest<K> | undefined, watch?: "everything") {
  const world = game.world();
  const snapshots = new Snapshots(world);
  const more = { ...(interest && { interest }), ...(watch && { watch }) };
  const roomViews = new RoomViews({ world }, snapshots, { kinds: game.definition.kinds, ...more });
  const seats = [0, 1, 2, 3].map((number) => new Seat(number));
  for (const [at, seat] of seats.entries()) {
    seat.entity = world.add("player", { at: [at, 0], team: at % 2 === 0 ? "sun" : "moon" });
  }
  return { world, snapshots, roomViews, seats };
}

test("those of a team share a view, and what is encoded; who changes the team has another view", (t) => {
  const { snapshots, roomViews, seats } = smallRoom(team("team"));
  const bodies = t.mock.method(BodyWriter.prototype, "writeWhole");
  const out = new Uint8Array(1_150);
  roomViews.update(seats);
  snapshots.commit(1);
  const views = seats.map(({ number }) => roomViews.seatView(number) ?? assert.fail());
  assert.equal(views[0], views[2]);
  assert.equal(views[1], views[3]);
  assert.notEqual(views[0], views[1]);
  const sent = views.map((view) => Buffer.from(out.subarray(0, view.receiver().encode(out))).toString("hex"));
  assert.equal(bodies.mock.callCount(), 2);
  assert.equal(sent[0], sent[2]);
  const [ana] = seats;
  if (ana?.entity !== undefined) ana.entity.team = "moon";
  roomViews.update(seats);
  assert.equal(roomViews.seatView(0), views[1]);
  assert.equal(roomViews.seatView(2), views[0]);
});

test("everyone costs nothing: all have the view that shows everything, and so have those who watch", () => {
  for (const interest of [undefined, everyone, both(everyone, everyone), either(team("team"), everyone)]) {
    const { snapshots, roomViews, seats } = smallRoom(interest);
    const trap = new Proxy(seats, { get: () => assert.fail("they are not looked at") });
    roomViews.update(trap);
    assert.equal(roomViews.seatView(3), snapshots.everything);
    assert.equal(roomViews.watchView, snapshots.everything);
  }
  assert.equal(both(everyone, custom), custom);
});

test("watchers see everything where the room says so", () => {
  const { snapshots, roomViews, seats } = smallRoom(team("team"), "everything");
  roomViews.update(seats, true);
  assert.equal(roomViews.watchView, snapshots.everything);
});

test("watchers see nothing that is hidden from a seat, even if who has no entity sees it", () => {
  const { snapshots, roomViews, seats } = smallRoom({
    sees: (_room, { number, entity: own }, { slot }) => own === undefined || slot !== number,
  });
  roomViews.update(seats.slice(0, 2), true);
  snapshots.commit(1);
  const { watchView } = roomViews;
  assert.deepEqual(
    [0, 1, 2, 3].map((slot) => watchView?.isShown(slot)),
    [false, false, true, true],
  );
});

test("what is visited many times is hidden all the same when it is seen no more", () => {
  let seen = 4;
  const { roomViews, seats } = smallRoom({
    among(_room, _seat, visit) {
      for (let time = 0; time < 400; time++) visit(time % 3);
      visit(3);
    },
    sees: (_room, _seat, { slot }) => slot < seen,
  });
  for (seen = 4; seen >= 0; seen--) {
    roomViews.update(seats);
    const shown = [0, 1, 2, 3].filter((slot) => roomViews.seatView(0)?.isShown(slot));
    assert.deepEqual(shown, [0, 1, 2, 3].slice(0, seen));
  }
});

test("a view is closed with its last seat, and a new player of the same number has a new one", () => {
  const { snapshots, roomViews, seats } = smallRoom(custom);
  roomViews.update(seats, true);
  const view = roomViews.seatView(0) ?? assert.fail();
  const { watchView = assert.fail() } = roomViews;
  roomViews.update([new Seat(0)]);
  assert.notEqual(roomViews.seatView(0), view);
  assert.equal(roomViews.seatView(1), undefined);
  assert.equal(roomViews.watchView, undefined);
  snapshots.commit(1);
  assert.equal(view.idOf(1), -1);
  assert.equal(watchView.idOf(1), -1);
  assert.equal(roomViews.seatView(0)?.idOf(1), 0);
  roomViews.close();
  assert.equal(roomViews.seatView(0), undefined);
});

test("where an interest throws, that is hidden, all else is decided, and the update throws it", () => {
  for (const part of ["sees", "view", "begin", "among"] as const) {
    let isBroken = false;
    const breaks = (): void => {
      if (isBroken) throw new Error(part);
    };
    const { snapshots, roomViews, seats } = smallRoom({
      begin: () => (part === "begin" ? breaks() : undefined),
      view(_room, { number }) {
        if (part === "view") breaks();
        return String(number % 2);
      },
      among(_room, _seat, visit) {
        for (const slot of [3, 2, 1]) visit(slot);
        if (part === "among") breaks();
        visit(0);
      },
      sees(_room, _seat, { slot }) {
        if (slot === 0 && part === "sees") breaks();
        return slot < 3;
      },
    });
    roomViews.update(seats);
    isBroken = true;
    assert.throws(() => roomViews.update(seats), { message: part });
    snapshots.commit(1);
    const shown = [0, 1, 2, 3].filter((slot) => (roomViews.seatView(3)?.idOf(slot) ?? -1) >= 0);
    assert.deepEqual(shown, { sees: [1, 2], view: [0, 1, 2], begin: [], among: [1, 2] }[part]);
    isBroken = false;
    roomViews.update(seats);
  }
});

test("an interest that does not fit the kinds is refused", () => {
  const room = (interest: AnyInterest<K>) => () => smallRoom(interest);
  const allowed = "health, team, at, by";
  for (const interest of [team("taem"), owner("taem"), area({ at: "taem", radius: 1 })]) {
    assert.throws(room(interest), {
      code: "unknown_field",
      message: `the field of an interest is "taem"; allowed: ${allowed}`,
    });
  }
  assert.throws(room(owner("health")), {
    message: "the type of health is int; allowed for this interest: reference",
  });
  assert.throws(room(area({ at: "by", radius: 1 })), { code: "invalid_option" });
  assert.throws(room(both(custom, team("at"))), {
    message: "the field of a team is made in 2 ways; allowed: the same in each kind that has it",
  });
  for (const radius of [0, -1, Number.NaN, Infinity]) {
    assert.throws(() => area({ at: "at", radius }), {
      message: `radius is ${radius}; allowed: finite numbers above 0`,
    });
  }
  for (const margin of [-1, Number.NaN, Infinity]) {
    assert.throws(() => area({ at: "at", radius: 1, margin }), {
      message: `margin is ${margin}; allowed: finite numbers from 0 on`,
    });
  }
  assert.ok(area({ at: "at", radius: 1e-9, margin: 0 }));
});

test("of what is out of reach an area is not asked", () => {
  const near = area({ at: "at", radius: 10, margin: 5 });
  const asked = new Set<number>();
  const counted: AnyInterest<K> = {
    forRoom(kinds) {
      const made = "forRoom" in near ? near.forRoom(kinds) : near;
      return {
        begin: (room, seats) => made.begin?.(room, seats),
        among: (room, seat, visit) => made.among?.(room, seat, visit),
        sees(room, seat, entity, wasSeen) {
          asked.add(entity.slot);
          return made.sees(room, seat, entity, wasSeen);
        },
      };
    },
  };
  const world = game.world();
  const roomViews = new RoomViews({ world }, new Snapshots(world), {
    kinds: game.definition.kinds,
    interest: counted,
  });
  const seat = new Seat(0);
  seat.entity = world.add("player", { at: [0, 0] });
  // Within the radius, in the margin, and beyond it in a square that is looked at.
  for (const x of [8, 12, 15.25]) world.add("player", { at: [x, 0] });
  roomViews.update([seat]);
  assert.deepEqual(asked, new Set([0, 1, 2]));
});
