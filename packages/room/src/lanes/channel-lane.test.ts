import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fake-lanes.ts";
import { ChannelLane, type ChannelLaneOptions, type LaneChannel } from "./channel-lane.ts";

/** A channel that keeps what it is given. */
class FakeChannel implements LaneChannel {
  readonly sent: Uint8Array[] = [];
  bufferedBytes = 0;
  isClosed = false;
  takes = true;

  send(message: Uint8Array): boolean {
    if (this.takes) this.sent.push(Uint8Array.from(message));
    return this.takes;
  }

  close(): void {
    this.isClosed = true;
  }

  /** Lengths of the messages that were sent since the last call; pings are answered. */
  take(lane?: ChannelLane): number[] {
    const lengths: number[] = [];
    for (const message of this.sent.splice(0)) {
      if (message[0] === 2) lane?.received(Uint8Array.of(3, ...message.subarray(1)));
      else if (message[0] === 1) lengths.push(message.length - 1);
    }
    return lengths;
  }
}

function made(options: Partial<ChannelLaneOptions> = {}) {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const lane = new ChannelLane({ clock, onError: (error) => errors.push(error), ...options });
  return { clock, errors, lane, channel: new FakeChannel() };
}

function open(options: Partial<ChannelLaneOptions> = {}) {
  const parts = made(options);
  parts.lane.opened(parts.channel);
  parts.channel.take(parts.lane);
  return parts;
}

test("a lane is open when its first ping is answered", () => {
  const { lane, channel } = made();
  assert.deepEqual([lane.state, lane.send(Buffer.of(1))], ["probing", false]);
  lane.opened(channel);
  assert.equal(lane.state, "probing");
  channel.take(lane);
  assert.deepEqual([lane.state, lane.send(Buffer.alloc(1_150)), channel.take()], ["open", true, [1_150]]);
  assert.equal(lane.send(Buffer.alloc(1_151)), false);
});

test("a channel that never opens closes its lane after 10 seconds, and a late one is closed", () => {
  let ended = 0;
  const { lane, channel, clock } = made({ ended: () => (ended += 1) });
  clock.pass(9_900);
  assert.equal(lane.state, "silent");
  clock.pass(200);
  assert.deepEqual([lane.state, ended, clock.timers], ["closed", 1, 0]);
  lane.opened(channel);
  assert.equal(channel.isClosed, true);
});

test("without answers it is silent after 3 seconds, and closed after 30", () => {
  const { lane, channel, clock } = open();
  clock.pass(2_900);
  assert.equal(lane.state, "open");
  clock.pass(200);
  assert.deepEqual([lane.state, lane.send(Buffer.of(1))], ["silent", false]);
  channel.take(lane);
  assert.equal(lane.state, "open");
  clock.pass(29_900);
  assert.equal(lane.state, "silent");
  clock.pass(200);
  assert.deepEqual([lane.state, channel.isClosed], ["closed", true]);
});

test("what is not acknowledged for a while makes pauses between messages, and the pauses end", () => {
  const { lane, clock, channel } = open();
  const sentIn = (ms: number): number => {
    channel.take(lane);
    for (let passed = 0; passed < ms; passed += 10) {
      clock.pass(10);
      lane.send(Buffer.of(1));
    }
    return channel.take(lane).length;
  };
  assert.equal(sentIn(500), 50);
  lane.acknowledged(250);
  assert.equal(sentIn(500), 50);
  lane.acknowledged(400);
  assert.equal(sentIn(1_000), 5);
  lane.acknowledged(5_000);
  assert.ok(sentIn(2_000) <= 2);
  lane.acknowledged(80);
  assert.equal(sentIn(500), 50);
});

test("what waits to leave is bounded, and refused beyond that", () => {
  const { lane, channel } = open();
  channel.bufferedBytes = 4_600;
  assert.equal(lane.send(Buffer.of(1)), true);
  channel.bufferedBytes = 4_601;
  assert.equal(lane.send(Buffer.of(1)), false);
  channel.bufferedBytes = 0;
  channel.takes = false;
  assert.equal(lane.send(Buffer.of(1)), false);
});

test("its bytes a second are bounded, a quarter of a second at once", () => {
  const { lane, clock, channel } = open({ maxBytesPerSecond: 40_000 });
  clock.pass(300);
  channel.take(lane);
  let left = 0;
  while (lane.send(Buffer.alloc(999))) left += 1;
  assert.equal(left, 10);
  clock.pass(100);
  while (lane.send(Buffer.alloc(999))) left += 1;
  assert.equal(left, 14);
});

test("messages of no known kind, too long ones and wrong answers change nothing", () => {
  const { lane, channel } = made();
  lane.opened(channel);
  const came: number[] = [];
  lane.onMessage((bytes) => came.push(bytes.length));
  for (const message of [[], [0], [4, 1, 2, 3, 4], [3], [3, 9, 9, 9, 9], [3, 0, 0, 0, 1, 0], [2, 1]]) {
    lane.received(Uint8Array.from(message));
  }
  lane.received(new Uint8Array(1_152).fill(1));
  assert.deepEqual([lane.state, came, channel.sent.length], ["probing", [], 1]);
  lane.received(new Uint8Array(1_151).fill(1));
  assert.deepEqual(came, [1_150]);
});

test("what a handler throws is told, and the lane goes on", () => {
  const { lane, errors } = open();
  lane.onMessage(() => {
    throw new Error("of the game");
  });
  lane.received(Uint8Array.of(1, 2));
  assert.deepEqual([errors.map(String), lane.state], [["Error: of the game"], "open"]);
});
