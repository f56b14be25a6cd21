import assert from "node:assert/strict";
import { test } from "node:test";
import { exemptSet } from "@zocalo/net";
import { FakeClock } from "../../test/fake-clock.ts";
import { hubLimits } from "../policy/limits.ts";
import { Visitor, Visitors } from "./visitors.ts";

const limits = hubLimits({
  sessionsPerAddress: 2,
  commandsPerSecondPerAddress: 10,
  commandBurstPerAddress: 20,
});

function entered(visitors: Visitors, host: string): Visitor {
  const visitor = visitors.enter(host);
  assert.ok(visitor instanceof Visitor);
  return visitor;
}

test("one past the limit is full, another address is not, and an exempt one is not counted", () => {
  const visitors = new Visitors(limits, exemptSet(["192.0.2.0/24"]), new FakeClock());
  const first = entered(visitors, "203.0.113.1");
  assert.equal(entered(visitors, "203.0.113.1"), first);
  assert.equal(visitors.enter("203.0.113.1"), "full");
  entered(visitors, "203.0.113.2");
  assert.equal(visitors.enter("192.0.2.9"), "exempt");
  assert.equal(visitors.size, 2);
  visitors.leave(first);
  assert.equal(entered(visitors, "203.0.113.1"), first);
});

test("one that has left is remembered while it has spent something, and forgotten then", () => {
  const clock = new FakeClock();
  const visitors = new Visitors(limits, exemptSet([]), clock);
  const visitor = entered(visitors, "203.0.113.1");
  visitor.rate.spend(1_000_000);
  visitors.leave(visitor);
  clock.advance(2_000); // Half of what it owes and had.
  assert.equal(visitors.size, 1);
  assert.equal(entered(visitors, "203.0.113.1"), visitor);
  visitors.leave(visitor);
  clock.advance(4_000);
  assert.equal(visitors.size, 0);
  assert.equal(clock.nextAt, undefined, "nothing is waited for");
});

test("one that came back in time is not forgotten", () => {
  const clock = new FakeClock();
  const visitors = new Visitors(limits, exemptSet([]), clock);
  const visitor = entered(visitors, "203.0.113.1");
  visitors.leave(visitor);
  assert.equal(entered(visitors, "203.0.113.1"), visitor);
  clock.advance(60_000);
  assert.equal(visitors.size, 1);
  assert.equal(visitor.sessions, 1);
});

test("a clock that was set back does not keep the departed for ever", () => {
  const clock = new FakeClock();
  const visitors = new Visitors(limits, exemptSet([]), clock);
  const visitor = entered(visitors, "203.0.113.1");
  visitor.rate.spend(1_000);
  visitors.leave(visitor);
  clock.setWall(-365 * 86_400_000);
  clock.advance(10_000);
  assert.equal(visitors.size, 0);
});
