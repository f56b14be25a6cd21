import assert from "node:assert/strict";
import { test } from "node:test";
import { Roster, type Seated } from "./roster.ts";

const member = (): Seated => ({ seat: -1 });

function members(roster: Roster<Seated>): Set<Seated> {
  const found = new Set<Seated>();
  roster.forEach((each) => found.add(each));
  return found;
}

test("members are found until they are taken out, in any order", () => {
  const all = Array.from({ length: 7 }, member);
  const roster = new Roster<Seated>();
  for (const each of all) roster.add(each);
  const left = new Set(all);
  for (const at of [3, 0, 6, 5, 1, 4, 2]) {
    const each = all[at] as Seated;
    assert.equal(roster.delete(each), true);
    left.delete(each);
    assert.deepEqual(members(roster), left);
    assert.equal(roster.size, left.size);
  }
});

test("a second add and a second delete do nothing", () => {
  const roster = new Roster<Seated>();
  const [one, other] = [member(), member()];
  roster.add(one);
  roster.add(other);
  roster.add(one);
  assert.equal(roster.size, 2);
  assert.equal(roster.delete(one), true);
  assert.equal(roster.delete(one), false);
  assert.deepEqual(members(roster), new Set([other]));
});

test("a visit may take out members, which are then not visited, and take in others, which are not either", () => {
  const roster = new Roster<Seated>();
  const all = Array.from({ length: 4 }, member);
  for (const each of all) roster.add(each);
  const visited: Seated[] = [];
  roster.forEach((each) => {
    visited.push(each);
    if (each === all[0]) {
      roster.delete(all[0]);
      roster.delete(all[1] as Seated);
      roster.add(member());
    }
  });
  assert.deepEqual(new Set(visited), new Set([all[0], all[2], all[3]]));
});
