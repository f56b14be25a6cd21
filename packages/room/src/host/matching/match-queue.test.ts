import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Random } from "@zocalo/integrity";
import { RoomError } from "../../contracts/errors.ts";
import type { MatchQueueOptions } from "../../contracts/matching.ts";
import { type MatchedPlayers, MatchQueue, type QueuedPlayer } from "./match-queue.ts";
import type { OpenRoom } from "./open-rooms.ts";

/** Players whose key tells who they are. */
function player(key: string, skill = 0, at = 0): QueuedPlayer {
  return { key, user: key, name: key.toUpperCase(), skill, at };
}

function queueOf(options: MatchQueueOptions, ...players: QueuedPlayer[]): MatchQueue {
  const queue = new MatchQueue(options);
  for (const one of players) assert.equal(queue.add(one), true);
  return queue;
}

function keys(matches: readonly MatchedPlayers[]): string[] {
  return matches.map(({ room = "new", players }) => `${room}: ${players.map(({ key }) => key).join(" ")}`);
}

test("who came first plays first, with those who come next", () => {
  const queue = queueOf(
    { seats: 2 },
    player("c", 0, 3),
    player("a", 0, 1),
    player("b", 0, 2),
    player("d", 0, 4),
  );
  queue.add(player("e", 0, 5));
  assert.deepEqual(keys(queue.round(10)), ["new: a b", "new: c d"]);
  assert.deepEqual(queue.state("e", 1_010), { waiting: 1, ahead: 0, waitedMs: 1_005, needed: 1 });
  assert.equal(queue.size, 1);
});

test("of those within the window the nearest play together", () => {
  const queue = queueOf(
    { seats: 2 },
    player("a", 500),
    player("b", 580, 1),
    player("c", 480, 1),
    player("d", 581, 2),
  );
  assert.deepEqual(keys(queue.round(3)), ["new: a c", "new: b d"]);
});

test("the window widens with the time that the oldest has waited", () => {
  const queue = queueOf({ seats: 2, fillAfterMs: 99_000 }, player("a", 0), player("b", 201, 1_500));
  assert.deepEqual(keys(queue.round(2_000)), [], "it is 200");
  assert.equal(queue.state("a", 2_000)?.needed, 1);
  assert.deepEqual(keys(queue.round(2_020)), ["new: a b"], "it is 201");
});

test("a match begins without all its players after a while, if there are enough", () => {
  const alone = queueOf({ seats: 4 }, player("a"));
  assert.deepEqual(keys(alone.round(14_999)), []);
  assert.deepEqual(keys(alone.round(15_000)), ["new: a"]);

  const three = queueOf({ seats: 4, least: 3 }, player("a"), player("b", 0, 14_000));
  assert.deepEqual(keys(three.round(15_000)), []);
  assert.equal(three.state("a", 15_000)?.needed, 1);
  three.add(player("c", 0, 15_001));
  assert.deepEqual(keys(three.round(15_002)), ["new: a b c"]);
});

test("open rooms are filled first: that of the nearest skill, and of those the one with the fewest places", () => {
  const queue = queueOf(
    { seats: 2 },
    player("a", 70),
    player("b", 70, 1),
    player("c", 70, 2),
    player("d", 70, 3),
  );
  const places: OpenRoom[] = [
    { room: "far", free: 9, skill: 171 },
    { room: "broad", free: 9, skill: 80 },
    { room: "full", free: 0, skill: 70 },
    { room: "low", free: 1, skill: 61 },
    { room: "tight", free: 1, skill: 80 },
  ];
  assert.deepEqual(keys(queue.round(4, places)), ["low: a", "tight: b", "broad: c d"]);
  assert.equal(places[1]?.free, 9, "what was given is as it was");
});

test("a key has one place, a user so many, the queue so many", () => {
  const queue = new MatchQueue({ seats: 9, maxWaiting: 3, maxPerUser: 2 });
  const refused = (one: QueuedPlayer, message: string): void => {
    assert.throws(
      () => queue.add(one),
      (error) => error instanceof RoomError && error.code === "limit_reached" && error.message === message,
    );
  };
  assert.equal(queue.add({ ...player("a"), user: "ana" }), true);
  assert.equal(queue.add({ ...player("a", 7, 7), user: "eva" }), false);
  assert.equal(queue.state("a", 7)?.waitedMs, 7);
  assert.equal(queue.add({ ...player("b"), user: "ana" }), true);
  refused({ ...player("c"), user: "ana" }, `"ana" has 2 places; allowed: maxPerUser, which is 2`);
  assert.equal(queue.remove("a"), true);
  assert.equal(queue.remove("a"), false);
  assert.equal(queue.state("a", 7), undefined);
  assert.equal(queue.has("a"), false);
  assert.equal(queue.add({ ...player("c"), user: "ana" }), true);
  assert.equal(queue.add(player("d")), true);
  refused(player("e"), "3 players wait; allowed: maxWaiting, which is 3");
  assert.equal(queue.size, 3);
});

test("the state says how many wait, came before, and are missing", () => {
  const queue = queueOf({ seats: 4 }, player("a", 0, 1), player("b", 0, 2), player("c", 900, 3));
  assert.deepEqual(queue.state("c", 5), { waiting: 3, ahead: 2, waitedMs: 2, needed: 1 });
  queue.round(6);
  assert.deepEqual(queue.state("a", 5), { waiting: 3, ahead: 0, waitedMs: 4, needed: 2 });
  assert.deepEqual(queue.state("c", 0), { waiting: 3, ahead: 2, waitedMs: 0, needed: 3 });
  queue.remove("a");
  queue.remove("b");
  assert.equal(queue.state("c", 5)?.ahead, 0);
});

test("what is out of range is refused, and changes nothing", () => {
  const bad: [Partial<MatchQueueOptions>, string][] = [
    [{ seats: 0 }, "seats is 0; allowed: integers from 1 to 1000"],
    [{ seats: 1_001 }, "seats is 1001; allowed: integers from 1 to 1000"],
    [{ least: 5 }, "least is 5; allowed: integers from 1 to 4"],
    [{ least: 0 }, "least is 0; allowed: integers from 1 to 4"],
    [{ maxWaiting: 0 }, "maxWaiting is 0; allowed: integers from 1 to 1000000"],
    [{ maxWaiting: 1_000_001 }, "maxWaiting is 1000001; allowed: integers from 1 to 1000000"],
    [{ maxPerUser: 1.5 }, "maxPerUser is 1.5; allowed: integers from 1 to 1000000"],
    [{ fillAfterMs: -1 }, "fillAfterMs is -1; allowed: finite numbers from 0 on"],
    [{ skillWindow: Number.NaN }, "skillWindow is NaN; allowed: finite numbers from 0 on"],
    [{ widenPerSecond: -1 }, "widenPerSecond is -1; allowed: finite numbers from 0 on"],
    [{ anySkillAfterMs: Infinity }, "anySkillAfterMs is Infinity; allowed: finite numbers from 0 on"],
  ];
  for (const [options, message] of bad) {
    assert.throws(() => new MatchQueue({ seats: 4, ...options }), { code: "invalid_option", message });
  }
  for (const edge of [
    { seats: 1 },
    { seats: 1_000, least: 1_000 },
    { maxWaiting: 1_000_000 },
    { fillAfterMs: 0 },
  ]) {
    assert.ok(new MatchQueue({ seats: 4, ...edge }));
  }
  const queue = queueOf({ seats: 1 }, player("a"));
  for (const skill of [Number.NaN, Infinity, -Infinity, "7" as never, null as never]) {
    const one = { ...player("b"), skill };
    assert.throws(() => queue.add(one), { code: "invalid_value" });
    assert.throws(() => queue.round(0, [{ room: "r", free: 1, skill }]), { code: "invalid_value" });
  }
  assert.throws(() => queue.add(player("b", 0, Number.NaN)), { code: "invalid_value" });
  assert.equal(queue.size, 1);
  assert.deepEqual(keys(queue.round(0)), ["new: a"]);
});

/** What waits by a model of the queue, in which everything is looked at anew. */
class Model {
  readonly players = new Map<string, QueuedPlayer>();
  readonly options: Required<MatchQueueOptions>;

  constructor(options: Required<MatchQueueOptions>) {
    this.options = options;
  }

  window(at: number, nowMs: number): number {
    const { skillWindow, widenPerSecond, anySkillAfterMs } = this.options;
    const waited = Math.max(0, nowMs - at);
    return waited >= anySkillAfterMs ? Infinity : skillWindow + (widenPerSecond * waited) / 1_000;
  }

  /** Whether somebody could play with those who wait. */
  couldPlay(one: QueuedPlayer, nowMs: number): boolean {
    const { seats, least, fillAfterMs } = this.options;
    const enough = nowMs - one.at >= fillAfterMs ? least : seats;
    const window = this.window(one.at, nowMs);
    const skills = [...this.players.values()].map(({ skill = 0 }) => skill);
    const own = one.skill ?? 0;
    return skills.some(
      (low) =>
        low <= own &&
        own - low <= window &&
        skills.filter((skill) => skill >= low && skill - low <= window).length >= enough,
    );
  }
}

test("for any players, times and rooms: matches are fair, and nobody who could play is left", () => {
  const property = (seed: number, seats: number, spread: number): void => {
    const random = new Random(seed);
    const least = random.int(1, seats);
    const queue = new MatchQueue({
      seats,
      least,
      maxWaiting: 40,
      fillAfterMs: 5_000,
      anySkillAfterMs: 20_000,
    });
    const model = new Model(queue.options);
    let nowMs = 0;
    for (let step = 0; step < 40; step++) {
      nowMs += random.int(0, 3_000);
      for (let i = random.int(0, 8); i > 0; i--) {
        const one = player(`p${step}.${i}`, random.int(-spread, spread), nowMs - random.int(0, 2_000));
        if (model.players.size >= 40) assert.throws(() => queue.add(one), { code: "limit_reached" });
        else if (queue.add(one)) model.players.set(one.key, one);
      }
      for (const key of model.players.keys()) {
        if (!random.chance(0.05)) continue;
        assert.equal(queue.remove(key), true);
        model.players.delete(key);
      }
      const places = Array.from(
        { length: random.int(0, 4) },
        (_, room): OpenRoom => ({
          room: `r${room}`,
          free: random.int(0, 3),
          skill: random.int(-spread, spread),
        }),
      );
      const matches = queue.round(nowMs, places);
      for (const { room, players } of matches) {
        const [oldest = assert.fail()] = players;
        for (const one of players) {
          assert.equal(model.players.get(one.key), one, "once, and only who waits");
          model.players.delete(one.key);
          assert.ok(one.at >= oldest.at);
        }
        if (room === undefined) {
          const skills = players.map(({ skill = 0 }) => skill);
          assert.ok(Math.max(...skills) - Math.min(...skills) <= model.window(oldest.at, nowMs));
          assert.ok(players.length <= seats && players.length >= least);
          assert.ok(players.length === seats || nowMs - oldest.at >= 5_000);
        } else {
          const place = places.find((one) => one.room === room) ?? assert.fail();
          (place as { free: number }).free -= players.length;
          assert.ok(place.free >= 0);
          for (const { at, skill = 0 } of players) {
            assert.ok(Math.abs(skill - place.skill) <= model.window(at, nowMs));
          }
        }
      }
      assert.equal(queue.size, model.players.size);
      const waiting = [...model.players.values()].sort((a, b) => a.at - b.at);
      for (const one of waiting) {
        assert.equal(model.couldPlay(one, nowMs), false, `${one.key} could play`);
        const near = (place: OpenRoom): boolean =>
          place.free > 0 && Math.abs(place.skill - (one.skill ?? 0)) <= model.window(one.at, nowMs);
        assert.equal(places.some(near), false, `${one.key} could join a room`);
        const state = queue.state(one.key, nowMs) ?? assert.fail();
        assert.equal(waiting[state.ahead]?.at, one.at);
        assert.ok(state.needed >= 1, "somebody is missing");
      }
      // Nobody starves.
      if (waiting.length >= least) for (const { at } of waiting) assert.ok(nowMs - at < 20_000);
    }
  };
  fc.assert(
    fc.property(
      fc.integer({ min: 0 }),
      fc.integer({ min: 1, max: 6 }),
      fc.constantFrom(0, 60, 1_000, 1e6),
      property,
    ),
    {
      seed: 20_261_130,
      numRuns: 150,
    },
  );
});

test("the same players and rooms, in whatever order they are told, make the same matches", () => {
  const random = new Random(5);
  const players = Array.from({ length: 200 }, (_, at) => player(`p${at}`, random.int(0, 3_000), at));
  const places = Array.from({ length: 9 }, (_, room) => ({
    room: `r${room}`,
    free: room % 3,
    skill: room * 300,
  }));
  const one = queueOf({ seats: 5 }, ...players).round(9_000, places);
  const other = queueOf({ seats: 5 }, ...random.shuffled(players)).round(9_000, random.shuffled(places));
  assert.deepEqual(other, one);
  assert.ok(one.length > 9);
});

test("who is refused by a room gets the next one that is near enough, and a new one if there is none", () => {
  const refuses = ({ user }: { readonly user: string }): boolean => user === "b";
  const rooms: OpenRoom[] = [
    { room: "nearest", free: 9, skill: 10, refuses },
    { room: "same skill", free: 3, skill: 10, refuses },
    { room: "above", free: 1, skill: 40 },
    { room: "below", free: 1, skill: -30 },
    { room: "far", free: 9, skill: 900 },
  ];
  const queue = queueOf(
    { seats: 4, least: 1, fillAfterMs: 0 },
    ...["a", "b", "c"].map((key) => player(key, 10)),
  );
  assert.deepEqual(keys(queue.round(0, rooms)).toSorted(), ["above: b", "same skill: a c"]);
  queue.add(player("b", 10));
  queue.add(player("d", 10));
  const left = rooms.filter(({ room }) => room !== "above");
  assert.deepEqual(keys(queue.round(0, left)).toSorted(), ["below: b", "same skill: d"]);
  queue.add(player("b", 10));
  assert.deepEqual(keys(queue.round(0, rooms.slice(0, 2))), ["new: b"]);
});

test("the room with the fewest free places is filled first, also where others refuse somebody", () => {
  const refuses = ({ user }: { readonly user: string }): boolean => user.startsWith("x");
  const rooms: OpenRoom[] = [
    { room: "three", free: 3, skill: 0 },
    { room: "also three", free: 3, skill: 0 },
    { room: "two", free: 2, skill: 0, refuses },
  ];
  const queue = queueOf({ seats: 9 }, ...["x1", "x2", "b", "c", "d"].map((key, at) => player(key, 0, at)));
  assert.deepEqual(keys(queue.round(9, rooms)).toSorted(), ["also three: x1 x2 b", "two: c d"]);
});
