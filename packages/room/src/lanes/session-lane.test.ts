import assert from "node:assert/strict";
import { test } from "node:test";
import { type LaneHub, type LaneSession, sessionLane, SessionLanes } from "./session-lane.ts";

const onError = (error: unknown): void => assert.fail(String(error));

test("a client's lane follows its session, and leaves it as it is", () => {
  const sent: unknown[] = [];
  let message: (message: { readonly data: unknown }) => void = () => assert.fail("nobody listens");
  let state: (state: { readonly name: string }) => void = () => assert.fail("nobody listens");
  let stopped = 0;
  const session: LaneSession = {
    state: { name: "connecting" },
    cast: (method, data) => sent.push(`${method} ${data.length}`) > 0,
    onMessage: (topic, handler) => {
      assert.equal(topic, "game");
      message = handler;
      return () => (stopped += 1);
    },
    onState: (listener) => {
      state = listener;
      return () => (stopped += 1);
    },
  };
  const lane = sessionLane(session, { name: "game", onError });
  const came: unknown[] = [];
  lane.onMessage((bytes) => came.push(bytes.length));
  assert.deepEqual([lane.state, lane.send(Buffer.of(1))], ["silent", false]);
  state({ name: "connected" });
  assert.equal(lane.send(Buffer.of(1, 2)), true);
  for (const data of [Buffer.of(1, 2, 3), "text", { an: "object" }, undefined, Buffer.alloc(1_151)]) {
    message({ data });
  }
  state({ name: "connecting" });
  assert.equal(lane.state, "silent");
  state({ name: "closed" });
  assert.deepEqual([lane.state, stopped, sent, came], ["closed", 2, ["game 2"], [3]]);
});

/** A hub with two sessions, whose casts and answers the test plays. */
function fakeHub() {
  const sent: string[] = [];
  let isHandled = true;
  let cast: (context: { readonly session: string }, data: unknown) => void = () => {};
  const result = { sent: 1, waiting: 0 };
  const hub: LaneHub = {
    onCast: (_, handler) => {
      cast = handler;
      return () => (isHandled = false);
    },
    send: ({ session }, topic, data, { volatile }) => {
      sent.push(`${session} ${topic} ${data.length} ${volatile}`);
      return result;
    },
  };
  return {
    hub,
    sent,
    result,
    isHandled: () => isHandled,
    cast: (session: string, data: unknown) => cast({ session }, data),
  };
}

test("a server's lanes are told apart by their sessions", () => {
  const { hub, sent, cast } = fakeHub();
  const lanes = new SessionLanes(hub, { onError });
  const came: string[] = [];
  for (const session of ["ana", "bo"])
    lanes.open(session).onMessage((bytes) => came.push(`${session} ${bytes.length}`));
  cast("bo", Buffer.of(1));
  cast("ana", Buffer.of(1, 2));
  cast("stranger", Buffer.of(1));
  cast("ana", { an: "object" });
  assert.deepEqual(came, ["bo 1", "ana 2"]);
  assert.equal(lanes.open("ana").send(Buffer.alloc(5)), true);
  assert.deepEqual(sent, ["ana room.lane 5 true"]);
});

test("what waits has left, and what has no place to wait, or nobody to go to, has not", () => {
  const { hub, result } = fakeHub();
  const lane = new SessionLanes(hub, { onError }).open("ana");
  Object.assign(result, { sent: 0, waiting: 1 });
  assert.equal(lane.send(Buffer.of(1)), true);
  Object.assign(result, { waiting: 0 });
  assert.equal(lane.send(Buffer.of(1)), false);
});

test("a session has one lane, and closing them all takes no more", () => {
  const { hub, isHandled } = fakeHub();
  const lanes = new SessionLanes(hub, { onError });
  const first = lanes.open("ana");
  const second = lanes.open("ana");
  assert.deepEqual([first.state, second.state, lanes.size], ["closed", "open", 1]);
  lanes.close();
  assert.deepEqual([second.state, lanes.size, isHandled()], ["closed", 0, false]);
});
