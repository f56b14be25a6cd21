import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fake-lanes.ts";
import { LinkModel } from "./link-model.ts";
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

test("while nothing is acknowledged there are pauses between messages, up to a second, and they end", () => {
  const { lane, clock, channel } = open();
  const sentIn = (ms: number): number => {
    channel.take(lane);
    for (let passed = 0; passed < ms; passed += 10) {
      clock.pass(10);
      lane.send(Buffer.of(1));
    }
    return channel.take(lane).length;
  };
  assert.equal(sentIn(500), 50, "nobody tells it what is acknowledged");
  lane.acknowledged(0);
  assert.equal(sentIn(10), 1);
  lane.acknowledged(0);
  assert.equal(sentIn(260), 26);
  assert.equal(sentIn(1_000), 2);
  assert.equal(sentIn(1_500), 1);
  clock.pass(900);
  assert.equal(sentIn(2_900), 3);
  lane.acknowledged(2_000);
  assert.equal(sentIn(500), 1, "something older than two seconds has come, and nothing newer");
  lane.acknowledged(0);
  assert.equal(sentIn(260), 26);
  for (let i = 0; i < 50; i++) {
    lane.acknowledged(240);
    assert.equal(sentIn(10), 1);
  }
});

/** One side of a game: it sends at each tick, and says with it what of the other side has come. */
class Side {
  readonly channel = new FakeChannel();
  readonly lane: ChannelLane;
  /** Messages that left in the last ticks that count. */
  left = 0;
  /** The newest tick of the other side that came, and the newest of this one of which that said so. */
  #came = 0;
  #acknowledged = 0;

  constructor(clock: FakeClock) {
    this.lane = new ChannelLane({ clock, onError: assert.ifError });
    this.lane.onMessage((bytes) => {
      const message = Buffer.from(bytes);
      this.#came = Math.max(this.#came, message.readInt32BE(0));
      this.#acknowledged = Math.max(this.#acknowledged, message.readInt32BE(4));
    });
    this.lane.opened(this.channel);
  }

  tick(tick: number, isCounted: boolean): void {
    const message = Buffer.alloc(8);
    message.writeInt32BE(tick);
    message.writeInt32BE(this.#came, 4);
    this.lane.acknowledged((tick - this.#acknowledged) * TICK_MS);
    if (this.lane.send(message) && isCounted) this.left += 1;
  }
}

const TICK_MS = 1_000 / 30;
const COUNTED_MS = 14_000;

/**
 * Two sides send 30 messages a second, and each says with them what has come. The way loses one in twenty and
 * takes 20 ms there and back, and from the fifth second on so long; first it is silent for a while.
 *
 * @returns which share of what both sent left in the last six of twenty seconds.
 */
function shareThatLeaves(roundTripMs: number, silentMs: number): number {
  const clock = new FakeClock();
  const [server, page] = [new Side(clock), new Side(clock)];
  const ways = [
    { from: server, to: page, model: new LinkModel(5, { loss: 0.05 }) },
    { from: page, to: server, model: new LinkModel(6, { loss: 0.05 }) },
  ];
  for (let ms = 0; ms < 20_000; ms += 1) {
    const isSilent = ms >= 5_000 && ms < 5_000 + silentMs;
    const tick = Math.floor(ms / TICK_MS);
    for (const { from, to, model } of ways) {
      model.set({ isSilent, delayMs: (ms < 5_000 ? 20 : roundTripMs) / 2 });
      if (tick > Math.floor((ms - 1) / TICK_MS)) from.tick(tick, ms >= COUNTED_MS);
      for (const message of from.channel.sent.splice(0)) {
        for (const at of model.datagram(message.length, clock.now())) {
          const arrives = (): void => to.lane.received(message);
          if (at <= clock.now()) arrives();
          else clock.setTimer(arrives, at - clock.now());
        }
      }
    }
    clock.pass(1);
  }
  for (const { lane } of [server, page]) lane.close();
  return (server.left + page.left) / (2 * 180);
}

test("a long way is no congestion: what is late is late beside what was quick", () => {
  for (const roundTripMs of [0, 150, 300, 600]) {
    const share = shareThatLeaves(roundTripMs, 0);
    assert.ok(share > 0.95, `${share} of what is sent leaves over ${roundTripMs} ms`);
  }
});

test("after a silence both sides soon send at their full rate: pauses are not taken for lateness", () => {
  for (const roundTripMs of [0, 150, 300, 600]) {
    for (const silentMs of [300, 1_000, 2_500]) {
      const share = shareThatLeaves(roundTripMs, silentMs);
      assert.ok(share > 0.95, `${share} leaves over ${roundTripMs} ms after a silence of ${silentMs} ms`);
    }
  }
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
