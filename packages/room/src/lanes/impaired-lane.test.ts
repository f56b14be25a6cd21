import assert from "node:assert/strict";
import { test } from "node:test";
import { ImpairedLane } from "./impaired-lane.ts";
import { LinkModel } from "./link-model.ts";
import { SessionLane } from "./session-lane.ts";

/** An impaired lane whose time the test passes. */
function impaired(up: LinkModel, down: LinkModel) {
  const timers: { at: number; callback: () => void }[] = [];
  let time = 0;
  const clock = {
    now: () => time,
    setTimer: (callback: () => void, delayMs: number) => {
      timers.push({ at: time + delayMs, callback });
      return () => undefined;
    },
  };
  const pass = (ms: number): void => {
    time += ms;
    for (const timer of timers.splice(0).sort((a, b) => a.at - b.at)) {
      if (timer.at <= time) timer.callback();
      else timers.push(timer);
    }
  };
  const sent: string[] = [];
  const below = new SessionLane({ send: (bytes) => sent.push(Buffer.from(bytes).toString()) > 0 }, (error) =>
    assert.fail(String(error)),
  );
  const lane = new ImpairedLane(below, { up, down }, clock);
  const came: string[] = [];
  lane.onMessage((bytes) => {
    came.push(Buffer.from(bytes).toString());
    bytes.fill(0);
  });
  return { lane, below, sent, came, pass };
}

test("both directions take the time of their link, and what is sent may be written over at once", () => {
  const { lane, below, sent, came, pass } = impaired(
    new LinkModel(1, { delayMs: 70 }),
    new LinkModel(1, { delayMs: 30 }),
  );
  const bytes = Buffer.from("input");
  assert.equal(lane.send(bytes), true);
  bytes.fill("x");
  below.received(Buffer.from("snapshot"));
  pass(29);
  assert.deepEqual([sent, came], [[], []]);
  pass(1);
  assert.deepEqual([sent, came], [[], ["snapshot"]]);
  pass(40);
  assert.deepEqual(sent, ["input"]);
});

test("what is lost is sent for all one knows; what comes twice is the handler's own each time", () => {
  const { lane, below, sent, came } = impaired(
    new LinkModel(1, { loss: 1 }),
    new LinkModel(1, { duplicate: 1 }),
  );
  assert.equal(lane.send(Buffer.from("input")), true);
  below.received(Buffer.from("snapshot"));
  assert.deepEqual([sent, came], [[], ["snapshot", "snapshot"]]);
});

test("it says of itself what the lane below says, and ends with it", () => {
  const { lane, below, came, pass } = impaired(new LinkModel(1), new LinkModel(1, { delayMs: 5 }));
  const states: string[] = [];
  lane.onState((state) => states.push(state));
  assert.deepEqual([lane.carrier, lane.state, lane.maxMessageBytes], ["session", "open", 1_150]);
  assert.equal(lane.send(Buffer.alloc(1_151)), false);
  below.connected(false);
  assert.equal(lane.send(Buffer.of(1)), false);
  below.received(Buffer.from("late"));
  lane.close();
  pass(10);
  assert.deepEqual([states, came], [["silent", "closed"], []]);
});
