import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, lines, listen, listenPacket, type MessageConn, peers } from "@zocalo/net";
import type { Command, ServerMessage } from "@zocalo/protocol";
import { type LogPage, MemoryEngine } from "../src/index.ts";
import { square } from "./square.ts";

/** Receives until a message of this type comes. */
async function until<Type extends ServerMessage["type"]>(
  conn: MessageConn,
  type: Type,
): Promise<ServerMessage & { readonly type: Type }> {
  for (;;) {
    const text = await conn.receive();
    if (text === null) throw new Error(`the connection ended before ${type}`);
    const message = JSON.parse(String(text)) as ServerMessage;
    if (message.type === type) return message as ServerMessage & { readonly type: Type };
  }
}

function say(conn: MessageConn, command: Command): Promise<void> {
  return conn.send(JSON.stringify(command));
}

test("TCP and UDP share a channel", async () => {
  const { hub, clock } = square();
  const [tcp, packets] = [await listen("tcp", "127.0.0.1:0"), await listenPacket("udp", "127.0.0.1:0")];
  const served = [hub.serve(lines(tcp)), hub.serve(peers(packets))];
  const ana = lines(await dial("tcp", String(tcp.addr)));
  const device = await dial("udp", String(packets.localAddr));
  await say(ana, { type: "subscribe", channel: "plaza:x", presence: true });
  assert.equal((await until(ana, "subscribed")).offset, 0);
  const send = (command: Command): Promise<void> => device.send(Buffer.from(JSON.stringify(command)));
  const receive = async (): Promise<ServerMessage> =>
    JSON.parse(String(Buffer.from((await device.receive()) ?? []))) as ServerMessage;
  await send({ type: "connect", id: 1, key: "k" });
  const connected = await receive();
  assert.ok(connected.type === "connected");
  const { session } = connected;
  await send({ type: "subscribe", channel: "plaza:x", id: 2, session });
  const subscribed = await receive();
  assert.ok(subscribed.type === "subscribed" && (subscribed.expiresMs ?? 0) > 0, JSON.stringify(subscribed));
  clock.advance(0); // The turn in which it came is over.
  assert.equal((await until(ana, "join")).version, 2);
  await send({ type: "publish", channel: "plaza:x", data: "from UDP", session });
  assert.equal((await until(ana, "publication")).data, "from UDP");
  await ana.close();
  await hub.close();
  await Promise.all(served);
  await device.close();
});

test("over TCP a line too long is told as disconnect 1009, and who ends after a command still gets the answer", async () => {
  const { hub } = square();
  const listener = await listen("tcp", "127.0.0.1:0");
  const served = hub.serve(lines(listener));
  const eve = lines(await dial("tcp", String(listener.addr)));
  await eve.send("x".repeat(100_000));
  assert.equal((await until(eve, "disconnect")).code, 1009);
  await eve.close();
  const brief = await dial("tcp", String(listener.addr));
  await brief.write(Buffer.from('{"type":"publish","channel":"quiet:x","data":1}\n'));
  await brief.closeWrite();
  let text = "";
  for await (const bytes of brief) text += Buffer.from(bytes).toString();
  assert.equal((JSON.parse(text) as ServerMessage).type, "published");
  await brief.close();
  await hub.close();
  await served;
});

test("datagrams of one byte from any number of addresses keep nobody out, by TCP or with a proved address", async (t) => {
  const { hub } = square({ limits: { sessions: 3, sessionsPerAddress: 3, unverifiedSessions: 20 } });
  const packets = await listenPacket("udp", "127.0.0.1:0");
  // Addresses of this machine have to be proved here, as others' have.
  const served = [hub.serve(peers(packets, { verifyLoopback: true, maxUnverifiedPeers: 1_000 }))];
  const flood = await Promise.all(
    Array.from({ length: 100 }, (_, index) => listenPacket("udp", `127.0.1.${index + 1}:0`)),
  );
  for (const socket of flood) await socket.send(Buffer.from("x"), packets.localAddr);
  while (hub.stats().unverifiedSessions < 20) await new Promise((resolve) => setImmediate(resolve));

  const tcp = await listen("tcp", "127.0.0.1:0");
  served.push(hub.serve(lines(tcp)));
  const ana = lines(await dial("tcp", String(tcp.addr)));
  const startedAt = process.hrtime.bigint();
  await say(ana, { type: "ping" });
  await until(ana, "pong");
  t.diagnostic(`round trip over TCP beside it: ${Number(process.hrtime.bigint() - startedAt) / 1e6} ms`);

  const device = await dial("udp", String(packets.localAddr));
  const ask = async (command: Command): Promise<ServerMessage> => {
    await device.send(Buffer.from(JSON.stringify(command).padEnd(400)));
    return JSON.parse(String(Buffer.from((await device.receive()) ?? []))) as ServerMessage;
  };
  assert.equal((await ask({ type: "connect" })).type, "connected");
  const asked = await ask({ type: "subscribe", channel: "plaza:x" });
  assert.ok(asked.type === "verify");
  const answer = await ask({ type: "subscribe", channel: "plaza:x", cookie: asked.cookie });
  assert.equal(answer.type, "subscribed");
  for (const socket of flood) await socket.send(Buffer.from("x"), packets.localAddr);
  assert.equal((await ask({ type: "ping" })).type, "pong", "proved, it is not driven out");
  assert.ok(hub.stats().unverifiedSessions <= 20);

  await ana.close();
  await hub.close();
  await Promise.all(served);
  await Promise.all([device.close(), ...flood.map((socket) => socket.close())]);
});

test("who vanishes while a command is carried out is gone at once, whatever its answer waits for", {
  timeout: 30_000,
}, async () => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  let isReading = () => {};
  const reading = new Promise<void>((resolve) => {
    isReading = resolve;
  });
  class SlowEngine extends MemoryEngine {
    override async read(...place: Parameters<MemoryEngine["read"]>): Promise<LogPage> {
      if (place[0] === "plaza:slow") {
        isReading();
        await gate;
      }
      return super.read(...place);
    }
  }
  const { hub, clock } = square({ engine: new SlowEngine(), limits: { answerTimeoutMs: 3_600_000 } });
  const passing = setInterval(() => clock.advance(10), 10);
  const listener = lines(await listen("tcp", "127.0.0.1:0"));
  /** Both ends of a connection. */
  const connection = async () => {
    const [server, client] = await Promise.all([listener.accept(), dial("tcp", String(listener.addr))]);
    hub.accept(server);
    return { server, client: lines(client) };
  };
  const { client: ana } = await connection();
  await say(ana, { type: "subscribe", channel: "plaza:x", presence: true });
  await until(ana, "subscribed");
  const ben = await connection();
  await say(ben.client, { type: "subscribe", channel: "plaza:x" });
  await until(ana, "join");
  await say(ben.client, { type: "history", channel: "plaza:slow" });
  await reading;
  ben.client.abort();
  while (ben.server.trySend("") !== "refused") await new Promise(setImmediate);
  open();
  await until(ana, "leave");
  await ana.close();
  await hub.close();
  clearInterval(passing);
  await listener.close();
});
