// A WebSocket in both roles, held to what every MessageConn promises.
import assert from "node:assert/strict";
import { type MessagePair, type PairOptions, testMessageContract } from "@zocalo/integrity";
import { PreparedMessage } from "@zocalo/net";
import { type CompressionOptions, type ConnOptions, dial, listen } from "../src/index.ts";
import { ANY_PORT, portOf } from "./peers.ts";

async function makePair(
  role: "server" | "client",
  { maxMessageBytes, sendHighWaterBytes }: PairOptions,
  compression?: CompressionOptions,
): Promise<MessagePair<PreparedMessage>> {
  const tested: ConnOptions = {
    maxMessageBytes,
    sendHighWaterBytes,
    sendLimitBytes: 4 * sendHighWaterBytes,
    closeTimeoutMs: 60_000,
  };
  const ofRole = (which: string): ConnOptions => (which === role ? tested : {});
  const listener = await listen(ANY_PORT, { ...ofRole("server"), compression });
  const [server, client] = await Promise.all([
    listener.accept(),
    dial(`ws://127.0.0.1:${portOf(listener)}`, { ...ofRole("client"), compression }),
  ]);
  assert.equal(server.extensions.includes("permessage-deflate"), compression !== undefined);
  const [conn, peer] = role === "server" ? [server, client] : [client, server];
  return {
    conn,
    prepare: (message) => new PreparedMessage(message),
    say: (text) => peer.send(text),
    async hear() {
      const message = await peer.receive();
      return message instanceof Uint8Array ? Buffer.from(message).toString() : String(message);
    },
    async end() {
      conn.abort();
      peer.abort();
      await listener.abort();
    },
  };
}

for (const role of ["server", "client"] as const) {
  const traits = { transport: "websocket", network: "tcp", hasHugeLimit: true };
  testMessageContract(`websocket, ${role}`, (options) => makePair(role, options), traits);
  for (const contextTakeover of [true, false]) {
    // From the first byte on, so that the short messages of the suite are compressed, too.
    const compression = { contextTakeover, thresholdBytes: 0 };
    const name = `websocket, ${role}, compressed ${contextTakeover ? "with" : "without"} context takeover`;
    testMessageContract(name, (options) => makePair(role, options, compression), traits);
  }
}
