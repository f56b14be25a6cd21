import assert from "node:assert/strict";
import { test } from "node:test";
import { Roster, type RosterMember } from "./roster.ts";

const member = (): RosterMember => ({ slot: -1 });

function members(roster: Roster<RosterMember>): Set<RosterMember> {
  const found = new Set<RosterMember>();
  roster.forEach((each) => found.add(each));
  return found;
}

test("members are found until they are taken out, in any order", () => {
  const all = Array.from({ length: 7 }, member);
  const roster = new Roster<RosterMember>();
  for (const each of all) roster.add(each);
  const left = new Set(all);
  for (const at of [3, 0, 6, 5, 1, 4, 2]) {
    const each = all[at] as RosterMember;
    assert.equal(roster.delete(each), true);
    left.delete(each);
    assert.deepEqual(members(roster), left);
    assert.equal(roster.size, left.size);
  }
});

test("a second add and a second delete do nothing", () => {
  const roster = new Roster<RosterMember>();
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
  const roster = new Roster<RosterMember>();
  const all = Array.from({ length: 4 }, member);
  for (const each of all) roster.add(each);
  const visited: RosterMember[] = [];
  roster.forEach((each) => {
    visited.push(each);
    if (each === all[0]) {
      roster.delete(all[0]);
      roster.delete(all[1] as RosterMember);
      roster.add(member());
    }
  });
  assert.deepEqual(new Set(visited), new Set([all[0], all[2], all[3]]));
});
