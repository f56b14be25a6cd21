// What had arrived, what is told, and what still leaves, when a peer goes while much waits for it.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { before, test } from "node:test";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { type CloseInfo, dial as dialNet, type Message } from "@zocalo/net";
import { dial, type ListenOptions, Upgrader, type WebSocketConn } from "../src/index.ts";
import { enableReadBuffer, trialsOver } from "@zocalo/net/transport";
import { selfSigned } from "./certificate.ts";
import { handshakeAnswer } from "./handshake-answer.ts";
import { accepting, ended, httpServer, RawPeer, rawServer, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";
import { limits, MIB, unread } from "./much-to-send.ts";

before(trialsOver);

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
  // Each portion takes a part of the time after which a peer that takes nothing is cut off; all of them take
  // longer.
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
