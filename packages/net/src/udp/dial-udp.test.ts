import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { dial } from "../dial.ts";
import type { Message } from "../contracts/message-conn.ts";
import { NetError } from "../contracts/error.ts";
import { listenPacket } from "./listen-packet.ts";

const isCode = (code: string) => (error: unknown) => error instanceof NetError && error.code === code;
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

async function pair() {
  const server = await listenPacket("udp", "127.0.0.1:0");
  const conn = await dial("udp", String(server.localAddr));
  return { server, conn, close: () => Promise.all([server.close(), conn.close()]) };
}

/** Where nobody listens. A socket that hears one peer only keeps the port from other processes. */
async function deserted(t: TestContext): Promise<string> {
  const holder = await dial("udp", "127.0.0.1:9", { localAddress: "127.0.0.1:0" });
  t.after(() => holder.close());
  return String(holder.localAddr);
}

test("datagrams go to the peer and come from it alone", async () => {
  const { server, conn, close } = await pair();
  assert.equal(String(conn.remoteAddr), String(server.localAddr));
  await conn.send(Buffer.from("hola"));
  const { bytes, addr } = await server.receive();
  assert.equal(text(bytes), "hola");
  assert.equal(String(addr), String(conn.localAddr));
  const stranger = await listenPacket("udp", "127.0.0.1:0");
  await stranger.send(Buffer.from("not for you"), conn.localAddr);
  await server.send(Buffer.from("qué tal"), addr);
  assert.equal(text(await conn.receive()), "qué tal");
  assert.equal(conn.trySend(Buffer.from("quick")), "sent");
  assert.equal(text((await server.receive()).bytes), "quick");
  await Promise.all([close(), stranger.close()]);
});

test("text leaves as UTF-8, and any view or buffer as its bytes, however it is sent", async () => {
  const { server, conn, close } = await pair();
  const { buffer } = Uint8Array.from(Buffer.from("-hola-"));
  const messages = ["qué tal", Buffer.from("bytes"), new DataView(buffer, 1, 4), buffer] as Message[];
  const expected = ["qué tal", "bytes", "hola", "-hola-"];
  const arrived = async (): Promise<string[]> => {
    const packets: string[] = [];
    while (packets.length < messages.length) packets.push(text((await server.receive()).bytes));
    return packets;
  };
  const to = server.localAddr;
  const other = await listenPacket("udp", "127.0.0.1:0");
  const { signal } = new AbortController();
  const packets = messages.map((bytes) => ({ bytes, addr: to }));
  const ways: (() => unknown)[] = [
    () => Promise.all(messages.map((message) => conn.send(message))),
    () => Promise.all(messages.map((message) => conn.send(message, { signal }))),
    () => messages.map((message) => conn.trySend(message)),
    () => conn.sendBatch(messages),
    () => conn.trySendBatch(messages),
    () => Promise.all(messages.map((message) => other.send(message, to))),
    () => Promise.all(messages.map((message) => other.send(message, `localhost:${to.port}`))),
    () => messages.map((message) => other.trySend(message, to)),
    () => other.sendBatch(packets),
    () => other.trySendBatch(packets),
  ];
  for (const send of ways) {
    await send();
    assert.deepEqual((await arrived()).toSorted(), expected.toSorted(), String(send));
  }
  await Promise.all([close(), other.close()]);
});

test("what is no message is refused by a rejection, and by trySend without one", async () => {
  const { server, conn, close } = await pair();
  for (const wrong of [1, null, undefined, {}, ["hola"]] as unknown as Message[]) {
    await assert.rejects(conn.send(wrong), isCode("invalid_argument"));
    await assert.rejects(server.send(wrong, conn.localAddr), isCode("invalid_argument"));
    assert.equal(conn.trySend(wrong), "refused");
    assert.equal(server.trySend(wrong, conn.localAddr), "refused");
  }
  const long = "€".repeat(30_000); // 90,000 bytes
  assert.equal(conn.trySend(long), "refused");
  await assert.rejects(conn.send(long), isCode("too_large"));
  await close();
});

test("a receive learns that nobody listens there, and goes on", async (t) => {
  const conn = await dial("udp", await deserted(t));
  const receiving = conn.receive();
  conn.trySend(Buffer.from("anybody?"));
  await assert.rejects(receiving, (error: unknown) => {
    assert.ok(error instanceof NetError);
    assert.equal(error.code, "refused");
    const route = `${String(conn.localAddr)}->${String(conn.remoteAddr)}`;
    assert.equal(error.message, `read udp ${route}: connection refused`);
    return true;
  });
  const again = conn.receive();
  conn.trySend(Buffer.from("anybody now?"));
  await assert.rejects(again, isCode("refused"));
  await conn.close();
});

test("what the network reported while nobody waited is told by the next call", async (t) => {
  const conn = await dial("udp", await deserted(t));
  const outcomes: unknown[] = [];
  // The report comes in its own time, to the next send or, if none asks, to a receive.
  while (outcomes.length === 0) {
    await conn.send(Buffer.from("x")).catch((error: unknown) => outcomes.push(error));
    if (outcomes.length === 0) await assert.rejects(conn.receive(), isCode("refused"));
    outcomes.push("told");
  }
  await conn.close();
});

test("trySend and flush do not throw it, and leave it to the next call that does", async (t) => {
  const conn = await dial("udp", await deserted(t));
  for (let i = 0; i < 20; i++) {
    // refused where the system says it at once
    assert.match(conn.trySend(Buffer.from("x")), /^(sent|refused)$/);
    await conn.flush();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await assert.rejects(conn.receive(), isCode("refused"));
  await conn.close();
});

test("a handler is told of it beside its messages", async (t) => {
  const conn = await dial("udp", await deserted(t));
  const log: string[] = [];
  await new Promise<void>((resolve) => {
    conn.serve({
      message: () => void log.push("message"),
      error: (error) => {
        log.push(error.code);
        resolve();
      },
      close: (error) => void log.push(`close ${String(error)}`),
    });
    conn.trySend(Buffer.from("anybody?"));
  });
  await conn.close();
  assert.deepEqual(log, ["refused", "close undefined"]);
});

test("iteration gives the bytes and ends quietly on close", async () => {
  const { server, conn, close } = await pair();
  const seen: string[] = [];
  const iterating = (async () => {
    for await (const bytes of conn) {
      seen.push(text(bytes));
      if (seen.length === 2) break;
    }
    for await (const bytes of conn) seen.push(text(bytes));
  })();
  for (const name of ["1", "2"]) await server.send(Buffer.from(name), conn.localAddr);
  while (seen.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await conn.close();
  await iterating;
  assert.deepEqual(seen, ["1", "2"]);
  await close();
});

test("deadlines and signals unblock a receive, which loses nothing", async () => {
  const { server, conn, close } = await pair();
  const receiving = conn.receive();
  conn.setDeadline(Date.now() + 1);
  await assert.rejects(receiving, isCode("timeout"));
  await assert.rejects(conn.send(Buffer.from("x")), isCode("timeout"));
  conn.setReadDeadline(null);
  conn.setWriteDeadline(null);
  await assert.rejects(conn.receive({ signal: AbortSignal.abort() }), isCode("canceled"));
  await server.send(Buffer.from("kept"), conn.localAddr);
  assert.equal(text(await conn.receive()), "kept");
  await close();
});

test("too large is a typed error, and close refuses what follows", async () => {
  const { conn, close } = await pair();
  await assert.rejects(conn.send(Buffer.alloc(65_508)), isCode("too_large"));
  const receiving = conn.receive();
  await Promise.all([conn.close(), assert.rejects(receiving, isCode("closed"))]);
  await assert.rejects(conn.send(Buffer.from("x")), isCode("closed"));
  assert.equal(conn.dropped, 0);
  await close();
});

test("the local address can be chosen, the resolver passed in, IPv6 dialed", async () => {
  const server = await listenPacket("udp", ":0");
  const { port } = server.localAddr;
  const asked: string[] = [];
  const named = await dial("udp4", `somewhere.example:${port}`, {
    localAddress: "127.0.0.1:0",
    resolver: (host) => {
      asked.push(host);
      return Promise.resolve(["127.0.0.1"]);
    },
  });
  assert.deepEqual(asked, ["somewhere.example"]);
  assert.match(String(named.localAddr), /^127\.0\.0\.1:/);
  const six = await dial("udp6", `:${port}`);
  assert.equal(String(six.remoteAddr), `[::1]:${port}`);
  await six.send(Buffer.from("6"));
  assert.match(String((await server.receive()).addr), /^\[::1\]:/);
  await Promise.all([named.close(), six.close(), server.close()]);
});

test("what cannot be dialed is a typed error", async () => {
  await assert.rejects(dial("udp", "127.0.0.1:0"), isCode("invalid_argument"));
  await assert.rejects(dial("udp", "nonsense"), isCode("invalid_address"));
  await assert.rejects(dial("udp", "127.0.0.1:9", { signal: AbortSignal.abort() }), isCode("canceled"));
  await assert.rejects(
    dial("udp", "127.0.0.1:9", { localAddress: "203.0.113.7:0" }),
    isCode("address_not_available"),
  );
  const never = () => new Promise<never>(() => {});
  await assert.rejects(
    dial("udp", "slow.example:9", { resolver: never, deadline: Date.now() + 1 }),
    (error: unknown) => error instanceof NetError && error.timeout && error.op === "dial",
  );
  const failing = () => Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" }));
  await assert.rejects(dial("udp", "nowhere.example:9", { resolver: failing }), isCode("name_not_found"));
});
