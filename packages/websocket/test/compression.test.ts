import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { constants, deflateRawSync } from "node:zlib";
import { type Message, PreparedMessage } from "@zocalo/net";
import { WebSocket, WebSocketServer } from "ws";
import { dial } from "../src/index.ts";
import { accepting, echoAll, RawPeer, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

const text = JSON.stringify(
  Array.from({ length: 60 }, (_, i) => ({ id: i, name: `user ${i}`, text: "¡hola a todos!" })),
);
const messages: readonly Message[] = [
  "",
  "short",
  text,
  text.repeat(100),
  new Uint8Array(0),
  new Uint8Array(300_000).fill(7),
  Uint8Array.from({ length: 5000 }, (_, i) => (i * i * 31) & 255),
  "x",
];

for (const contextTakeover of [false, true]) {
  const compression = { contextTakeover, thresholdBytes: 0 };
  const mode = contextTakeover ? "with context takeover" : "without context takeover";

  test(`both ends of this package, ${mode}`, async () => {
    await using server = await accepting({ compression });
    void echoAll(server.listener);
    const conn = await dial(server.url, { compression });
    assert.match(conn.extensions, /^permessage-deflate/);
    for (let round = 0; round < 3; round++) {
      for (const message of messages) {
        await conn.send(message);
        assert.deepEqual(await conn.receive(), message);
      }
    }
    await conn.close();
  });

  test(`the ws package as a client, ${mode}`, async () => {
    await using server = await accepting({ compression });
    void echoAll(server.listener);
    const ws = new WebSocket(server.url, { perMessageDeflate: { threshold: 0 } });
    await once(ws, "open");
    assert.match(ws.extensions, /^permessage-deflate/);
    for (let round = 0; round < 3; round++) {
      for (const message of messages) {
        ws.send(message, { compress: true });
        const [data, isBinary] = (await once(ws, "message")) as [Buffer, boolean];
        assert.deepEqual(isBinary ? new Uint8Array(data) : data.toString(), message);
      }
    }
    ws.close();
    await once(ws, "close");
  });

  test(`the ws package as a server, ${mode}`, async () => {
    const wss = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 0 } });
    await once(wss, "listening");
    wss.on("connection", (ws) =>
      ws.on("message", (data: Buffer, binary) => ws.send(data, { binary, compress: true })),
    );
    const { port } = wss.address() as { port: number };
    const conn = await dial(`ws://127.0.0.1:${port}`, {
      compression: { ...compression, clientMaxWindowBits: 10 },
    });
    assert.match(conn.extensions, /^permessage-deflate/);
    for (const message of messages) {
      await conn.send(message);
      assert.deepEqual(await conn.receive(), message);
    }
    await conn.close();
    wss.close();
  });

  test(`prepared messages reach all, ${mode}`, async () => {
    await using server = await accepting({ compression });
    const accepted = [server.listener.accept(), server.listener.accept(), server.listener.accept()];
    const clients = [
      await dial(server.url, { compression }),
      await dial(server.url, { compression: { ...compression, serverMaxWindowBits: 9 } }),
      await dial(server.url),
    ];
    const prepared = new PreparedMessage(text);
    for (let i = 0; i < 20; i++) for (const conn of accepted) (await conn).trySend(prepared);
    for (let i = 0; i < 20; i++) for (const client of clients) assert.equal(await client.receive(), text);
    for (const client of clients) client.abort();
  });
}

test("without compression on one side there is none", async () => {
  await using plain = await accepting();
  await using compressing = await accepting({ compression: true });
  const one = await dial(plain.url, { compression: true });
  const two = await dial(compressing.url);
  assert.equal(one.extensions, "");
  assert.equal(two.extensions, "");
  one.abort();
  two.abort();
});

test("a malformed extension header is refused with 400, an unacceptable offer is declined", async () => {
  await using server = await accepting({ compression: true });
  for (const [offer, status] of [
    ['permessage-deflate; x="', 400],
    [";;;,,,", 400],
    ["permessage-deflate; server_max_window_bits=7", 101],
    ["permessage-deflate; __proto__", 101],
  ] as const) {
    const peer = await RawPeer.connect(server.port);
    peer.write(upgradeRequest({ "Sec-WebSocket-Extensions": offer }));
    const head = await peer.head();
    assert.equal(Number(head.split(" ")[1]), status);
    assert.ok(!/sec-websocket-extensions/i.test(head));
    peer.socket.destroy();
  }
});

test("a connection that is cut while it compresses harms nobody", async () => {
  await using server = await accepting({ compression: { contextTakeover: true } });
  void echoAll(server.listener);
  for (let i = 0; i < 20; i++) {
    const conn = await dial(server.url, { compression: { contextTakeover: true } });
    for (let k = 0; k < 10; k++) conn.trySend(text.repeat(20));
    await conn.receive();
    conn.abort();
  }
  const conn = await dial(server.url, { compression: true });
  await conn.send(text);
  assert.equal(await conn.receive(), text);
  conn.abort();
});

test("a read full of messages that inflate to much is told over many turns, and in order", async () => {
  await using server = await accepting({ compression: {} });
  const accepted = server.listener.accept();
  const peer = await RawPeer.connect(server.port);
  peer.write(
    upgradeRequest({ "Sec-WebSocket-Extensions": "permessage-deflate; client_no_context_takeover" }),
  );
  await peer.head();
  const conn = await accepted;

  const count = 100;
  const payloads = Array.from({ length: count }, (_, i) => {
    const bytes = Buffer.alloc(500_000);
    bytes[0] = i;
    return deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  });
  let turn = 0;
  let isOver = false;
  const nextTurn = (): void => {
    turn++;
    if (!isOver) setImmediate(nextTurn);
  };
  nextTurn();
  const turns: number[] = [];
  const order: (number | undefined)[] = [];
  await new Promise<void>((resolve) => {
    conn.serve({
      // Every tenth lets the others wait, so that both reasons to hold the peer back meet.
      message(message) {
        turns.push(turn);
        order.push(typeof message === "string" ? undefined : message[0]);
        if (order.length === count) resolve();
        return order.length % 10 === 0 ? new Promise((go) => setImmediate(go)) : undefined;
      },
    });
    peer.write(Buffer.concat(payloads.map((payload) => frameFrom("client", 0xc2, payload))));
  });
  isOver = true;
  assert.deepEqual(
    order,
    Array.from({ length: count }, (_, i) => i),
  );
  const most = Math.max(...turns.map((each) => turns.filter((other) => other === each).length));
  assert.ok(most <= 8, `${most} messages of 500 kB in one turn`);
  conn.abort();
});
