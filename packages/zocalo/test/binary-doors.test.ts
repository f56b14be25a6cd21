// The binary form through the doors of the server, and bytes in its store.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { streamFraming } from "@zocalo/hub";
import { dial, framed, type MessageConn } from "@zocalo/net";
import {
  BINARY_SUBPROTOCOL,
  type Command,
  decodeBinaryMessage,
  encodeBinaryCommand,
  type ReceivedMessage,
} from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";
import { Zocalo } from "./zocalo-process.ts";

const BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);

async function ask(conn: MessageConn, command: Command): Promise<ReceivedMessage> {
  await conn.send(encodeBinaryCommand({ ...command, id: 1 }));
  for (;;) {
    const message = await conn.receive();
    assert.ok(message instanceof Uint8Array, String(message));
    const read = decodeBinaryMessage(message);
    if (read && "id" in read && read.id === 1) return read;
  }
}

test("bytes go in by one door, outlive the server, and come out by another", async () => {
  const directory = mkdtempSync(join(tmpdir(), "bytes-"));
  const file = join(directory, "zocalo.json");
  const doc = { subscribe: "anyone", publish: "anyone", data: "bytes" };
  writeFileSync(file, JSON.stringify({ namespaces: { doc } }));
  const start = () =>
    new Zocalo(["serve", "--config", file, "--http-port", "0", "--tcp-port", "0", "--udp-port", "off"], {
      ZOCALO_ENGINE: "durable",
      ZOCALO_DATA: join(directory, "data"),
    });
  {
    await using zocalo = start();
    const port = await zocalo.port("stdout", /WebSocket +ws:\/\/localhost:(\d+)[^]*stops it/);
    await using page = await websocket.dial(`ws://127.0.0.1:${port}/ws`, {
      subprotocols: [BINARY_SUBPROTOCOL],
    });
    assert.equal(page.subprotocol, BINARY_SUBPROTOCOL);
    const done = await ask(page, { type: "publish", channel: "doc:x", data: BYTES });
    assert.equal(done.type, "published");
  }
  await using again = start();
  const port = await again.port("stdout", /TCP +localhost:(\d+)[^]*stops it/);
  await using device = framed(await dial("tcp", `127.0.0.1:${port}`), streamFraming);
  const history = await ask(device, { type: "history", channel: "doc:x" });
  assert.ok(history.type === "history");
  assert.deepEqual(
    history.publications.map(({ data }) => Uint8Array.from(data as Uint8Array)),
    [BYTES],
  );
});
