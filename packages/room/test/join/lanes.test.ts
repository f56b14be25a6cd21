import assert from "node:assert/strict";
import { test } from "node:test";
import { BestLane, type OpenLane } from "../../src/lanes/best-lane.ts";
import { type Lane, LaneEvents } from "../../src/lanes/lane.ts";
import { overUdp } from "../../src/lanes/udp-client.ts";
import { overWebRtc } from "../../src/lanes/webrtc-page.ts";
import { FakeRoom, Refusal } from "./fake-room.ts";
import { joined, pass } from "./playing.ts";

/** A lane beside the session, which leaves what it is given to the test. */
function fakeLane(ages: number[], send: (bytes: Uint8Array) => void) {
  const events = new LaneEvents("open", (error) => assert.fail(String(error)));
  const lane: Lane = {
    carrier: "webrtc",
    maxMessageBytes: 1_150,
    get state() {
      return events.state;
    },
    send(bytes) {
      send(bytes.slice());
      return true;
    },
    onMessage: (handler) => events.onMessage(handler),
    onState: (handler) => events.onState(handler),
    acknowledged: (ageMs) => ages.push(ageMs),
    close: () => events.become("closed"),
  };
  return { lane, events };
}

test("what a better lane carries goes on while the session is connected anew, and it is told how old acknowledgements are", async () => {
  const room = new FakeRoom({ seed: 31 });
  const session = room.session();
  const ages: number[] = [];
  const opened: ReturnType<typeof fakeLane>[] = [];
  const open: OpenLane = (over, means) => {
    const { lane, events } = fakeLane(ages, (bytes) => {
      room.clock.after(40, () => room.cast(session, bytes));
    });
    opened.push({ lane, events });
    return new BestLane(over, { better: () => Promise.resolve(lane), ...means });
  };
  const { play, states, errors } = await joined(room, { lane: open }, session);
  // Snapshots come by it, too.
  session.push = (bytes) => void room.clock.after(40, () => opened.at(-1)?.events.message(bytes));
  const draw = (now: number): unknown => play.advance(now, (input) => (input.move = 0.5));
  await pass(room, 2_000, draw);
  assert.deepEqual([play.figures().carrier, session.casts], ["webrtc", 0]);
  assert.ok(Math.max(...ages) < 300 && (ages.at(-1) ?? 0) > 0, `ages of ${ages.slice(-5).join()} ms`);

  const { steps } = play.me ?? { steps: 0 };
  session.lose();
  await pass(room, 500, draw);
  assert.ok((play.me?.steps ?? 0) > steps + 10);
  session.connect();
  assert.equal(play.state, "playing");
  await pass(room, 500, draw);
  assert.deepEqual([states, errors, room.requests.length, opened.length], [[], [], 2, 2]);
  assert.deepEqual(
    opened.map(({ lane }) => lane.state),
    ["closed", "open"],
  );

  // Nothing is acknowledged any more.
  const asked = ages.length;
  const { requests } = room;
  room.isDeaf = true;
  await pass(room, 3_000, draw);
  assert.ok(requests.length === 2 && (ages.at(-1) ?? 0) > 2_000 && ages.length > asked + 50);
});

test("a server that has no better lane is asked again; what it says is checked", async () => {
  const room = new FakeRoom({ seed: 32 });
  const { play, errors } = await joined(room, { lane: overUdp() });
  await pass(room, 17_000, (now) => play.advance(now));
  assert.deepEqual(room.laneRequests, [{ kind: "udp" }, { kind: "udp" }, { kind: "udp" }]);
  assert.deepEqual(errors, []);
  room.call = () => {
    if (errors.length === 0) return { version: 2 };
    throw new Refusal("unavailable");
  };
  await pass(room, 100_000);
  assert.match(errors.join(), /^TypeError: this is no lane ticket of version 1$/);
});

test("where there is no WebRTC the session carries", async () => {
  const room = new FakeRoom({ seed: 33 });
  const { play, errors } = await joined(room, { lane: overWebRtc });
  await pass(room, 1_000, (now) => play.advance(now));
  assert.deepEqual([play.figures().carrier, errors, room.laneRequests], ["session", [], []]);
  assert.ok(play.me !== undefined);
});
