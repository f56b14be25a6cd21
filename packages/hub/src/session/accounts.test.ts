import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fake-clock.ts";
import { type Account, Accounts } from "./accounts.ts";

function make(): { accounts: Accounts; clock: FakeClock } {
  const clock = new FakeClock();
  return { accounts: new Accounts(10, 20, clock), clock };
}

function entered(accounts: Accounts, name: string): Account {
  const account = accounts.enter(name);
  assert.ok(account);
  return account;
}

test("one session past the limit finds no room, and another name does", () => {
  const { accounts } = make();
  const first = accounts.enter("203.0.113.1", 2);
  assert.equal(accounts.enter("203.0.113.1", 2), first);
  assert.equal(accounts.enter("203.0.113.1", 2), undefined);
  entered(accounts, "203.0.113.2");
  assert.equal(accounts.size, 2);
  assert.ok(first);
  accounts.leave(first);
  assert.equal(accounts.enter("203.0.113.1", 2), first);
});

test("one that has left is remembered while it has spent something, and forgotten then", () => {
  const { accounts, clock } = make();
  const account = entered(accounts, "203.0.113.1");
  account.rate.spend(1_000_000);
  accounts.leave(account);
  clock.advance(2_000); // Half of what it owes and had.
  assert.equal(accounts.size, 1);
  assert.equal(entered(accounts, "203.0.113.1"), account);
  accounts.leave(account);
  clock.advance(4_000);
  assert.equal(accounts.size, 0);
  assert.equal(clock.nextAt, undefined, "nothing is waited for");
});

test("one that came back in time is not forgotten", () => {
  const { accounts, clock } = make();
  const account = entered(accounts, "203.0.113.1");
  accounts.leave(account);
  assert.equal(entered(accounts, "203.0.113.1"), account);
  clock.advance(60_000);
  assert.equal(accounts.size, 1);
  assert.equal(account.sessions, 1);
});

test("a clock that was set back does not keep the departed for ever", () => {
  const { accounts, clock } = make();
  const account = entered(accounts, "203.0.113.1");
  account.rate.spend(1_000);
  accounts.leave(account);
  clock.setWall(-365 * 86_400_000);
  clock.advance(10_000);
  assert.equal(accounts.size, 0);
});
