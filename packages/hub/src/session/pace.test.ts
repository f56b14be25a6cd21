import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fake-clock.ts";
import { FakeConn } from "../../test/fake-conn.ts";
import { hubLimits } from "../policy/limits.ts";
import { BURST_BYTES, Pace } from "./pace.ts";
import { PeerForm } from "./peer-form.ts";

function begin(limits: { datagramBytesPerSecond?: number; datagramBytesPerByte?: number }) {
  const clock = new FakeClock();
  const conn = new FakeConn({ transport: "udp", maxSendBytes: BURST_BYTES, maxBuffered: 1e9 });
  const counts = { room: 0 };
  const pace = new Pace(new PeerForm(conn), hubLimits(limits), clock, () => counts.room++);
  const send = (bytes: number): string => pace.trySend(JSON.stringify("x".repeat(bytes - 2)));
  return { clock, conn, pace, counts, send };
}

test("a burst goes at once, then so many bytes a second, and there is a word when there is room", () => {
  const { clock, counts, pace, send } = begin({ datagramBytesPerSecond: 1_000, datagramBytesPerByte: 1_000 });
  assert.equal(send(BURST_BYTES), "sent");
  pace.heard(BURST_BYTES); // It has earned more than that.
  assert.equal(send(500), "refused");
  assert.equal(pace.isWaiting, true);
  clock.advance(499);
  assert.deepEqual([counts.room, send(500)], [0, "refused"]);
  clock.advance(1);
  assert.deepEqual([counts.room, send(500), send(2)], [1, "sent", "refused"]);
  clock.advance(3_600_000);
  pace.heard(BURST_BYTES);
  assert.deepEqual([send(BURST_BYTES), send(2)], ["sent", "refused"]);
});

test("so many bytes go for each that came, and no more are ahead than a burst", () => {
  const { clock, counts, pace, send } = begin({ datagramBytesPerSecond: 1e9, datagramBytesPerByte: 10 });
  assert.equal(send(BURST_BYTES), "sent");
  clock.advance(3_600_000);
  assert.equal(send(2), "refused");
  assert.equal(pace.isWaiting, false, "no time brings it");
  pace.heard(50);
  assert.deepEqual([counts.room, send(501), send(500), send(2)], [1, "refused", "sent", "refused"]);
  pace.heard(1_000_000);
  clock.advance(1_000);
  assert.deepEqual([send(BURST_BYTES), send(2)], ["sent", "refused"]);
});

test("what can never be sent spends nothing, and nothing is left behind at the end", () => {
  const { clock, counts, pace, send } = begin({ datagramBytesPerSecond: 1_000 });
  assert.equal(send(BURST_BYTES + 1), "refused");
  assert.equal(send(BURST_BYTES), "sent");
  pace.heard(100);
  assert.equal(send(100), "refused");
  pace.end();
  assert.equal(clock.nextAt, undefined);
  clock.advance(60_000);
  assert.equal(counts.room, 0);
});
