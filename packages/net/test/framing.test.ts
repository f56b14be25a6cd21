import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  type Conn,
  delimited,
  dial,
  lengthPrefixed,
  lines,
  listen,
  type Listener,
  type MessageConn,
  NetError,
  pipe,
} from "@zocalo/net";

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
