// Sending as fast as a slow peer lets it: what was accepted arrives, once and in order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, type WebSocketConn } from "../src/index.ts";
import { accepting } from "./peers.ts";

const COUNT = 20_000;

for (const sendHighWaterBytes of [100, 5000, 65_536]) {
  test(`a handler that sends whenever there is room loses and repeats nothing (sendHighWaterBytes ${sendHighWaterBytes})`, async () => {
    await using server = await accepting({ sendHighWaterBytes, sendLimitBytes: sendHighWaterBytes * 4 });
    const accepted = server.listener.accept();
    const peer = await dial(server.url, { receiveHighWaterBytes: 1000, maxMessageBytes: 10_000_000 });
    const conn = await accepted;
    let sent = 0;
    const sendOn = (): void => {
      while (sent < COUNT) {
        const outcome = conn.trySend(`${sent}`.padEnd(sent % 7 === 0 ? 3000 : 30));
        if (outcome !== "refused") sent++;
        if (outcome !== "sent") return;
      }
    };
    conn.serve({ message: sendOn, drain: sendOn });
    // It sends from elsewhere, too, so that something is in the buffer whenever the socket is done.
    const elsewhere = setInterval(sendOn, 1);
    sendOn();
    await expectInOrder(peer);
    clearInterval(elsewhere);
    peer.abort();
  });
}

async function expectInOrder(peer: WebSocketConn): Promise<void> {
  let expected = 0;
  for await (const message of peer) {
    assert.equal(Number(message), expected);
    expected++;
    // Now and then it stands still until the kernels' buffers are full.
    if (expected % 4000 === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    if (expected === COUNT) return;
  }
}
