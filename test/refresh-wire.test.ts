// `refresh` on the wire, in both forms: another token of the same user, and one that is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub, streamFraming } from "@zocalo/hub";
import { dial, framed, listen, type MessageConn } from "@zocalo/net";
import {
  BINARY_SUBPROTOCOL,
  type Command,
  decodeBinaryMessage,
  decodeServerMessage,
  encodeBinaryCommand,
  encodeCommand,
  type ReceivedMessage,
} from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";

const ANY_PORT = "127.0.0.1:0";
const doors = {
  WebSocket: {
    listen: () => websocket.listen(ANY_PORT, { subprotocols: [BINARY_SUBPROTOCOL] }),
    dial: (address: string, isBinary: boolean) =>
      websocket.dial(`ws://${address}`, { subprotocols: isBinary ? [BINARY_SUBPROTOCOL] : [] }),
  },
  TCP: {
    listen: async () => framed(await listen("tcp", ANY_PORT), streamFraming),
    dial: async (address: string) => framed(await dial("tcp", address), streamFraming),
  },
} as const;

/** Sends a command, and gives the next message: here nothing is sent unasked. */
async function ask(conn: MessageConn, isBinary: boolean, command: Command): Promise<ReceivedMessage> {
  await conn.send(isBinary ? encodeBinaryCommand(command) : encodeCommand(command));
  const message = await conn.receive();
  const decoded =
    typeof message === "string" ? decodeServerMessage(message) : message && decodeBinaryMessage(message);
  assert.ok(decoded);
  assert.equal(typeof message === "string", !isBinary);
  return decoded;
}

for (const [door, { listen: open, dial: enter }] of Object.entries(doors)) {
  for (const isBinary of [false, true]) {
    test(`over ${door} in the ${isBinary ? "binary form" : "form of JSON"} a session is refreshed`, async () => {
      const hub = new Hub({
        namespaces: {},
        authenticate: ({ token = "" }) => {
          const [user = "", seconds = "0"] = token.split(" ");
          const info = { seconds };
          return { user, isGuest: false, info, expiresAt: Date.now() + Number(seconds) * 1_000 };
        },
      });
      const listener = await open();
      void hub.serve(listener);
      const conn = await enter(String(listener.addr), isBinary);
      const connected = await ask(conn, isBinary, { type: "connect", id: 1, token: "ana 600" });
      assert.ok(connected.type === "connected" && connected.tokenMs !== undefined);
      assert.ok(connected.tokenMs > 0 && connected.tokenMs <= 600_000);
      const refreshed = await ask(conn, isBinary, { type: "refresh", id: 2, token: "ana 6000" });
      assert.ok(refreshed.type === "refreshed" && refreshed.tokenMs !== undefined);
      assert.ok(refreshed.tokenMs > 600_000 && refreshed.tokenMs <= 6_000_000);
      assert.deepEqual([refreshed.id, refreshed.info], [2, { seconds: "6000" }]);
      const refused = await ask(conn, isBinary, { type: "refresh", id: 3, token: "eve 6000" });
      assert.equal(refused.type === "error" && refused.code, "unauthorized");
      const pong = await ask(conn, isBinary, { type: "ping", id: 4 });
      assert.equal(pong.type, "pong");
      await conn.close();
      await hub.close();
    });
  }
}
