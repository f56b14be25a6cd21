import assert from "node:assert/strict";
import { test } from "node:test";
import { Heartbeat, type HeartbeatHost } from "./heartbeat.ts";

/** A connection whose peer's acknowledgements are known only when the test says so. */
class Host implements HeartbeatHost {
  readonly settings = { pingIntervalMs: 1000, pongTimeoutMs: 500 };
  readonly isOpen = true;
  isSilent = true;
  readonly unsentBytes = 0;
  readonly takenBytes = 1000;
  readonly pings: Uint8Array[] = [];
  goneBecause: string | undefined;
  answer: (bytes: number | undefined) => void = () => {};

  unacknowledgedBytes(): Promise<number | undefined> {
    return new Promise((resolve) => {
      this.answer = resolve;
    });
  }
  sendPing(payload: Uint8Array): void {
    this.pings.push(payload);
  }
  probeAfter(): void {}
  peerIsGone(reason: string): void {
    this.goneBecause = reason;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

for (const unacknowledged of [undefined, 8]) {
  test(`a peer that answers while it is looked at is not given up (unacknowledged: ${unacknowledged})`, async () => {
    const host = new Host();
    const heartbeat = new Heartbeat(host);
    heartbeat.silent(1000);
    heartbeat.silent(1250);
    host.answer(unacknowledged);
    await turn();
    heartbeat.silent(2000);
    const [ping] = host.pings;
    assert.ok(ping !== undefined);
    host.isSilent = false; // Its pong has come.
    heartbeat.pong(ping);
    host.answer(unacknowledged);
    await turn();
    assert.equal(host.goneBecause, undefined);
  });

  test(`one that does not is (unacknowledged: ${unacknowledged})`, async () => {
    const host = new Host();
    const heartbeat = new Heartbeat(host);
    heartbeat.silent(1000);
    heartbeat.silent(1250);
    host.answer(unacknowledged);
    await turn();
    heartbeat.silent(2000);
    host.answer(unacknowledged);
    await turn();
    assert.match(host.goneBecause ?? "", /nothing came from the peer/);
  });
}
