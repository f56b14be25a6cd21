import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { takeRounds } from "@zocalo/integrity";
import {
  type Conn,
  delimited,
  dial,
  type FramedOptions,
  lengthPrefixed,
  lines,
  listen,
  type Listener,
  type MessageConn,
  NetError,
  pipe,
} from "@zocalo/net";
import { checkPeriodMs, unacknowledgedBytes } from "@zocalo/net/transport";

/** A pair of streams, one accepted and one dialed, with what has to be closed after them. */
interface Pair {
  readonly server: Conn;
  readonly client: Conn;
  readonly listener?: Listener;
}

async function tcp(): Promise<Pair> {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [server, client] = await Promise.all([listener.accept(), dial("tcp", String(listener.addr))]);
  return { server, client, listener };
}

async function unix(): Promise<Pair> {
  const address = `/tmp/zocalo-framing-${process.pid}.sock`;
  const listener = await listen("unix", address);
  const [server, client] = await Promise.all([listener.accept(), dial("unix", address)]);
  return { server, client, listener };
}

function memory(): Promise<Pair> {
  const [server, client] = pipe();
  return Promise.resolve({ server, client });
}

const framings: { name: string; frame: (conn: Conn) => MessageConn }[] = [
  { name: "lines", frame: (conn) => lines(conn) },
  {
    name: "u32",
    frame: (conn) => lengthPrefixed(conn, "u32", { messages: "text", maxMessageBytes: 1_000_000 }),
  },
  { name: "delimiter", frame: (conn) => delimited(conn, "\0\0", { messages: "text" }) },
];

for (const [transport, open] of Object.entries({ tcp, pipe: memory })) {
  test(`lines over ${transport}: iteration that meets a reset says that it could not read`, async () => {
    const { server, client, listener } = await open();
    const next = lines(server)[Symbol.asyncIterator]().next();
    client.abort();
    await assert.rejects(next, { code: "reset", op: "read" });
    await listener?.close();
  });
}

for (const [transport, open] of Object.entries({ tcp, unix, pipe: memory })) {
  for (const { name, frame } of framings) {
    test(`${name} over ${transport}: an echo of many messages, closed in order`, async () => {
      const { server, client, listener } = await open();
      const a = frame(server);
      const b = frame(client);
      assert.equal(a.peer.transport, transport);
      const echoing = (async () => {
        for await (const message of a) await a.send(message);
      })();
      const sent = Array.from({ length: 500 }, (_, i) => `${i} `.repeat(i % 97));
      const receiving = (async () => {
        const received: unknown[] = [];
        while (received.length < sent.length) received.push(await b.receive());
        return received;
      })();
      for (const message of sent) await b.send(message);
      assert.deepEqual(await receiving, sent);
      await b.close();
      await echoing;
      await a.close();
      await listener?.close();
    });
  }

  test(`lines over ${transport}: bytes one by one, in both styles`, async () => {
    const { server, client, listener } = await open();
    const conn = lines(server);
    const log: string[] = [];
    const closed = new Promise<void>((resolve) => {
      conn.serve({ message: (message) => void log.push(String(message)), close: () => resolve() });
    });
    for (const byte of Buffer.from("señal\r\n\nfin\n")) await client.write(Buffer.of(byte));
    await client.closeWrite();
    await closed;
    assert.deepEqual(log, ["señal", "", "fin"]);
    assert.equal(await client.read(), null, "the server closes once it has told the end");
    await client.close();
    await listener?.close();
  });

  test(`lines over ${transport}: a last word reaches a peer that is still sending a line without end`, async () => {
    const { server, client, listener } = await open();
    const conn = lines(server);
    conn.serve({ message() {}, close: ({ code }) => void conn.trySend(`closed with ${code}`) });
    const flooding = client.write(Buffer.alloc(2_000_000, "x")).catch((error: unknown) => error);
    const farewell = await lines(client).receive();
    assert.equal(farewell, "closed with 1009");
    client.abort();
    await flooding;
    await listener?.close();
  });
}

test("a slow reader stops the sender at its limits, and every byte arrives", async () => {
  const { server, client, listener } = await tcp();
  const a = lengthPrefixed(server, "u32", { maxMessageBytes: 100_000 });
  const b = lengthPrefixed(client, "u32", { maxMessageBytes: 100_000 });
  const expected = createHash("sha256");
  let highest = 0;
  const sending = (async () => {
    for (let i = 0; i < 300; i++) {
      const message = Buffer.alloc(i * 300, i);
      expected.update(message);
      await a.send(message);
      highest = Math.max(highest, a.bufferedAmount);
    }
    await a.close();
  })();
  const actual = createHash("sha256");
  for await (const message of b) {
    actual.update(message);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await sending;
  await b.close();
  assert.equal(actual.digest("hex"), expected.digest("hex"));
  assert.ok(highest < 65_536 + 90_004, `${highest} bytes were buffered`);
  await listener?.close();
});

test("a listener of lines accepts, drains and aborts like the one it stands on", async () => {
  const inner = await listen("tcp", "127.0.0.1:0");
  const listener = lines(inner);
  assert.equal(listener.addr, inner.addr);
  const accepting = listener.accept();
  const client = lines(await dial("tcp", String(listener.addr)));
  const conn = await accepting;
  const draining = listener.drain(null);
  await assert.rejects(listener.drain(null, { signal: AbortSignal.abort() }), { code: "canceled" });
  await conn.send("going");
  assert.equal(await client.receive(), "going");
  await client.close();
  assert.equal(await conn.receive(), null);
  await conn.close();
  await draining;
  await assert.rejects(
    listener.accept(),
    (error: unknown) => error instanceof NetError && error.code === "closed",
  );
  for await (const other of listener) other.abort();
  await listener.abort();
});

test("iterating over a listener of lines gives connections", async () => {
  const listener = lines(await listen("tcp", "127.0.0.1:0"));
  const serving = (async () => {
    for await (const conn of listener) conn.serve({ message: (message) => void conn.trySend(message) });
  })();
  const client = lines(await dial("tcp", String(listener.addr)));
  await client.send("hola");
  assert.equal(await client.receive(), "hola");
  await client.close();
  await listener.close();
  await serving;
});

test("lent bytes that are sent on are copied where they begin to wait", async () => {
  const { server, client, listener } = await tcp();
  const [near, far] = pipe();
  const options = { sendLimitBytes: 10_000_000, maxMessageBytes: 1_000_000 };
  const out = lengthPrefixed(near, "u32", options);
  const end = lengthPrefixed(far, "u32", options);
  let isTried = false;
  server.serve({
    data(bytes) {
      isTried = !isTried;
      if (isTried) out.trySend(bytes);
      else void out.send(bytes);
    },
    end: () => void out.close(),
  });
  // Each read overwrites what the one before has lent.
  const content = Buffer.alloc(3_000_000);
  for (let at = 0; at < content.length; at += 4) content.writeUInt32LE(at, at);
  await client.write(content);
  await client.closeWrite();
  const received: Uint8Array[] = [];
  for await (const message of end) received.push(message as Uint8Array);
  assert.ok(Buffer.concat(received).equals(content));
  await Promise.all([end.close(), server.close(), client.close()]);
  await listener?.close();
});

for (const [name, frame] of Object.entries({
  u16: (conn: Conn) => lengthPrefixed(conn, "u16"),
  varint: (conn: Conn) => lengthPrefixed(conn, "varint"),
  delimiter: (conn: Conn) => delimited(conn, "\n"),
})) {
  test(`${name}: a received message is the application's own, to change and to give away`, async () => {
    const { server, client, listener } = await tcp();
    const a = frame(server);
    const b = frame(client);
    const sizes = [5, 3000, 1, 40_000, 300, 60_000];
    for (const size of sizes) await a.send(Buffer.alloc(size, 65 + (size % 7)));
    const received: Uint8Array[] = [];
    while (received.length < sizes.length) received.push((await b.receive()) as Uint8Array);
    for (const [at, size] of sizes.entries()) {
      const message = received[at] ?? new Uint8Array(0);
      assert.ok(Buffer.alloc(size, 65 + (size % 7)).equals(message), `message ${at} of ${size} bytes`);
      if (at % 2 === 0) structuredClone(message.buffer, { transfer: [message.buffer as ArrayBuffer] });
      else new Uint8Array(message.buffer).fill(0xdb);
    }
    await Promise.all([a.close(), b.close()]);
    await listener?.close();
  });
}

const waysToFrame = {
  u32: (conn: Conn, options: FramedOptions) => lengthPrefixed(conn, "u32", options),
  lines: (conn: Conn, options: FramedOptions) => lines(conn, options),
  delimited: (conn: Conn, options: FramedOptions) => delimited(conn, "\0", options),
};

/** A framed connection with more to send than the system takes, and its peer, which reads nothing. */
async function backlogged(
  frame: (conn: Conn, options: FramedOptions) => MessageConn,
  writeTimeoutMs: number,
) {
  const { server, client, listener } = await tcp();
  const conn = frame(server, { sendLimitBytes: 100_000_000, writeTimeoutMs });
  conn.trySend("x".repeat(30_000_000));
  return { conn, client, end: async () => listener?.close() };
}

const isTimeout = (error: unknown): boolean => error instanceof NetError && error.timeout;

for (const [name, frame] of Object.entries(waysToFrame)) {
  test(`${name}: a peer that takes nothing is cut, and every call tells why`, async () => {
    const { conn, client, end } = await backlogged(frame, 100);
    const flushing = conn.flush();
    await assert.rejects(conn.receive(), isTimeout);
    await assert.rejects(flushing, isTimeout);
    await assert.rejects(conn.close(), isTimeout);
    client.abort();
    await end();
  });

  test(`${name}: a peer that slowly takes bytes out of the system's buffer is alive, until it stops`, {
    skip: process.platform !== "linux",
  }, async (t) => {
    const writeTimeoutMs = 400_000;
    const check = takeRounds(t, checkPeriodMs(writeTimeoutMs));
    const { conn, client, end } = await backlogged(frame, writeTimeoutMs);
    const { localAddr, peer } = conn;
    assert.ok("port" in localAddr && "port" in peer.addr);
    const ends = {
      localAddress: localAddr.host,
      localPort: localAddr.port,
      remoteAddress: peer.addr.host,
      remotePort: peer.addr.port,
    };
    let isOver = false;
    const over = conn.receive().then(
      () => assert.fail("a message came"),
      (error: unknown) => {
        isOver = true;
        return error;
      },
    );
    // Longer than the timeout without a byte leaving this process: so much stands in the buffers of the two
    // systems.
    for (let checks = 0; checks < 20 && !isOver; checks++) {
      const before = await unacknowledgedBytes(ends);
      while ((await unacknowledgedBytes(ends)) === before) await client.read();
      await check();
      await unacknowledgedBytes(ends); // Behind the look of the check.
    }
    assert.equal(isOver, false);
    while (!isOver) {
      await check();
      await unacknowledgedBytes(ends);
    }
    assert.ok(isTimeout(await over));
    conn.abort();
    client.abort();
    await end();
  });
}
