import assert from "node:assert/strict";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { Duplex } from "node:stream";
import { test } from "node:test";
import type { WebSocketConn } from "./conn.ts";
import { Upgrader } from "../server/upgrader.ts";

/** A stream that hands on the memory it is given, as streams within one process do. */
class ByReference extends Duplex {
  readonly written: Uint8Array[] = [];

  override _read(): void {
    // Nothing comes.
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(chunk);
    done();
  }
}

/** An upgrade as it came, to be answered on any stream. */
async function upgradeRequest(): Promise<IncomingMessage> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  const { port } = server.address() as AddressInfo;
  const asking = request({ port, host: "127.0.0.1", headers });
  asking.on("error", () => undefined);
  asking.end();
  const [incoming, socket] = (await once(server, "upgrade")) as [IncomingMessage, Duplex];
  socket.destroy();
  server.close();
  return incoming;
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

for (const [what, message] of [
  ["short", (text: string) => text],
  ["large", (text: string) => text.repeat(100_000)],
] as const) {
  test(`${what} texts stay as they are on a stream that hands its memory on`, async () => {
    const stream = new ByReference();
    const conn: WebSocketConn = await new Upgrader().upgrade(await upgradeRequest(), stream, Buffer.alloc(0));
    await endOfTurn();
    stream.written.length = 0;
    for (const text of ["a", "b", "c"]) {
      conn.trySend(message(text));
      await endOfTurn();
    }
    const firsts = stream.written.map((frame) => String.fromCharCode(frame.at(-1) ?? 0));
    assert.deepEqual(firsts, ["a", "b", "c"]);
    conn.abort();
  });
}
