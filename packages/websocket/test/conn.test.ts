import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { type Message, PreparedMessage } from "@zocalo/net";
import { WebSocket, WebSocketServer } from "ws";
import { dial } from "../src/index.ts";
import { LENT_BUFFER_BYTES } from "@zocalo/net/transport";
import { accepting, echoAll, fill } from "./peers.ts";
import { frameFrom, hex } from "./recorder.ts";
import { pair, rawPair, standsStill } from "./conn-pairs.ts";

const samples: readonly Message[] = [
  "",
  "hola",
  "ñandú € 𝄞",
  "x".repeat(125),
  "x".repeat(126),
  "ñ".repeat(40_000),
  "y".repeat(65_536),
  new Uint8Array(0),
  new Uint8Array([0, 255, 1]),
  new Uint8Array(65_535).fill(7),
  new Uint8Array(65_536).fill(8),
  new Uint8Array(1_048_576).fill(9),
];

test("messages of every size and kind go both ways", async () => {
  await using both = await pair();
  const echoing = (async () => {
    for await (const message of both.server) await both.server.send(message);
  })();
  for (const message of samples) {
    await both.client.send(message);
    assert.deepEqual(await both.client.receive(), message);
  }
  assert.equal(both.client.bufferedAmount, 0);
  await both.client.close();
  await echoing;
});

test("the ws package as a client", async () => {
  await using server = await accepting();
  void echoAll(server.listener);
  const ws = new WebSocket(server.url, { perMessageDeflate: false });
  await once(ws, "open");
  for (const message of samples) {
    ws.send(message);
    const [data, isBinary] = (await once(ws, "message")) as [Buffer, boolean];
    assert.equal(isBinary, typeof message !== "string");
    assert.deepEqual(isBinary ? new Uint8Array(data) : data.toString(), message);
  }
  ws.ping("p");
  const [pong] = (await once(ws, "pong")) as [Buffer];
  assert.equal(pong.toString(), "p");
  ws.close(4001, "bye");
  const [code] = (await once(ws, "close")) as [number];
  assert.equal(code, 4001);
});

test("the ws package as a server", async () => {
  const wss = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    handleProtocols: (offered) => [...offered][1] ?? false,
  });
  await once(wss, "listening");
  wss.on("connection", (ws) => ws.on("message", (data: Buffer, binary) => ws.send(data, { binary })));
  const { port } = wss.address() as { port: number };
  const conn = await dial(`ws://127.0.0.1:${port}`, { subprotocols: ["a", "b"], maxMessageBytes: 2 ** 21 });
  assert.equal(conn.subprotocol, "b");
  for (const message of samples) {
    await conn.send(message);
    assert.deepEqual(await conn.receive(), message);
  }
  assert.ok((await conn.ping()) >= 0);
  await conn.close(4002, "bye");
  assert.equal(await conn.receive(), null);
  wss.close();
});

test("all that was sent in one turn leaves in one write", async () => {
  await using both = await rawPair();
  for (let i = 0; i < 100; i++) both.server.trySend("hola");
  const [first] = (await once(both.peer.socket, "data")) as [Buffer];
  assert.equal(first.length, 600);
});

test("a handler's answers to one chunk leave in one write", async () => {
  await using both = await rawPair();
  both.server.serve({ message: (message) => void both.server.trySend(message) });
  both.peer.write(Buffer.concat(Array.from({ length: 100 }, () => frameFrom("client", 0x81, "hola"))));
  const [first] = (await once(both.peer.socket, "data")) as [Buffer];
  assert.equal(first.length, 600);
});

test("own, shared and large messages keep their order", async () => {
  await using both = await pair();
  const prepared = [new PreparedMessage("shared"), new PreparedMessage(new Uint8Array([1, 2]))];
  const large = new Uint8Array(20_000).fill(3);
  const sent: (Message | PreparedMessage)[] = [];
  for (let i = 0; i < 50; i++)
    sent.push(
      `${i}`,
      prepared[i % 2] as PreparedMessage,
      large,
      ...prepared,
      "é",
      prepared[0] as PreparedMessage,
    );
  for (const side of ["server", "client"] as const) {
    const from = both[side];
    const to = side === "server" ? both.client : both.server;
    for (const message of sent) await from.send(message);
    for (const message of sent) {
      assert.deepEqual(await to.receive(), message instanceof PreparedMessage ? message.message : message);
    }
  }
});

test("a message is masked in a copy: the caller's bytes stay as they are", async () => {
  await using both = await pair();
  for (const length of [10, 1000, 100_000]) {
    const bytes = new Uint8Array(length).fill(42);
    await both.client.send(bytes);
    assert.deepEqual(await both.server.receive(), new Uint8Array(length).fill(42));
    assert.ok(bytes.every((byte) => byte === 42));
  }
});

test("of a view only what it shows leaves", async () => {
  await using both = await pair();
  const memory = new Uint8Array(100).fill(9);
  const views = [
    memory.subarray(40, 43),
    new DataView(memory.buffer, 40, 3),
    new Uint8ClampedArray(memory.buffer, 40, 3),
    Buffer.from(memory.buffer, 40, 3),
  ];
  for (const view of views) {
    both.server.trySend(view as Uint8Array);
    await both.client.send(view as Uint8Array);
    assert.deepEqual(await both.client.receive(), new Uint8Array([9, 9, 9]));
    assert.deepEqual(await both.server.receive(), new Uint8Array([9, 9, 9]));
  }
  both.server.trySend(new Uint16Array(memory.buffer, 40, 3) as unknown as Uint8Array);
  assert.equal((await both.client.receive())?.length, 6);
  assert.equal(both.server.trySend(5 as unknown as string), "refused");
  await assert.rejects(both.server.send(undefined as unknown as string), { code: "invalid_argument" });
});

// --- the end

// --- backpressure

test("a slow reader: send waits, trySend refuses at the limit, and drain follows", async () => {
  await using both = await rawPair({ sendHighWaterBytes: 10_000, sendLimitBytes: 100_000 });
  both.peer.socket.pause();
  const message = new Uint8Array(5_000);
  let drained: (() => void) | undefined;
  const hasDrained = new Promise<void>((resolve) => {
    drained = resolve;
  });
  both.server.serve({ message: () => undefined, drain: () => drained?.() });
  // First the operating system's buffers fill up, then ours.
  while (both.server.bufferedAmount < 50_000) {
    fill(both.server, message);
    await new Promise((resolve) => setImmediate(resolve));
  }
  fill(both.server, message);
  const waiting = both.server.bufferedAmount;
  assert.ok(waiting <= 100_000 + 10, `${waiting} bytes wait`);
  assert.ok(waiting > 100_000 - 5_010);
  const controller = new AbortController();
  const canceled = assert.rejects(both.server.send(message, { signal: controller.signal }), {
    code: "canceled",
  });
  const sent = both.server.send(message);
  controller.abort();
  await canceled;
  assert.equal(both.server.bufferedAmount, waiting, "it waits with its sender");
  both.peer.socket.resume();
  await sent;
  await hasDrained;
  assert.ok(both.server.bufferedAmount <= 10_000);
  assert.equal(both.server.trySend("x"), "sent");
});

test("send waits for room, and a signal ends the wait", async () => {
  await using both = await rawPair({ sendHighWaterBytes: 1 });
  both.peer.socket.pause();
  const big = new Uint8Array(500_000);
  let pending = both.server.send(big);
  // Until the operating system takes no more. On a busy machine what it took may be told after the time: so
  // the event loop gets its turn then.
  const turn = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));
  const waits = async (): Promise<string> => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (let i = 0; i < 5; i++) await turn();
    return "waits";
  };
  while ((await Promise.race([pending.then(() => "sent"), waits()])) === "sent")
    pending = both.server.send(big);
  const controller = new AbortController();
  const canceled = both.server.send("x", { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(canceled, { code: "canceled" });
  await assert.rejects(both.server.send("x", { signal: controller.signal }), { code: "canceled" });
  both.peer.socket.resume();
  await pending;
});

test("a receiver that is behind holds the sender back, and loses nothing", async () => {
  await using both = await pair({ receiveHighWaterBytes: 1000 });
  const count = 3000;
  let sent = 0;
  const sending = (async () => {
    for (; sent < count; sent++) await both.client.send(`${sent}`.padEnd(6000));
    return "sent";
  })();
  const first = await both.server.receive();
  assert.equal(String(first).trim(), "0");
  await standsStill(() => sent);
  assert.ok(sent < count);
  for (let i = 1; i < count; i++) assert.equal(String(await both.server.receive()).trim(), `${i}`);
  assert.equal(await sending, "sent");
});

test("nothing that came before the application reads is lost, even if the connection has ended meanwhile", async () => {
  await using both = await rawPair({ receiveHighWaterBytes: 10 });
  const frames = Array.from({ length: 500 }, (_, i) => frameFrom("client", 0x81, `message ${i}`));
  both.peer.write(Buffer.concat([...frames, frameFrom("client", 0x88, hex("03e8"))]));
  both.peer.socket.end();
  await once(both.peer.socket, "finish");
  const got: Message[] = [];
  for await (const message of both.server) got.push(message);
  assert.deepEqual(
    got,
    Array.from({ length: 500 }, (_, i) => `message ${i}`),
  );
});

test("a ping flood from a peer that never reads makes nothing grow", async () => {
  await using both = await rawPair({ controlBacklogBytes: 1000 });
  both.peer.socket.pause();
  const got = (async () => {
    for await (const message of both.server) if (message === "end") return;
  })();
  const flood = Buffer.concat(Array.from({ length: 2000 }, () => frameFrom("client", 0x89, "x".repeat(125))));
  for (let i = 0; i < 50; i++) both.peer.write(flood);
  both.peer.write(frameFrom("client", 0x81, "end"));
  await got;
  // One chunk's pongs may wait beside the backlog.
  assert.ok(both.server.bufferedAmount <= 1000 + LENT_BUFFER_BYTES + 131, `${both.server.bufferedAmount}`);
});

test("once it is aborted nothing is accepted any more, and a stream that never waits ends", async () => {
  await using both = await pair();
  const { server } = both;
  async function* endless() {
    await Promise.resolve();
    for (;;) yield "word";
  }
  const streaming = server.sendStream(endless());
  server.abort();
  assert.equal(server.isOpen, false);
  assert.equal(server.trySend("x"), "refused");
  await assert.rejects(server.send("x"), { code: "closed" });
  await assert.rejects(streaming, { code: "closed" });
});

// --- keepalive

// --- listener

// --- dial
