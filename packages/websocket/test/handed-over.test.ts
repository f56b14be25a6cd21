// Decision 0011: what an application hands over is read until the promise settles, by `trySend` until it returns; and written means that the system took it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Duplex } from "node:stream";
import { before, test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { type CloseInfo, dial as dialNet, listen, type Message } from "@zocalo/net";
import { dial, type ListenOptions, Upgrader, type WebSocketConn } from "../src/index.ts";
import { enableReadBuffer, enableWritePastQueue, trialsOver } from "@zocalo/net/transport";
import { selfSigned } from "./certificate.ts";
import { handshakeAnswer } from "./handshake-answer.ts";
import { accepting, ended, httpServer, RawPeer, rawServer, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

before(trialsOver);

const MIB = 1_048_576;
const limits = { sendLimitBytes: 64 * MIB, maxMessageBytes: 64 * MIB } as const;

interface Pair extends AsyncDisposable {
  readonly client: WebSocketConn;
  readonly server: WebSocketConn;
}

async function pair(options: ListenOptions = limits): Promise<Pair> {
  const { listener, url } = await accepting(options);
  const accepted = listener.accept();
  const client = await dial(url, { ...limits, compression: options.compression });
  return {
    client,
    server: await accepted,
    async [Symbol.asyncDispose]() {
      client.abort();
      await listener.abort();
    },
  };
}

/** A connection whose peer is a socket that nobody reads. */
async function unread(
  options: ListenOptions = limits,
): Promise<{ peer: Socket; conn: WebSocketConn } & AsyncDisposable> {
  const { listener, port } = await accepting(options);
  const accepted = listener.accept();
  const { socket: peer } = await RawPeer.upgraded(port);
  peer.pause();
  return {
    peer,
    conn: await accepted,
    async [Symbol.asyncDispose]() {
      peer.destroy();
      await listener.abort();
    },
  };
}

async function drain(peer: Socket): Promise<void> {
  peer.resume();
  if (!peer.destroyed) await once(peer, "close");
}

const SIZES = [100, 16_384, 65_535, 65_536, MIB, 3 * MIB];

for (const from of ["server", "client"] as const) {
  for (const how of ["trySend", "send", "sendStream"] as const) {
    for (const compression of [false, true]) {
      test(`bytes may be written over after ${how} (${from}${compression ? ", compressed" : ""})`, async () => {
        await using both = await pair({ ...limits, compression });
        const [sender, receiver] =
          from === "server" ? [both.server, both.client] : [both.client, both.server];
        const memory = new Uint8Array(3 * MIB);
        const sending = (async () => {
          for (const [i, size] of [...SIZES, ...SIZES].entries()) {
            const bytes = memory.subarray(0, size);
            if (how === "sendStream") {
              await sender.sendStream(
                (function* () {
                  for (let part = 0; part < 3; part++) {
                    yield bytes.fill(i + 1);
                    bytes.fill(0xee);
                  }
                })(),
              );
            } else if (how === "send") await sender.send(bytes.fill(i + 1));
            else assert.notEqual(sender.trySend(bytes.fill(i + 1)), "refused");
            bytes.fill(0xee);
          }
        })();
        const times = how === "sendStream" ? 3 : 1;
        for (const [i, size] of [...SIZES, ...SIZES].entries()) {
          const message = (await receiver.receive()) as Uint8Array;
          assert.equal(message.length, size * times);
          assert.ok(
            message.every((byte) => byte === i + 1),
            `message ${i} of ${size} bytes`,
          );
        }
        await sending;
      });
    }
  }
}

for (const isOn of [true, false]) {
  test(`send of 64 KiB and more copies nothing, and waits until the system has it (${isOn ? "past the queue" : "by the stream"})`, async (t) => {
    enableWritePastQueue(isOn);
    t.after(() => enableWritePastQueue(true));
    await using both = await unread();
    let isTaken = false;
    const sent = both.conn.send(new Uint8Array(32 * MIB)).then(() => {
      isTaken = true;
      return undefined;
    });
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isTaken, false);
    both.peer.resume();
    await sent;
    assert.equal(both.conn.bufferedAmount, 0);
  });
}

test("flush resolves at once when nothing waits, and after what was sent otherwise", async () => {
  await using both = await unread();
  await both.conn.flush();
  both.conn.trySend(new Uint8Array(16 * MIB));
  let isFlushed = false;
  const flushed = both.conn.flush().then(() => {
    isFlushed = true;
    return undefined;
  });
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isFlushed, false);
  assert.ok(both.conn.bufferedAmount > 0);
  both.peer.resume();
  await flushed;
  assert.equal(both.conn.bufferedAmount, 0);
});

test("flush waits for a stream that was begun, and for what waits behind it", async () => {
  await using both = await pair();
  let goOn = (): void => undefined;
  const paused = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const streaming = both.server.sendStream(
    (async function* () {
      yield "a";
      await paused;
      yield "b";
    })(),
  );
  const behind = both.server.send("c");
  let isFlushed = false;
  const flushed = both.server.flush().then(() => {
    isFlushed = true;
    return undefined;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isFlushed, false);
  goOn();
  await Promise.all([streaming, behind, flushed]);
  assert.equal(await both.client.receive(), "ab");
  assert.equal(await both.client.receive(), "c");
});

test("a flush that is canceled rejects, and what was sent still leaves", async () => {
  await using both = await unread();
  both.conn.trySend(new Uint8Array(16 * MIB));
  const canceling = new AbortController();
  const flushed = both.conn.flush({ signal: canceling.signal });
  canceling.abort();
  await assert.rejects(flushed, { code: "canceled" });
  const again = both.conn.flush();
  both.peer.resume();
  await again;
});

for (const how of ["trySend", "send", "sendStream"] as const) {
  test(`flush and close reject when the peer resets before it has taken all (${how})`, async () => {
    await using both = await unread();
    const { conn, peer } = both;
    const bytes = new Uint8Array(32 * MIB);
    if (how === "trySend") conn.trySend(bytes);
    else if (how === "send") void conn.send(bytes);
    else void conn.sendStream([bytes]);
    const flushed = conn.flush();
    const isOver = ended(conn);
    peer.resetAndDestroy();
    await assert.rejects(flushed, { code: "closed" });
    assert.equal((await isOver).wasClean, false);
    await assert.rejects(conn.flush(), { code: "closed" });
    await assert.rejects(conn.close(), { code: "closed" });
    await conn[Symbol.asyncDispose]();
  });
}

test("close rejects when it gives up before all was taken, and when it is cut off", async () => {
  await using slow = await unread({ ...limits, closeTimeoutMs: 50 });
  slow.conn.trySend(new Uint8Array(32 * MIB));
  await assert.rejects(slow.conn.close(), { code: "closed" });
  await using cut = await unread();
  cut.conn.trySend(new Uint8Array(32 * MIB));
  const closed = cut.conn.close();
  cut.conn.abort();
  await assert.rejects(closed, { code: "closed" });
});

test("close resolves when all was taken, answered or not", async () => {
  await using both = await unread({ ...limits, closeTimeoutMs: 50 });
  both.conn.trySend("x");
  await both.conn.close();
  await both.conn.flush();
  await drain(both.peer);
});

test("close resolves behind much that is slowly taken", async () => {
  await using both = await pair();
  const got = (async () => {
    let bytes = 0;
    for await (const message of both.client) bytes += message.length;
    return bytes;
  })();
  for (let i = 0; i < 20; i++) both.server.trySend(new Uint8Array(MIB));
  await both.server.close();
  assert.equal(await got, 20 * MIB);
});

test("no call that nobody waits for ends the process", async (t) => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  t.after(() => process.off("unhandledRejection", note));
  await using both = await unread();
  const { conn, peer } = both;
  const callAll = (): void => {
    void conn.send(new Uint8Array(32 * MIB));
    void conn.send("x");
    void conn.send("x", { signal: AbortSignal.abort() });
    void conn.sendStream(["a", new Uint8Array(1)]);
    void conn.flush();
    void conn.ping();
    void conn.receive();
    void conn.receiveStream();
    void conn.close(99);
  };
  callAll();
  peer.resetAndDestroy();
  await assert.rejects(conn.receive());
  callAll();
  void conn.close();
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(unhandled, []);
});

test("what had arrived before a write failed is received, with the peer's Close frame", async () => {
  let peer: Socket | undefined;
  await using server = await rawServer((head, socket) => {
    peer = socket;
    socket.write(handshakeAnswer(head));
  });
  const conn = await dial(`ws://127.0.0.1:${server.port}`);
  assert.ok(peer !== undefined);
  const close = Buffer.concat([Buffer.from([0x03, 0xf0]), Buffer.from("go away")]);
  peer.write(
    Buffer.concat([
      frameFrom("server", 0x81, "one"),
      frameFrom("server", 0x82, new Uint8Array(100_000).fill(2)),
      frameFrom("server", 0x88, close),
    ]),
  );
  // All of it is in the system's buffer of this side, with the reset behind it. The write comes first.
  peer.resetAndDestroy();
  conn.trySend(new Uint8Array(200_000));
  const messages: Message[] = [];
  const info = await new Promise<CloseInfo>((resolve) => {
    conn.serve({ message: (message) => void messages.push(message), close: resolve });
  });
  assert.deepEqual(messages, ["one", new Uint8Array(100_000).fill(2)]);
  assert.equal(info.code, 1008);
  assert.equal(info.reason, "go away");
  await assert.rejects(conn.flush(), { code: "closed" });
});

for (const [how, receiveHighWaterBytes] of [
  ["send", 1],
  ["send", MIB],
  ["sendStream", 1],
  ["sendStream", MIB],
] as const) {
  test(`over TLS, too, what had arrived before a ${how} failed is received (room to read ahead: ${receiveHighWaterBytes})`, async () => {
    const identity = selfSigned("IP:127.0.0.1");
    const tls = { cert: identity.cert, key: identity.key };
    await using server = await accepting({ ...limits, receiveHighWaterBytes, tls });
    const accepted = server.listener.accept();
    const peer = await dialNet("tls", `127.0.0.1:${server.port}`, { ca: identity.cert });
    await peer.write(Buffer.from(upgradeRequest()));
    await peer.read();
    const conn = await accepted;
    const parts = ["one", "two", "three"].map((text) => frameFrom("client", 0x81, text));
    const close = Buffer.concat([Buffer.from([0x03, 0xf0]), Buffer.from("go away")]);
    const much = new Uint8Array(32 * MIB);
    const sent = how === "send" ? conn.send(much) : conn.sendStream([much, much]);
    await peer.write(Buffer.concat([...parts, frameFrom("client", 0x88, close)]));
    assert.equal(await conn.receive(), "one"); // So the rest has come, too.
    peer.abort();
    await assert.rejects(sent, { code: "closed" });
    for (const text of ["two", "three"]) assert.equal(await conn.receive(), text);
    // It said goodbye, but did not take what it was sent.
    await assert.rejects(conn.receive(), {
      code: "abnormal_closure",
      received: { code: 1008, reason: "go away" },
    });
  });
}

test("a send that waits rejects when a write fails, though the application has not read all", async () => {
  let peer: Socket | undefined;
  await using server = await rawServer((head, socket) => {
    peer = socket;
    socket.pause();
    socket.write(handshakeAnswer(head));
  });
  const conn = await dial(`ws://127.0.0.1:${server.port}`, { ...limits, receiveHighWaterBytes: 1 });
  assert.ok(peer !== undefined);
  for (const text of ["one", "two", "three"]) peer.write(frameFrom("server", 0x81, text));
  const sent = conn.send(new Uint8Array(32 * MIB));
  await new Promise((resolve) => setTimeout(resolve, 20));
  peer.resetAndDestroy();
  await assert.rejects(sent, { code: "closed" });
  for (const text of ["one", "two", "three"]) assert.equal(await conn.receive(), text);
  await assert.rejects(conn.receive(), { code: "abnormal_closure" });
});

/** A connection on which `bytes` wait, and whose peer has said that it goes. */
async function left(closeTimeoutMs: number, bytes: number): Promise<Awaited<ReturnType<typeof unread>>> {
  const both = await unread({ ...limits, closeTimeoutMs });
  for (let sent = 0; sent < bytes; sent += MIB) both.conn.trySend(new Uint8Array(MIB));
  both.peer.write(frameFrom("client", 0x88, Buffer.from([0x03, 0xe8])));
  return both;
}

test("a peer that closes and reads on, slowly, gets all that was sent before, however long that takes", async () => {
  await using both = await left(500, 24 * MIB);
  const end = ended(both.conn);
  let received = 0;
  const begun = performance.now();
  // Each portion takes a part of the time after which a peer that takes nothing is cut off; all of them take longer.
  both.peer.on("data", (chunk) => (received += chunk.length));
  while (!both.peer.closed) {
    both.peer.resume();
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (performance.now() - begun < 1500) both.peer.pause();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(received > 24 * MIB, `${received} bytes`);
  assert.deepEqual(await end, { code: 1000, reason: "", wasClean: true });
});

for (const scheme of ["ws", "wss"] as const) {
  for (const role of ["server", "client"] as const) {
    test(`one that also ends its side of the connection gets all, and the answer (${scheme}, our ${role})`, async () => {
      const identity = selfSigned("IP:127.0.0.1");
      const tls = scheme === "wss" ? { cert: identity.cert, key: identity.key } : undefined;
      const { conn, peer, dispose } =
        role === "server" ? await acceptedFrom(tls, identity.cert) : await dialedTo(tls, identity.cert);
      peer.pause();
      const from = role === "server" ? "client" : "server";
      for (let i = 0; i < 24; i++) conn.trySend(new Uint8Array(MIB));
      peer.end(frameFrom(from, 0x88, Buffer.from([0x03, 0xe8])));
      while (conn.isOpen) await new Promise((resolve) => setImmediate(resolve));
      let received = 0;
      let last: Buffer = Buffer.alloc(0);
      for await (const chunk of peer) {
        received += (chunk as Buffer).length;
        last = chunk as Buffer;
      }
      assert.ok(received > 24 * MIB, `${received} bytes`);
      const close = role === "server" ? 4 : 8;
      assert.equal((last.at(-close) ?? 0) & 0x0f, 8, "a Close frame comes last");
      assert.deepEqual([conn.hasLost, await conn.receive()], [false, null]);
      await dispose();
    });
  }
}

async function acceptedFrom(
  tls: { cert: string; key: string } | undefined,
  ca: string,
  options: ListenOptions = {},
): Promise<Ended> {
  const server = await accepting({ ...limits, tls, ...options });
  const accepted = server.listener.accept();
  const at = { port: server.port, host: "127.0.0.1", allowHalfOpen: true };
  const peer = tls === undefined ? connect(at) : connectTls({ ...at, ca });
  peer.write(upgradeRequest());
  await once(peer, "data");
  return { conn: await accepted, peer, dispose: () => server.listener.abort() };
}

async function dialedTo(tls: { cert: string; key: string } | undefined, ca: string): Promise<Ended> {
  const options = { allowHalfOpen: true };
  const server = tls === undefined ? createTcpServer(options) : createTlsServer({ ...tls, ...options });
  const arrived = once(server, tls === undefined ? "connection" : "secureConnection") as Promise<[Socket]>;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const dialing = dial(`${tls === undefined ? "ws" : "wss"}://127.0.0.1:${port}`, { ...limits, tls: { ca } });
  const [peer] = await arrived;
  const [head] = (await once(peer, "data")) as [Buffer];
  peer.write(handshakeAnswer(String(head)));
  return { conn: await dialing, peer, dispose: async () => void server.close() };
}

interface Ended {
  readonly conn: WebSocketConn;
  readonly peer: Socket;
  readonly dispose: () => Promise<unknown>;
}

test("one that closes, ends its side and then resets is told at once, with the system's reason", async () => {
  const { conn, peer, dispose } = await acceptedFrom(undefined, "");
  peer.pause();
  for (let i = 0; i < 24; i++) conn.trySend(new Uint8Array(MIB));
  const end = ended(conn);
  peer.end(frameFrom("client", 0x88, Buffer.from([0x03, 0xe8])));
  while (conn.isOpen) await new Promise((resolve) => setImmediate(resolve));
  peer.resetAndDestroy();
  const { wasClean, code, error } = await end;
  assert.deepEqual({ wasClean, code }, { wasClean: false, code: 1000 });
  assert.equal((error as { code?: string }).code, "abnormal_closure");
  await dispose();
});

test("one that breaks the protocol and then resets is told at once, too", async () => {
  // Not when a timer ends.
  const { conn, peer, dispose } = await acceptedFrom(undefined, "", { closeTimeoutMs: 3_600_000 });
  peer.pause();
  for (let i = 0; i < 24; i++) conn.trySend(new Uint8Array(MIB));
  const end = ended(conn);
  peer.end(frameFrom("server", 0x81, "not masked"));
  while (conn.isOpen) await new Promise((resolve) => setImmediate(resolve));
  peer.resetAndDestroy();
  const { wasClean, error } = await end;
  assert.equal(wasClean, false);
  assert.equal((error as { code?: string }).code, "bad_frame");
  await dispose();
});

for (const scheme of ["ws", "wss"] as const) {
  for (const role of ["server", "client"] as const) {
    for (const isShared of [true, false]) {
      const how = `${scheme}, our ${role}${isShared ? "" : ", on data events"}`;
      test(`one that ends its side while the application is behind gets the answers, and the Close frame (${how})`, async (t) => {
        enableReadBuffer(isShared);
        t.after(() => enableReadBuffer(true));
        const identity = selfSigned("IP:127.0.0.1");
        const tls = scheme === "wss" ? { cert: identity.cert, key: identity.key } : undefined;
        const { conn, peer, dispose } =
          role === "server" ? await acceptedFrom(tls, identity.cert) : await dialedTo(tls, identity.cert);
        const from = role === "server" ? "client" : "server";
        // More than may wait, in one read; the end comes while nothing is read.
        const count = 400;
        let handled = 0;
        const messages = Array.from({ length: count }, (_, i) =>
          frameFrom(from, 0x82, Buffer.from([i & 255, i >> 8])),
        );
        const closed = new Promise<CloseInfo>((close) => {
          conn.serve({
            async message(message) {
              handled += 1;
              await new Promise((resolve) => setImmediate(resolve));
              // What waited when the Close frame was read cannot be answered any more.
              await conn.send(message).catch(() => undefined);
            },
            close,
          });
        });
        peer.end(Buffer.concat([...messages, frameFrom(from, 0x88, Buffer.from([0x03, 0xe8]))]));
        let received = 0;
        let last: Buffer = Buffer.alloc(0);
        for await (const chunk of peer) {
          received += (chunk as Buffer).length;
          last = chunk as Buffer;
        }
        const frame = role === "server" ? 4 : 8;
        assert.ok(received >= (count - 128 + 1) * frame, `${received} bytes`);
        assert.equal((await closed).wasClean, true);
        assert.equal(handled, count);
        assert.equal((last.at(-frame) ?? 0) & 0x0f, 8, "a Close frame comes last");
        await dispose();
      });
    }
  }
}

test("a stream below that throws when it is written breaks the connection, and nothing else", async (t) => {
  await using http = await httpServer();
  const upgrader = new Upgrader();
  const upgraded = new Promise<WebSocketConn>((resolve) => {
    http.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      let writes = 0;
      const below = new Duplex({
        read() {},
        write(chunk, _encoding, done) {
          writes += 1;
          if (writes > 1) throw new Error("cannot be written");
          socket.write(chunk, done);
        },
        destroy(error, done) {
          socket.destroy();
          done(error);
        },
      });
      resolve(upgrader.upgrade(request, below, head));
    });
  });
  const peer = await RawPeer.upgraded(http.port);
  t.after(() => peer.socket.destroy());
  const conn = await upgraded;
  const end = ended(conn);
  assert.equal(conn.trySend("one"), "sent");
  await assert.rejects(conn.flush(), { code: "closed" });
  const { wasClean, error } = await end;
  assert.equal(wasClean, false);
  assert.match(String((error as Error).cause), /cannot be written/);
});

/** How a connection is told to end whose handler waits for a send, and is behind, when the peer resets. */
async function failing(message: (sent: Promise<void>) => Promise<void>): Promise<CloseInfo> {
  // Nothing is read any more, so that the failed write is what is noticed first.
  await using both = await unread({ ...limits, receiveHighWaterBytes: 1 });
  const { conn, peer } = both;
  const closed = new Promise<CloseInfo>((close) => {
    conn.serve({ message: () => message(conn.send(new Uint8Array(24 * MIB))), close });
  });
  for (let i = 0; i < 3; i++) peer.write(frameFrom("client", 0x81, "more than one takes at once"));
  while (conn.bufferedAmount === 0) await new Promise((resolve) => setImmediate(resolve));
  peer.resetAndDestroy();
  return await closed;
}

test("a handler that passes on that its send failed is not called the reason", async () => {
  const { code, error } = await failing((sent) => sent);
  assert.equal(code, 1006);
  assert.equal((error as { code?: string }).code, "abnormal_closure");
  assert.match(String((error as Error).cause), /ECONNRESET|EPIPE/);
});

test("one that has another reason is, though the connection has broken", async () => {
  const { code, error } = await failing((sent) =>
    sent.catch(() => {
      throw new TypeError("a mistake");
    }),
  );
  assert.equal(code, 1011);
  assert.match(String(error), /a mistake/);
});

test("one that closes and takes nothing more is cut off, and the end is not clean", async () => {
  await using both = await left(200, 24 * MIB);
  const { wasClean, error } = await ended(both.conn);
  assert.equal(wasClean, false);
  assert.equal((error as { code?: string }).code, "timeout");
  await assert.rejects(both.conn.close(), { code: "closed" });
});

test("one that closes and then resets before all was taken is no clean end, and its code stays", async () => {
  await using both = await left(60_000, 24 * MIB);
  const end = ended(both.conn);
  while (both.conn.isOpen) await new Promise((resolve) => setImmediate(resolve));
  both.peer.resetAndDestroy();
  const { wasClean, code, error } = await end;
  assert.deepEqual({ wasClean, code }, { wasClean: false, code: 1000 });
  assert.match(String(error), /before the system had taken all/);
});

test("a send that its signal cancels behind a stream is not sent, and its memory is the caller's at once", async () => {
  await using both = await pair();
  let goOn = (): void => {};
  const streaming = both.client.sendStream(
    (async function* () {
      yield "begun";
      await new Promise<void>((resolve) => (goOn = resolve));
    })(),
  );
  const controller = new AbortController();
  const bytes = Buffer.from("not sent");
  const canceled = both.client.send(bytes, { signal: controller.signal });
  const kept = Buffer.from("sent");
  const sent = both.client.send(kept, { signal: new AbortController().signal });
  kept.fill(0);
  controller.abort();
  await assert.rejects(canceled, { code: "canceled" });
  goOn();
  await Promise.all([streaming, sent]);
  assert.equal(await both.server.receive(), "begun");
  assert.equal(String(Buffer.from((await both.server.receive()) as Uint8Array)), "sent");
});

/** Takes `bytes` every 10 ms, and says nothing. */
async function slowTaker(
  to: { readonly port: number } | { readonly path: string },
  bytes: number,
): Promise<{ socket: Socket; taken(): number; stop(): void }> {
  const socket = "path" in to ? connect(to.path) : connect({ ...to, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  socket.on("readable", () => undefined);
  socket.write(upgradeRequest());
  let taken = 0;
  const timer = setInterval(() => {
    for (let due = bytes; due > 0; ) {
      const chunk = socket.read(Math.min(due, socket.readableLength)) as Buffer | null;
      if (chunk === null) break;
      taken += chunk.length;
      due -= chunk.length;
    }
  }, 10);
  await once(socket, "connect");
  return { socket, taken: () => taken, stop: () => clearInterval(timer) };
}

test("a peer that slowly takes what it is sent, and says nothing, is alive", async () => {
  await using server = await accepting({
    ...limits,
    pingIntervalMs: 1000,
    pongTimeoutMs: 1000,
    writeTimeoutMs: Infinity,
  });
  const accepted = server.listener.accept();
  const peer = await slowTaker(server, 65_536);
  const conn = await accepted;
  let isOver = false;
  const end = ended(conn).finally(() => {
    isOver = true;
  });
  const size = 24 * MIB;
  void conn.send(new Uint8Array(size));
  while (peer.taken() < size && !isOver) await new Promise((resolve) => setTimeout(resolve, 10));
  // It stops, and is found.
  peer.stop();
  assert.equal(isOver, false);
  assert.equal(((await end).error as { code?: string }).code, "timeout");
  peer.socket.destroy();
});

test("so is one where nobody knows what it has acknowledged: what leaves the queue counts", async () => {
  const path = join(await mkdtemp(join(tmpdir(), "zocalo-")), "socket");
  const http = createServer().listen(path);
  await once(http, "listening");
  const upgrader = new Upgrader({
    ...limits,
    pingIntervalMs: 1000,
    pongTimeoutMs: 1000,
    writeTimeoutMs: Infinity,
  });
  const upgraded = once(http, "upgrade") as Promise<[IncomingMessage, Duplex, Buffer]>;
  const peer = await slowTaker({ path }, 65_536);
  const conn = await upgrader.upgrade(...(await upgraded));
  let isOver = false;
  const end = ended(conn).finally(() => {
    isOver = true;
  });
  const size = 24 * MIB;
  void conn.send(new Uint8Array(size));
  while (peer.taken() < size && !isOver) await new Promise((resolve) => setTimeout(resolve, 10));
  peer.stop();
  assert.equal(isOver, false);
  assert.equal(((await end).error as { code?: string }).code, "timeout");
  peer.socket.destroy();
  http.close();
  await rm(dirname(path), { recursive: true });
});

test("a peer that takes nothing and says nothing is found, though much waits for it", async () => {
  await using both = await unread({
    ...limits,
    pingIntervalMs: 50,
    pongTimeoutMs: 50,
    writeTimeoutMs: Infinity,
  });
  both.conn.trySend(new Uint8Array(32 * MIB));
  const info = await ended(both.conn);
  assert.equal((info.error as { code?: string }).code, "timeout");
});

test("bytes that a connection of net lends are the sender's no longer than that, wherever they wait", async () => {
  await using quick = await pair();
  await using slow = await unread();
  const listener = await listen("tcp", "127.0.0.1:0");
  const source = await dialNet("tcp", String(listener.addr));
  const relay = await listener.accept();
  const total = 16 * MIB; // More than the systems of both ends hold.
  let passed = 0;
  const ended = new Promise<void>((end) => {
    relay.serve({
      data(bytes) {
        // A position in each word, so that a byte in the wrong place is found.
        void slow.conn.send(bytes);
        void quick.server.send(bytes);
        void quick.server.send(Buffer.from(bytes));
        passed += bytes.length;
      },
      end,
    });
  });
  const content = new Uint32Array(total / 4).map((_, i) => i);
  const sending = source.write(new Uint8Array(content.buffer)).then(() => source.closeWrite());
  const kept: Buffer[][] = [[], []];
  for (let length = [0, 0], at = 0; length[1] !== total; at = 1 - at) {
    const message = await quick.client.receive();
    assert.ok(message instanceof Uint8Array);
    kept[at]?.push(Buffer.from(message));
    length = length.map((sum, i) => (i === at ? sum + message.length : sum));
  }
  await Promise.all([sending, ended]);
  assert.equal(passed, total);
  const expected = Buffer.from(content.buffer);
  for (const each of kept) assert.equal(Buffer.concat(each).compare(expected), 0);
  source.abort();
  await listener.abort();
  // The one that was not read: each frame is a portion of the same content.
  let seen = Buffer.alloc(0);
  slow.peer.on("data", (bytes: Buffer) => (seen = Buffer.concat([seen, bytes])));
  slow.peer.resume();
  await slow.conn.flush().catch(() => undefined);
  let at = 0;
  let position = 0;
  while (at + 10 < seen.length) {
    const short = (seen[at + 1] ?? 0) & 127;
    const header = short === 126 ? 4 : short === 127 ? 10 : 2;
    const length =
      short === 126
        ? seen.readUInt16BE(at + 2)
        : short === 127
          ? Number(seen.readBigUInt64BE(at + 2))
          : short;
    const payload = seen.subarray(at + header, at + header + length);
    assert.equal(
      payload.compare(expected.subarray(position, position + payload.length)),
      0,
      `at ${position}`,
    );
    position += payload.length;
    at += header + length;
  }
  assert.ok(position > MIB);
});
