import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalMatch } from "../game/local-match.ts";
import { matchOf } from "../game/movement.ts";
import { BOT_NAMES } from "../game/names.ts";
import { happenings, SnapshotHappenings } from "./happenings.ts";
import { linkOfRoom, PlaceMemory, roomOfLink } from "./kept-place.ts";

/** A match of bots, some seconds old. */
function begun(): LocalMatch {
  const match = new LocalMatch(3);
  match.fill(10, BOT_NAMES);
  for (let tick = 0; tick < 300; tick++) match.tick(new Map());
  return match;
}

test("what is told between snapshots is what is told between ticks, each once", () => {
  const match = begun();
  const { world } = match;
  const snapshots = new SnapshotHappenings();
  const [expected, told]: [string[], string[]] = [[], []];
  snapshots.passed(world, () => assert.fail("nothing is before the first"));
  const before = begun().world;
  for (let tick = 0; tick < 200; tick++) {
    before.copyFrom(world);
    match.tick(new Map());
    happenings(before, world, (what, x, y, player) => expected.push(`${what} ${x} ${y} ${player?.slot}`));
    snapshots.passed(world, (what, x, y, player) => told.push(`${what} ${x} ${y} ${player?.slot}`));
  }
  assert.ok(expected.length > 20);
  assert.deepEqual(told, expected);
});

test("of what happened while the page was away nothing is told", () => {
  const match = begun();
  const snapshots = new SnapshotHappenings();
  snapshots.passed(match.world, () => {});
  for (let tick = 0; tick < 200; tick++) match.tick(new Map());
  snapshots.forget();
  snapshots.passed(match.world, () => assert.fail("this is over"));
});

test("a second of the countdown is heard, though the snapshot of its tick was lost", () => {
  const match = new LocalMatch(3);
  match.fill(10, BOT_NAMES);
  const snapshots = new SnapshotHappenings();
  let counts = 0;
  for (let tick = 0; matchOf(match.world).phase === "countdown"; tick++) {
    if (tick % 7 === 0) snapshots.passed(match.world, (what) => (counts += what === "count" ? 1 : 0));
    match.tick(new Map());
  }
  assert.equal(counts, 2);
});

test("an invitation leads to its room, whatever the address of the page is", () => {
  const link = linkOfRoom("https://example.org/arena/?seed=5#room=old", "new_room-1");
  assert.equal(link, "https://example.org/arena/?seed=5#room=new_room-1");
  assert.equal(roomOfLink(link), "new_room-1");
  assert.equal(roomOfLink("https://example.org/arena/"), undefined);
  assert.equal(roomOfLink("https://example.org/arena/#other=1"), undefined);
});

test("a tab remembers its place, and takes nothing else for one", () => {
  const kept = new Map<string, string>();
  const memory = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
    removeItem: (name: string) => void kept.delete(name),
  };
  const places = new PlaceMemory(memory);
  const place = { ticket: { key: "k", room: "r", process: "p" }, watches: false };
  places.keep(place);
  assert.deepEqual(places.place, place);
  for (const other of ["7", "null", "{}", '{"ticket":null}', '{"ticket":{"key":1}}', "not JSON"]) {
    memory.setItem("arena.place", other);
    assert.equal(places.place, undefined);
  }
  assert.deepEqual([places.mayReload(), places.mayReload()], [true, false]);
  places.keep(place);
  assert.equal(places.mayReload(), true, "it was in a match meanwhile");
  places.forget();
  assert.equal(places.place, undefined);
  const nothing = new PlaceMemory({ getItem: () => null, setItem: () => {} });
  assert.equal(nothing.mayReload(), false, "else it would be loaded again for ever");
});
