import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { hasProgressed, writeProgress } from "./write-progress.ts";
import { WriteWatch, type WriteWatchHost } from "./write-watch.ts";

/** A connection whose progress the test decides. */
class Host implements WriteWatchHost {
  complete: number | undefined = 0;
  left = 100;
  timedOut = 0;

  get unsentBytes(): number {
    return this.left;
  }

  writeProgress() {
    return { complete: this.complete, left: this.left };
  }

  writeTimedOut(): void {
    this.timedOut++;
  }
}

function watched(host: Host): WriteWatch {
  const watch = new WriteWatch(host, 100_000);
  watch.start();
  return watch;
}

test("nothing taken for as long as the timeout ends the connection, and one millisecond less does not", () => {
  const host = new Host();
  const watch = watched(host);
  watch.checkPeer(1000);
  watch.checkPeer(100_999);
  assert.equal(host.timedOut, 0);
  watch.checkPeer(101_000);
  assert.equal(host.timedOut, 1);
});

test("a peer that takes little, but takes it, stays", () => {
  const host = new Host();
  host.left = 1000;
  const watch = watched(host);
  for (let now = 0; now < 5_000_000; now += 50_000) {
    // Sometimes a byte of the write under way, sometimes a whole write, with more behind it.
    if (now % 100_000 === 0) host.left -= 1;
    else host.complete = (host.complete ?? 0) + 1;
    watch.checkPeer(now);
  }
  assert.equal(host.timedOut, 0);
  watch.stop();
});

test("what is written meanwhile is no progress", () => {
  const host = new Host();
  const watch = watched(host);
  watch.checkPeer(0);
  host.left += 500;
  watch.checkPeer(50_000);
  host.left += 500;
  watch.checkPeer(100_000);
  assert.equal(host.timedOut, 1);
});

test("once all is sent it rests, and begins anew", () => {
  const host = new Host();
  const watch = watched(host);
  watch.checkPeer(0);
  host.left = 0;
  watch.checkPeer(50_000);
  host.left = 100;
  watch.start();
  watch.checkPeer(200_000);
  watch.checkPeer(299_999);
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
