// Decision 0011: what an application is given is its own. It may keep it, write over it and give it away, and
// nobody else notices.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Message } from "@zocalo/net";
import { dial, Upgrader, type WebSocketConn } from "../src/index.ts";
import { setOwnUpgrades } from "../src/server/door.ts";
import { enableReadBuffer, trialsOver } from "@zocalo/net/transport";
import { accepting, httpServer, RawPeer, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

before(trialsOver);

const LENGTHS = [1, 64, 65, 125, 126, 2048, 2049, 16_384, 70_000];

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 97 + 1) & 255);
}

/** Tries to take a message's memory away from it, in each way there is. */
function giveAway(message: Uint8Array): void {
  const { buffer } = message;
  try {
    structuredClone(message, { transfer: [buffer as ArrayBuffer] });
  } catch (error) {
    assert.equal((error as Error).name, "DataCloneError");
  }
  const transfer: unknown = Reflect.get(buffer, "transfer");
  try {
    if (typeof transfer === "function") Reflect.apply(transfer, buffer, []);
  } catch (error) {
    assert.ok(error instanceof TypeError);
  }
}

/** Gives each message away in turn, or writes over it; those that are left say what they said. */
function assertOwn(messages: readonly Message[], expected: readonly Uint8Array[]): void {
  assert.equal(messages.length, expected.length);
  const left = messages.map((message, i) => ({ message: message as Uint8Array, said: expected[i] }));
  while (left.length > 0) {
    for (const { message, said } of left)
      assert.ok(said !== undefined && Buffer.compare(message, said) === 0);
    const [given] = left.splice(left.length >> 1, 1);
    if (given === undefined) break;
    given.message.fill(0xee);
    giveAway(given.message);
  }
}

async function collect(conn: WebSocketConn, count: number): Promise<Message[]> {
  const messages: Message[] = [];
  while (messages.length < count) {
    const message = await conn.receive();
    assert.notEqual(message, null);
    messages.push(message as Message);
  }
  return messages;
}

/** Binary frames of all lengths, each twice. */
const sent = [...LENGTHS, ...LENGTHS].map(pattern);
const frames = Buffer.concat(sent.map((bytes) => frameFrom("client", 0x82, bytes)));
/** Each in three fragments. */
const fragments = Buffer.concat(
  sent.map((bytes) => {
    const third = Math.floor(bytes.length / 3);
    return Buffer.concat([
      frameFrom("client", 0x02, bytes.subarray(0, third)),
      frameFrom("client", 0x00, bytes.subarray(third, 2 * third)),
      frameFrom("client", 0x80, bytes.subarray(2 * third)),
    ]);
  }),
);

for (const [name, isShared] of [
  ["read into the shared buffer", true],
  ["read by data events", false],
] as const) {
  for (const [form, bytes] of [
    ["in one frame each", frames],
    ["in fragments", fragments],
  ] as const) {
    test(`messages of all connections belong to who received them (${name}, ${form})`, async (t) => {
      enableReadBuffer(isShared);
      t.after(() => enableReadBuffer(true));
      await using server = await accepting({ receiveHighWaterBytes: 10_000_000 });
      const { listener, port } = server;
      const messages: Message[] = [];
      for (let i = 0; i < 2; i++) {
        const accepted = listener.accept();
        const peer = await RawPeer.upgraded(port);
        const conn = await accepted;
        peer.write(bytes);
        messages.push(...(await collect(conn, sent.length)));
        if (i === 0) continue;
        assertOwn(messages, [...sent, ...sent]);
        // The connection goes on as if nothing had happened.
        peer.write(bytes);
        assertOwn(await collect(conn, sent.length), sent);
        peer.socket.destroy();
      }
    });
  }
}

for (const isFirst of [true, false]) {
  test(`so do messages that came behind the handshake (${isFirst ? "first bytes" : "node:http"})`, async (t) => {
    setOwnUpgrades(isFirst);
    t.after(() => setOwnUpgrades(true));
    await using server = await accepting({ receiveHighWaterBytes: 10_000_000 });
    const { listener, port } = server;
    const short = sent.filter(({ length }) => length < 3000);
    const extra = Buffer.concat(short.map((bytes) => frameFrom("client", 0x82, bytes)));
    const accepted = listener.accept();
    const peer = await RawPeer.upgraded(port, extra);
    assertOwn(await collect(await accepted, short.length), short);
    peer.socket.destroy();
  });
}

test("`upgrade` neither changes the head that it is given nor reads it later", async () => {
  await using http = await httpServer();
  const upgrader = new Upgrader();
  const extra = frameFrom("client", 0x82, pattern(300, 1));
  let conn: WebSocketConn | undefined;
  let heads: Buffer[] = [];
  const upgraded = new Promise<void>((resolve, reject) => {
    http.server.on("upgrade", (request, socket, head) => {
      const before = Buffer.from(head);
      const given = Buffer.from(head);
      const upgrading = upgrader.upgrade(request, socket, given);
      heads = [before, Buffer.from(given)];
      given.fill(0xee);
      upgrading.then((made) => {
        conn = made;
        return resolve();
      }, reject);
    });
  });
  const peer = await RawPeer.connect(http.port);
  peer.write(Buffer.concat([Buffer.from(upgradeRequest()), extra]));
  await upgraded;
  assert.ok(heads[0] !== undefined && heads[0].length > 0);
  assert.deepEqual(heads[1], heads[0]);
  assert.deepEqual(await conn?.receive(), pattern(300, 1));
  conn?.abort();
  peer.socket.destroy();
});

for (const contextTakeover of [false, true]) {
  test(`so do compressed messages${contextTakeover ? ", with the context kept" : ""}`, async () => {
    const compression = { thresholdBytes: 0, contextTakeover };
    await using server = await accepting({ compression, receiveHighWaterBytes: 10_000_000 });
    const accepted = server.listener.accept();
    const client = await dial(server.url, { compression });
    const conn = await accepted;
    for (const bytes of sent) await client.send(bytes);
    assertOwn(await collect(conn, sent.length), sent);
    client.abort();
  });

  test(`so do the parts of a streamed message${contextTakeover ? ", compressed" : ""}`, async () => {
    const compression = contextTakeover ? { thresholdBytes: 0 } : false;
    await using server = await accepting({ messages: "stream", compression });
    const accepted = server.listener.accept();
    const client = await dial(server.url, { compression });
    const conn = await accepted;
    const all = pattern(900_000, 3);
    void client.send(all);
    const parts: Uint8Array[] = [];
    for await (const part of (await conn.receiveStream()) ?? []) {
      parts.push(part as Uint8Array);
    }
    assert.ok(parts.length > 1);
    let at = 0;
    const said = parts.map(({ length }) => all.slice(at, (at += length)));
    assert.equal(at, all.length);
    assertOwn(parts, said);
    client.abort();
  });
}
