import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { writeProgress } from "../node/write-progress.ts";
import { WriteWatch, type WriteWatchHost, hasProgressed } from "./watches.ts";

/** A connection whose progress the test decides. */
class Host implements WriteWatchHost {
  complete: number | undefined = 0;
  left = 100;
  timedOut = 0;
  unacknowledged: number | undefined;
  looks = 0;

  get unsentBytes(): number {
    return this.left;
  }

  writeProgress() {
    return { complete: this.complete, left: this.left };
  }

  unacknowledgedBytes(): Promise<number | undefined> {
    this.looks++;
    return Promise.resolve(this.unacknowledged);
  }

  writeTimedOut(): void {
    this.timedOut++;
  }
}

function watched(host: Host): { start(): void; stop(): void; checkPeer(now: number): Promise<void> } {
  const watch = new WriteWatch(host, 100_000);
  watch.start();
  return {
    start: () => watch.start(),
    stop: () => watch.stop(),
    /** The look, if there is one, is over when this resolves. */
    async checkPeer(now) {
      watch.checkPeer(now);
      await turn();
    },
  };
}

test("nothing taken for as long as the timeout ends the connection, and one millisecond less does not", async () => {
  const host = new Host();
  const watch = watched(host);
  await watch.checkPeer(1000);
  await watch.checkPeer(100_999);
  assert.equal(host.timedOut, 0);
  await watch.checkPeer(101_000);
  assert.equal(host.timedOut, 1);
});

test("a peer that takes little, but takes it, stays", async () => {
  const host = new Host();
  host.left = 1000;
  const watch = watched(host);
  for (let now = 0; now < 5_000_000; now += 50_000) {
    // Sometimes a byte of the write under way, sometimes a whole write, with more behind it.
    if (now % 100_000 === 0) host.left -= 1;
    else host.complete = (host.complete ?? 0) + 1;
    await watch.checkPeer(now);
  }
  assert.equal(host.timedOut, 0);
  watch.stop();
});

test("what is written meanwhile is no progress", async () => {
  const host = new Host();
  const watch = watched(host);
  await watch.checkPeer(0);
  host.left += 500;
  await watch.checkPeer(50_000);
  host.left += 500;
  await watch.checkPeer(100_000);
  assert.equal(host.timedOut, 1);
});

test("once all is sent it rests, and begins anew", async () => {
  const host = new Host();
  const watch = watched(host);
  await watch.checkPeer(0);
  host.left = 0;
  await watch.checkPeer(50_000);
  host.left = 100;
  watch.start();
  await watch.checkPeer(200_000);
  await watch.checkPeer(299_999);
  assert.equal(host.timedOut, 0);
  watch.stop();
});

test("a stream that counts nothing has progressed when what waits has changed", () => {
  const stream = new PassThrough({ highWaterMark: 1 });
  stream.write("a");
  stream.write("bc");
  const before = writeProgress(stream);
  assert.equal(before.complete, undefined);
  assert.equal(hasProgressed(before, writeProgress(stream)), false);
  stream.write("d");
  assert.equal(hasProgressed(before, writeProgress(stream)), true);
  stream.destroy();
});

test("a peer that acknowledges stays, although the system takes nothing", async () => {
  const host = new Host();
  host.unacknowledged = 1_000_000;
  const watch = watched(host);
  for (let now = 0; now < 1_000_000; now += 90_000) {
    await watch.checkPeer(now);
    host.unacknowledged -= 1;
  }
  assert.equal(host.timedOut, 0);
  watch.stop();
});

test("a peer that has stopped to acknowledge is given up the timeout after it did", async () => {
  const host = new Host();
  host.unacknowledged = 1000;
  const watch = watched(host);
  await watch.checkPeer(0);
  await watch.checkPeer(25_000);
  host.unacknowledged = 900;
  await watch.checkPeer(50_000);
  await watch.checkPeer(149_999);
  assert.equal(host.timedOut, 0);
  await watch.checkPeer(150_000);
  assert.equal(host.timedOut, 1);
});

test("one look says nothing: when the process stood still for the whole time the peer gets another check", async () => {
  const host = new Host();
  host.unacknowledged = 1000;
  const watch = watched(host);
  await watch.checkPeer(0);
  await watch.checkPeer(200_000);
  assert.equal(host.timedOut, 0);
  await watch.checkPeer(225_000);
  assert.equal(host.timedOut, 1);
});

test("nobody looks at what is unacknowledged while the system takes something", async () => {
  const host = new Host();
  const watch = watched(host);
  for (let now = 0; now < 500_000; now += 25_000) {
    host.complete = (host.complete ?? 0) + 1;
    await watch.checkPeer(now);
  }
  assert.equal(host.looks, 0);
  watch.stop();
});
