import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageWatch, type MessageWatchHost } from "./watches.ts";

/** A connection whose progress the test decides. */
class Host implements MessageWatchHost {
  isPartway = true;
  isHeldBack = false;
  messageNumber = 0;
  timedOut = 0;

  messageTimedOut(): void {
    this.timedOut++;
  }
}

function watched(host: Host): MessageWatch {
  const watch = new MessageWatch(host, 100_000);
  watch.start();
  return watch;
}

test("a message that is not complete after the timeout ends the connection, and one millisecond less does not", () => {
  const host = new Host();
  const watch = watched(host);
  watch.checkPeer(1000);
  watch.checkPeer(100_999);
  assert.equal(host.timedOut, 0);
  watch.checkPeer(101_000);
  assert.equal(host.timedOut, 1);
});

test("a peer that is always in the middle of some message, but completes each, stays", () => {
  const host = new Host();
  const watch = watched(host);
  for (let now = 0; now < 1_000_000; now += 90_000) {
    host.messageNumber++;
    watch.checkPeer(now);
  }
  assert.equal(host.timedOut, 0);
  watch.stop();
});

test("time during which the application does not take messages does not count", () => {
  const host = new Host();
  const watch = watched(host);
  watch.checkPeer(0);
  host.isHeldBack = true;
  watch.checkPeer(99_000);
  watch.checkPeer(500_000);
  host.isHeldBack = false;
  watch.checkPeer(599_999);
  assert.equal(host.timedOut, 0);
  watch.checkPeer(600_000);
  assert.equal(host.timedOut, 1);
});

test("between messages it rests, and begins anew", () => {
  const host = new Host();
  const watch = watched(host);
  watch.checkPeer(0);
  host.isPartway = false;
  watch.checkPeer(50_000);
  host.isPartway = true;
  watch.start();
  watch.checkPeer(60_000);
  watch.checkPeer(159_999);
  assert.equal(host.timedOut, 0);
  watch.checkPeer(160_000);
  assert.equal(host.timedOut, 1);
});
