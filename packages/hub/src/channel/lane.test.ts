// For any pattern of a receiver's pressure: what arrives of a slot is a subsequence in order, the newest
// arrives once the pressure is over, and what waits never passes its bounds.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeClock } from "../../test/fake-clock.ts";
import { Allowed } from "./allowed.ts";
import { AHEAD_BYTES, Lane, type LaneHost, type LaneMessage } from "./lane.ts";
import { Counters } from "./stats.ts";

interface Said extends LaneMessage {
  readonly message: string;
  readonly number: number;
}

let numbers = 0;
function said(slot: string, owner: object, keptBytes = 1_000): Said {
  numbers += 1;
  return { slot, owner, keptBytes, message: `${slot} ${numbers}`, number: numbers };
}

/** A connection whose system takes as many messages as the test has it take. */
class Peer implements LaneHost {
  readonly limits = { waitingCasts: 16, waitingCastBytes: 20_000, waitingCastBytesPerAddress: 30_000 };
  readonly clock = new FakeClock();
  readonly counters = new Counters();
  readonly context: LaneHost["context"];
  readonly address = { castBytes: 0 };
  readonly user = undefined;
  readonly isDatagram = false;
  readonly maxSendBytes = 1_000_000;
  /** Given to the connection, and not taken by the system. */
  readonly buffer: string[] = [];
  readonly received: string[] = [];
  peakBuffer = 0;
  isReading = true;
  #whenTaken: (() => void)[] = [];

  constructor(waitingCasts = new Allowed(1_000_000)) {
    this.context = { backlog: { sent() {} }, waitingCasts };
  }

  get sender(): this {
    return this;
  }

  get conn(): this {
    return this;
  }

  get isUnderPressure(): boolean {
    return this.buffer.length > 0;
  }

  trySend(message: unknown): "sent" | "refused" {
    if (this.buffer.length >= 64) return "refused";
    if (this.isReading) this.received.push(message as string);
    else this.buffer.push(message as string);
    this.peakBuffer = Math.max(this.peakBuffer, this.buffer.length);
    return "sent";
  }

  canSend(): boolean {
    return true;
  }

  async flush(): Promise<void> {
    while (this.buffer.length > 0) await new Promise<void>((resolve) => this.#whenTaken.push(resolve));
  }

  /** The system takes so many. */
  take(count: number): void {
    this.received.push(...this.buffer.splice(0, count));
    for (const tell of this.#whenTaken.splice(0)) tell();
  }

  /** What the peer got of a slot. */
  of(slot: string): number[] {
    return this.received
      .map((text) => text.split(" "))
      .filter(([of]) => of === slot)
      .map(([, number]) => Number(number));
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const slots = ["a", "b", "c", "d", "e"];
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ slot: fc.constantFrom(...slots), owner: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ take: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ reads: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant("turn" as const) },
);

test("what arrives of a slot is in order, and ends with the newest once the pressure is over", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const peer = new Peer();
      const lane = new Lane(peer);
      const owners = [{}, {}, {}];
      const newest = new Map<string, number>();
      for (const one of steps) {
        if (one === "turn") await settled();
        else if ("take" in one) peer.take(one.take);
        else if ("reads" in one) peer.isReading = one.reads && peer.buffer.length === 0;
        else {
          const message = said(one.slot, owners[one.owner] ?? {});
          assert.notEqual(lane.offer(message), "dropped", "five slots fit");
          newest.set(one.slot, message.number);
        }
        assert.ok(lane.waitingBytes <= 20_000);
        assert.equal(peer.address.castBytes, lane.waitingBytes);
      }
      peer.isReading = true;
      while (lane.waitingBytes > 0 || peer.buffer.length > 0) {
        peer.take(64);
        await settled();
      }
      for (const slot of slots) {
        const numbers = peer.of(slot);
        assert.deepEqual(
          numbers,
          [...new Set(numbers)].toSorted((a, b) => a - b),
          slot,
        );
        assert.equal(numbers.at(-1), newest.get(slot), slot);
      }
      const { castsDelivered, castsDropped } = peer.counters;
      const offered = steps.filter((one) => one !== "turn" && "slot" in one).length;
      assert.equal(castsDelivered + castsDropped, offered);
      assert.equal(peer.received.length, castsDelivered);
    }),
    { seed: 12, numRuns: 300 },
  );
});

test("a receiver that reads nothing has at most its bounds waiting, at the limit and one past it", async () => {
  const peer = new Peer();
  const lane = new Lane(peer);
  peer.isReading = false;
  lane.offer(said("first", peer));
  for (let index = 0; index < 16; index++) assert.equal(lane.offer(said(`s${index}`, peer)), "waiting");
  assert.deepEqual([lane.waitingBytes, peer.counters.castsDropped], [16_000, 0]);
  assert.equal(lane.offer(said("s16", peer)), "waiting");
  assert.deepEqual([lane.waitingBytes, peer.counters.castsDropped], [16_000, 1], "the oldest is gone");
  assert.equal(lane.offer(said("large", peer, 20_000)), "waiting");
  assert.equal(lane.waitingBytes, 20_000);
  assert.equal(lane.offer(said("larger", peer, 20_001)), "dropped");
  assert.equal(lane.waitingBytes, 20_000);
  assert.equal(peer.buffer.length, 1);
  lane.end();
  assert.deepEqual([lane.waitingBytes, peer.address.castBytes], [0, 0]);
  assert.equal(lane.offer(said("late", peer)), "dropped");
});

test("one sender's thousands of keys do not take the place of another's few", async () => {
  const peer = new Peer();
  const lane = new Lane(peer);
  const [greedy, honest] = [{}, {}];
  peer.isReading = false;
  lane.offer(said("first", greedy));
  const mine = said("mine", honest);
  lane.offer(mine);
  for (let index = 0; index < 10_000; index++) lane.offer(said(`g${index}`, greedy));
  lane.offer(said("also", honest));
  peer.take(64);
  peer.isReading = true;
  await settled();
  assert.deepEqual(peer.of("mine"), [mine.number]);
  assert.equal(peer.of("also").length, 1);
  assert.equal(peer.received.length, 1 + 16);
  assert.equal(peer.of("g9999").length, 1, "of the greedy one the newest are left");
});

test("what waits for an address, and for all, is bounded", async () => {
  const all = new Allowed(40_000);
  const [ana, ben] = [new Peer(all), new Peer(all)];
  const share = ana.address;
  const lanes = [new Lane(ana), new Lane({ ...hostOf(ana), address: share }), new Lane(ben)] as const;
  ana.isReading = false;
  ben.isReading = false;
  for (const peer of [ana, ben]) peer.trySend("before");
  for (const lane of lanes) {
    for (let index = 0; index < 16; index++) lane.offer(said(`s${index}`, lane));
  }
  const waiting = lanes.map(({ waitingBytes }) => waitingBytes);
  assert.deepEqual(waiting, [16_000, 14_000, 10_000], "30,000 of one address, 40,000 of all");
  for (const lane of lanes) lane.end();
  assert.ok(all.take(40_000) && !all.take(1));
  assert.equal(share.castBytes, 0);
});

/** Its members, those of its class included. */
function hostOf(peer: Peer): LaneHost {
  const { limits, clock, counters, context, user, isDatagram } = peer;
  return {
    limits,
    clock,
    counters,
    context,
    user,
    isDatagram,
    address: peer.address,
    sender: peer,
    conn: peer,
    isUnderPressure: true,
  };
}

test("no more than a step is given to a connection that did not take all of the last one", async () => {
  const peer = new Peer();
  const lane = new Lane(peer);
  peer.isReading = false;
  for (let index = 0; index < 10; index++) lane.offer(said(`s${index}`, {}, 5_000));
  await settled();
  assert.equal(peer.buffer.length, 1);
  peer.take(1);
  await settled();
  assert.equal(peer.buffer.length, Math.floor(AHEAD_BYTES / 5_000), "of four that wait");
  peer.take(1);
  await settled();
  assert.equal(peer.buffer.length, Math.floor(AHEAD_BYTES / 5_000) - 1, "it has not taken all of them");
});

test("a connection that refuses and has nothing to send is looked at again, and not all the time", async () => {
  const peer = new Peer();
  const lane = new Lane(peer);
  peer.isReading = false;
  let tries = 0;
  peer.trySend = () => {
    tries += 1;
    return "refused";
  };
  lane.offer(said("a", {}));
  await settled();
  assert.equal(tries, 2, "at once, and when it was flushed");
  peer.clock.advance(50);
  await settled();
  assert.equal(tries, 3);
  lane.end();
  peer.clock.advance(50);
  await settled();
  assert.equal(tries, 3);
});
