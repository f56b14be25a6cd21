import assert from "node:assert/strict";
import { test } from "node:test";
import { IntegrityFailure } from "./failure.ts";
import { StreamLedger } from "./ledger.ts";
import { MessageLedger, wireBytesOf } from "./messages.ts";
import { Random } from "./random.ts";
import { agreement, CALLER_POISON, describeBytes, identify, stamp, stamped } from "./stamp.ts";
import { unmix } from "./unmix.ts";

test("any fifteen bytes of a stream say whose they are and where they belong", () => {
  const random = new Random(1);
  const bytes = stamped(123_456, 0, 300_000);
  for (let i = 0; i < 2000; i += 1) {
    const position = random.int(0, bytes.length - 15);
    assert.deepEqual(identify(bytes.subarray(position, position + 15)), { stream: 123_456, position });
  }
});

test("a stream is the same however it is cut and wherever it lies in memory", () => {
  const random = new Random(2);
  const whole = stamped(7, 0, 10_000);
  for (let i = 0; i < 500; i += 1) {
    const position = random.int(0, 9000);
    const memory = Buffer.alloc(1100).subarray(random.int(0, 9));
    const part = memory.subarray(0, random.int(0, 1000));
    stamp(part, 7, position);
    assert.ok(part.equals(whole.subarray(position, position + part.length)));
  }
});

test("the first byte that does not agree is found, and named", () => {
  const bytes = stamped(9, 50, 200_000);
  bytes.fill(CALLER_POISON, 70_001);
  assert.equal(agreement(bytes, 9, 50), 70_001);
  assert.match(describeBytes(bytes.subarray(70_001)), /0xee/);
  assert.match(describeBytes(stamped(3, 1003, 100)), /byte 1003 of stream 3/);
});

test("mixed streams are taken apart, wherever one gives way to another", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = new Random(seed);
    const streams = [1, 2, 3, 4].map((stream) => ({ stream, most: random.int(40, 3000) }));
    const left = new Map(streams.map(({ stream, most }) => [stream, { at: 0, most }]));
    const parts: Buffer[] = [];
    while (left.size > 0) {
      const stream = random.pick([...left.keys()]) ?? 0;
      const state = left.get(stream);
      if (state === undefined) continue;
      const length = Math.min(state.most - state.at, random.int(10, 400));
      parts.push(stamped(stream, state.at, length));
      state.at += length;
      if (state.at === state.most) left.delete(stream);
    }
    const counts = unmix(Buffer.concat(parts), streams);
    for (const { stream, most } of streams) assert.equal(counts.get(stream), most, `seed ${seed}`);
  }
});

test("what is no stream's next byte is not explained away", () => {
  const good = Buffer.concat([stamped(1, 0, 1000), stamped(2, 0, 1000), stamped(1, 1000, 1000)]);
  for (const bad of [
    Buffer.concat([good.subarray(0, 1500), good.subarray(1501)]),
    Buffer.concat([good.subarray(0, 1500), good.subarray(1400)]),
    Buffer.concat([good.subarray(0, 1500), stamped(3, 0, 40), good.subarray(1540)]),
  ]) {
    assert.throws(() => unmix(bad, [{ stream: 1 }, { stream: 2 }]), IntegrityFailure);
  }
});

const reset = Object.assign(new Error("reset"), { code: "reset", bytesWritten: 0 });
const canceled = Object.assign(new Error("canceled"), { code: "canceled", bytesWritten: 30 });

/** Three writes of 100 bytes, the second of which was cut short after 30. */
function cutShort(): StreamLedger {
  const ledger = new StreamLedger(5);
  ledger.taken(ledger.hand(100));
  ledger.rejected(ledger.hand(100), canceled);
  ledger.taken(ledger.hand(100));
  return ledger;
}

test("a ledger wants the taken part of each call, in order, and nothing more", () => {
  const right = [stamped(5, 0, 130), stamped(5, 200, 100)];
  cutShort().check(right, "in order");
  for (const wrong of [
    [stamped(5, 0, 131), stamped(5, 200, 100)],
    [stamped(5, 0, 129), stamped(5, 200, 100)],
    [stamped(5, 0, 300)],
    [stamped(5, 0, 130)],
    [...right, stamped(5, 300, 1)],
    [...right].reverse(),
  ]) {
    assert.throws(() => cutShort().check(wrong, "in order"), IntegrityFailure);
  }
  cutShort().check([stamped(5, 0, 130)], "broken");
});

test("a ledger does not believe that more was taken than two systems hold", () => {
  const ledger = new StreamLedger(5);
  ledger.taken(ledger.hand(1_000_000));
  ledger.rejected(ledger.hand(1000), reset);
  ledger.check([stamped(5, 0, 400_000)], "broken", 600_000);
  assert.throws(() => ledger.check([stamped(5, 0, 399_999)], "broken", 600_000), /were said to be taken/);
});

test("all of a call may have come that was closed and says no number", () => {
  const ledger = new StreamLedger(5);
  const handed = ledger.hand(100_000);
  ledger.rejected(handed, Object.assign(new Error("closed"), { code: "closed" }));
  ledger.unknown(handed);
  ledger.check([stamped(5, 0, 100_000)], "broken", 0);
});

/** A write of 1,000,000 bytes that rejects and says that all were taken. */
function rejected(code: string): StreamLedger {
  const ledger = new StreamLedger(5);
  ledger.rejected(ledger.hand(1_000_000), Object.assign(new Error(code), { code, bytesWritten: 1_000_000 }));
  return ledger;
}

test("nor that of a call that failed", () => {
  rejected("reset").check([stamped(5, 0, 400_000)], "broken", 600_000);
  assert.throws(
    () => rejected("reset").check([stamped(5, 0, 399_999)], "broken", 600_000),
    /were said to be taken/,
  );
});

test("of a call that nobody can number, any part may have come when the stream breaks", () => {
  const closed = Object.assign(new Error("closed"), { code: "closed", bytesWritten: 0 });
  const ledger = new StreamLedger(5);
  const handed = ledger.hand(100_000);
  ledger.rejected(handed, closed);
  assert.throws(() => ledger.check([stamped(5, 0, 70_000)], "broken"), IntegrityFailure);
  ledger.unknown(handed);
  ledger.check([stamped(5, 0, 70_000)], "broken");
});

test("a call that was cut short may count the step that was under way, and no byte more", () => {
  for (const code of ["timeout", "canceled", "closed"]) {
    rejected(code).check([stamped(5, 0, 400_000)], "broken", 600_000 - 65_536);
    assert.throws(
      () => rejected(code).check([stamped(5, 0, 400_000)], "broken", 600_000 - 65_537),
      /were said to be taken/,
    );
  }
});

test("a message that was refused must not come, and one that was accepted must", () => {
  const planned = [0, 1, 2].map((index) => ({ start: index * 20, length: 20, isText: index === 1 }));
  const ledger = new MessageLedger(8, planned);
  ledger.outcomes.splice(0, 3, "accepted", "refused", "accepted");
  const [first, second, third] = planned.map((each) => wireBytesOf(8, each));
  assert.ok(first && second && third);
  ledger.check([first, third], true);
  ledger.check([first], false);
  assert.throws(() => ledger.check([first], true), IntegrityFailure);
  assert.throws(() => ledger.check([first, second, third], true), IntegrityFailure);
  assert.throws(() => ledger.check([third], false), IntegrityFailure);
});
