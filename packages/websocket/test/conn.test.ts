import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { takeRounds } from "@zocalo/integrity";
import { type CloseInfo, type Message, PreparedMessage } from "@zocalo/net";
import { checkPeriodMs, unacknowledgedBytes } from "@zocalo/net/transport";
import { WebSocket, WebSocketServer } from "ws";
import { dial, type ListenOptions, type WebSocketConn, WebSocketError } from "../src/index.ts";
import { LENT_BUFFER_BYTES } from "@zocalo/net/transport";
import { accepting, echoAll, ended, fill, RawPeer, rawServer } from "./peers.ts";
import { frameFrom, hex, Recorder } from "./recorder.ts";

/** A connected pair: [the client's end, the server's]. */
async function pair(
  options: ListenOptions = {},
  clientOptions = {},
): Promise<{ client: WebSocketConn; server: WebSocketConn } & AsyncDisposable> {
  const { listener, url } = await accepting(options);
  const accepted = listener.accept();
  const client = await dial(url, clientOptions);
  return {
    client,
    server: await accepted,
    async [Symbol.asyncDispose]() {
      client.abort();
      await listener.abort();
    },
  };
}

/** An accepted connection whose client is a raw socket. */
async function rawPair(
  options: ListenOptions = {},
): Promise<{ peer: RawPeer; server: WebSocketConn } & AsyncDisposable> {
  const { listener, port } = await accepting(options);
  const accepted = listener.accept();
  const peer = await RawPeer.upgraded(port);
  return {
    peer,
    server: await accepted,
    async [Symbol.asyncDispose]() {
      peer.socket.destroy();
      await listener.abort();
    },
  };
}

/** Waits until the sender has got no further for many turns of the event loop. */
async function standsStill(progress: () => number): Promise<void> {
  for (let before = -1; before !== progress(); ) {
    before = progress();
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
  }
}

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

test("a clean close ends iteration on both sides", async () => {
  await using both = await pair();
  const got: Message[] = [];
  const looped = (async () => {
    for await (const message of both.server) got.push(message);
  })();
  await both.client.send("last");
  await both.client.close(1000, "done");
  await looped;
  assert.deepEqual(got, ["last"]);
  assert.equal(await both.client.receive(), null);
  assert.equal(both.client.trySend("x"), "refused");
  await assert.rejects(both.client.send("x"), { code: "closed" });
  await both.client.close();
});

test("the handler hears how it ended, last and once", async () => {
  await using both = await pair();
  const got: Message[] = [];
  const info = ended(both.server, got);
  await both.client.send("a");
  await both.client.close(3001, "razón");
  assert.deepEqual(await info, { code: 3001, reason: "razón", wasClean: true });
  assert.deepEqual(got, ["a"]);
});

test("a connection that just breaks throws an error with both sides' close frames, after what had come", async () => {
  await using both = await rawPair();
  both.peer.write(frameFrom("client", 0x81, "a"));
  both.peer.socket.end();
  assert.equal(await both.server.receive(), "a");
  await assert.rejects(both.server.receive(), {
    code: "abnormal_closure",
    sent: undefined,
    received: undefined,
  });
});

test("a protocol error closes with its code, throws here, and ends TCP", async () => {
  await using both = await rawPair();
  both.peer.write(Buffer.concat([frameFrom("client", 0x81, "a"), frameFrom("client", 0x83)]));
  assert.equal(await both.server.receive(), "a");
  const client = new Recorder("client").feed(await both.peer.rest());
  assert.equal(client.core.receivedClose?.code, 1002);
  await assert.rejects(both.server.receive(), (error: WebSocketError) => {
    assert.equal(error.code, "bad_frame");
    assert.equal(error.sent?.code, 1002);
    return true;
  });
});

test("a close that is not answered is bounded in time", async () => {
  await using both = await rawPair({ closeTimeoutMs: 20 });
  const info = ended(both.server);
  await both.server.close(1001);
  assert.equal((await info).code, 1006);
  assert.equal(((await info).error as WebSocketError).code, "timeout");
  assert.equal(((await info).error as WebSocketError).sent?.code, 1001);
});

test("a peer that closes and then keeps TCP open is cut off", async () => {
  await using both = await rawPair({ closeTimeoutMs: 20 });
  both.peer.socket.allowHalfOpen = true;
  both.peer.write(frameFrom("client", 0x88, hex("03e8")));
  assert.deepEqual(await ended(both.server), { code: 1000, reason: "", wasClean: true });
});

test("closing while the application is far behind still completes the handshake", async () => {
  await using both = await pair({ receiveHighWaterBytes: 1 });
  for (let i = 0; i < 200; i++) await both.client.send("x".repeat(10_000));
  await both.server.close(1001, "bye");
  assert.deepEqual(await ended(both.client), { code: 1001, reason: "bye", wasClean: true });
});

test("abort cuts at once: the peer sees a broken connection, pending calls reject", async () => {
  await using both = await pair();
  const pending = assert.rejects(both.server.receive(), { code: "closed" });
  both.server.abort();
  await pending;
  await assert.rejects(both.client.receive(), { code: "abnormal_closure" });
});

test("bad close codes and reasons are refused", async () => {
  await using both = await pair();
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1000.5, Number.NaN]) {
    await assert.rejects(both.client.close(code), { code: "invalid_argument" });
  }
  await assert.rejects(both.client.close(1000, "x".repeat(124)), /124 bytes is longer than 123/);
  await both.client.close(1000, "x".repeat(123));
});

test("a handler that throws closes with 1011 and harms nobody else", async () => {
  await using server = await accepting();
  const accepted = server.listener.accept();
  const client = await dial(server.url);
  const conn = await accepted;
  const info = new Promise<CloseInfo>((resolve) => {
    conn.serve({
      message() {
        throw new Error("boom");
      },
      close: resolve,
    });
  });
  await client.send("x");
  assert.equal((await ended(client)).code, 1011);
  assert.equal((await info).wasClean, false);
  assert.equal(server.listener.addr.network, "tcp");
});

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
  // Until the operating system takes no more. On a busy machine what it took may be told after the time: so the event loop gets its turn then.
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

test("a half-open peer is found by keepalive", async () => {
  await using both = await rawPair({ pingIntervalMs: 20, pongTimeoutMs: 20 });
  const info = await ended(both.server);
  assert.equal(info.code, 1006);
  assert.equal((info.error as WebSocketError).code, "timeout");
  const client = new Recorder("client").feed(await both.peer.rest());
  assert.equal(client.pings.length, 1);
});

test("a half-open peer is found while the application does not read", async () => {
  await using server = await accepting({ pingIntervalMs: 20, pongTimeoutMs: 20 });
  const accepted = server.listener.accept();
  // With the request: keepalive may be faster than another write.
  const peer = await RawPeer.upgraded(server.port, frameFrom("client", 0x81, "unread"));
  const conn = await accepted;
  await peer.rest();
  assert.equal(await conn.receive(), "unread");
  await assert.rejects(conn.receive(), { code: "timeout" });
});

test("a peer that is held back because the application does not read is not taken for dead", async (t) => {
  const timeMs = 400_000;
  const check = takeRounds(t, checkPeriodMs(timeMs));
  await using both = await pair({ pingIntervalMs: timeMs, pongTimeoutMs: timeMs, receiveHighWaterBytes: 1 });
  let sent = 0;
  const sending = (async () => {
    for (; sent < 100; sent++) await both.client.send("x".repeat(300_000));
  })();
  await standsStill(() => sent);
  assert.ok(sent < 100);
  const { localAddr, peer } = both.server;
  assert.ok("port" in localAddr && "port" in peer.addr);
  const ends = {
    localAddress: localAddr.host,
    localPort: localAddr.port,
    remoteAddress: peer.addr.host,
    remotePort: peer.addr.port,
  };
  // Several times what keepalive waits.
  for (let checks = 0; checks < 30; checks++) {
    await check();
    await unacknowledgedBytes(ends); // Behind the look of the check, if it took one.
  }
  for (let i = 0; i < 100; i++) assert.equal((await both.server.receive())?.length, 300_000);
  await sending;
  await both.client.close();
});

test("a live peer that only answers pings stays, and its round trip is known", async () => {
  await using both = await pair({ pingIntervalMs: 5, pongTimeoutMs: 30_000 });
  while (both.server.roundTripMs === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  await both.client.send("still here");
  assert.equal(await both.server.receive(), "still here");
});

test("a ping that is never answered rejects when the connection ends", async () => {
  await using both = await rawPair();
  const pinged = both.server.ping();
  await both.peer.take(6);
  both.peer.socket.destroy();
  await assert.rejects(pinged, { code: "closed" });
});

// --- listener

test("drain sends 1001 and waits; then nothing more is accepted", async () => {
  await using server = await accepting();
  const accepted = server.listener.accept();
  const client = await dial(server.url);
  await accepted;
  const drained = server.listener.drain(Date.now() + 60_000);
  const signal = AbortSignal.abort();
  await assert.rejects(server.listener.drain(null, { signal }), { code: "canceled" });
  const [info] = await Promise.all([ended(client), drained]);
  assert.deepEqual(info, { code: 1001, reason: "going away", wasClean: true });
  await assert.rejects(dial(server.url), { code: "connect_failed" });
  await assert.rejects(server.listener.accept(), { code: "closed" });
});

// --- dial

test("dial says what was wrong with the answer", async () => {
  const good = (key: string) =>
    `HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n`;
  const answers: [string, RegExp][] = [
    [`${good("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")}\r\n`, /wrong Sec-WebSocket-Accept/],
    ["HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", /Upgrade is not websocket/],
    ["HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", /wrong Sec-WebSocket-Accept/],
  ];
  for (const [answer, reason] of answers) {
    await using server = await rawServer((_, socket) => socket.write(answer));
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), (error: WebSocketError) => {
      assert.equal(error.code, "handshake_failed");
      assert.match(error.message, reason);
      return true;
    });
  }
  const { acceptKey } = await import("../src/handshake/accept-key.ts");
  for (const extra of ["Sec-WebSocket-Protocol: x", "Sec-WebSocket-Extensions: permessage-deflate"]) {
    await using server = await rawServer((head, socket) => {
      const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(head)?.[1] ?? "";
      socket.write(`${good(acceptKey(key))}${extra}\r\n\r\n`);
    });
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), { code: "handshake_failed" });
  }
});

test("dial: a page instead of 101, a redirect, nothing, garbage, nobody", async () => {
  for (const [answer, status] of [
    ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage", 200],
    ["HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302],
    ["HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000000\r\n\r\nx", 401],
  ] as const) {
    await using server = await rawServer((_, socket) => socket.write(answer));
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), { code: "refused", status });
  }
  {
    await using server = await rawServer(() => undefined);
    const url = `ws://127.0.0.1:${server.port}`;
    await assert.rejects(dial(url, { handshakeTimeoutMs: 20 }), { code: "timeout" });
    await assert.rejects(dial(url, { signal: AbortSignal.timeout(20) }), { code: "canceled" });
    await assert.rejects(dial(url, { signal: AbortSignal.abort() }), { code: "canceled" });
  }
  {
    await using server = await rawServer((_, socket) => socket.write("nonsense\r\n\r\n"));
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), { code: "handshake_failed" });
  }
  {
    await using server = await rawServer((_, socket) => socket.destroy());
    await assert.rejects(dial(`ws://127.0.0.1:${server.port}`), { code: "connect_failed" });
  }
  await assert.rejects(dial("ws://127.0.0.1:1"), { code: "connect_failed" });
});

test("dial refuses bad arguments", async () => {
  for (const url of ["", "ftp://a", "ws://a#b", "ws://", "//a"])
    await assert.rejects(dial(url), { code: "invalid_address" });
  const bad = { code: "invalid_argument" };
  await assert.rejects(dial("ws://a", { subprotocols: ["a b"] }), bad);
  await assert.rejects(dial("ws://a", { subprotocols: ["a", "a"] }), bad);
  await assert.rejects(dial("ws://a", { headers: { "X-A": "a\r\nb" } }), bad);
  await assert.rejects(dial("ws://a", { headers: { Upgrade: "x" } }), bad);
  await assert.rejects(dial("ws://a", { handshakeTimeoutMs: -1 }), bad);
});

test("dial sends headers, and frames behind the answer are not lost", async () => {
  const { acceptKey } = await import("../src/handshake/accept-key.ts");
  let request = "";
  await using server = await rawServer((head, socket) => {
    request = head;
    const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(head)?.[1] ?? "";
    const answer = `HTTP/1.1 101 X\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n\r\n`;
    socket.write(Buffer.concat([Buffer.from(answer), frameFrom("server", 0x81, "early")]));
  });
  const conn = await dial(`ws://127.0.0.1:${server.port}/a?b`, {
    headers: { Origin: "http://o", Cookie: "c=1" },
  });
  assert.equal(await conn.receive(), "early");
  assert.match(request, /^GET \/a\?b HTTP\/1\.1\r\n/);
  assert.match(request, /\r\nOrigin: http:\/\/o\r\n/);
  assert.match(request, /\r\nCookie: c=1\r\n/);
  conn.abort();
});

test("dial follows redirects only when told to, and takes no credentials to another host", async () => {
  const seen: string[] = [];
  await using target = await rawServer((head, socket) => {
    seen.push(head);
    socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  });
  await using other = await rawServer((head, socket) => {
    const path = /^GET (\S+)/.exec(head)?.[1] ?? "";
    const location =
      path === "/here" ? "/there" : path === "/there" ? `ws://127.0.0.1:${target.port}/x` : "/loop";
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
    seen.push(head);
  });
  const headers = { Authorization: "Bearer secret", Cookie: "a=1", "X-Other": "2" };
  const url = `ws://user:pass@127.0.0.1:${other.port}/here`;
  await assert.rejects(dial(url, { headers }), { code: "refused", status: 302 });
  assert.equal(seen.length, 1);
  await assert.rejects(dial(url, { headers, maxRedirects: 1 }), { code: "refused", status: 302 });
  seen.length = 0;
  await assert.rejects(dial(url, { headers, maxRedirects: 2 }), { code: "refused", status: 403 });
  const [here = "", there = "", there2 = ""] = seen;
  for (const head of [here, there]) assert.match(head, /\r\nCookie: a=1\r\n/);
  assert.match(here, /\r\nAuthorization: Bearer secret\r\n/);
  assert.ok(!/authorization|cookie|secret/i.test(there2), there2);
  assert.doesNotMatch(there2, /X-Other/i);
  await assert.rejects(dial(`ws://127.0.0.1:${other.port}/loop`, { maxRedirects: 5 }), {
    code: "refused",
    status: 302,
  });
});
