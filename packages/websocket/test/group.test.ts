import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, Group, type WebSocketConn } from "../src/index.ts";
import { accepting, fill, RawPeer } from "./peers.ts";

test("a broadcast reaches all members but the one left out, in order", async () => {
  await using server = await accepting({ compression: true });
  const group = new Group();
  const clients: WebSocketConn[] = [];
  const members: WebSocketConn[] = [];
  for (let i = 0; i < 5; i++) {
    const accepted = server.listener.accept();
    clients.push(await dial(server.url, { compression: i % 2 === 0 }));
    const conn = await accepted;
    members.push(conn);
    group.add(conn).add(conn);
  }
  assert.equal(group.size, 5);
  const [first, second] = members;
  if (first === undefined || second === undefined) throw new Error("no members");
  for (let i = 0; i < 50; i++) {
    assert.deepEqual(group.broadcast(`${i} `.repeat(200), first), { sent: 4, buffered: 0, refused: 0 });
  }
  for (const client of clients.slice(1)) {
    for (let i = 0; i < 50; i++) assert.equal(await client.receive(), `${i} `.repeat(200));
  }
  first.trySend("yours");
  assert.equal(await clients[0]?.receive(), "yours");
  assert.ok(group.delete(second) && !group.delete(second) && !group.has(second));
  assert.equal(group.broadcast("x").sent, 4);
  assert.equal([...group].length, 4);
  for (const client of clients) client.abort();
});

test("a member that does not read is told of, and holds up nobody", async () => {
  await using server = await accepting({ sendLimitBytes: 200_000 });
  const refused: WebSocketConn[] = [];
  const group = new Group({
    onMissed(conn) {
      refused.push(conn);
      group.delete(conn);
    },
  });
  const slowAccepted = server.listener.accept();
  const peer = await RawPeer.upgraded(server.port);
  const slow = await slowAccepted;
  peer.socket.pause();
  const accepted = server.listener.accept();
  const client = await dial(server.url);
  group.add(slow).add(await accepted);
  while (slow.bufferedAmount < 150_000) {
    fill(slow, new Uint8Array(50_000));
    await new Promise((resolve) => setImmediate(resolve));
  }
  fill(slow, new Uint8Array(50_000));
  fill(slow, new Uint8Array(100));
  const outcome = group.broadcast("x".repeat(5000));
  assert.deepEqual([outcome.sent, outcome.refused], [1, 1]);
  assert.deepEqual(refused, [slow]);
  assert.equal(group.size, 1);
  assert.equal((await client.receive())?.length, 5000);
  client.abort();
  peer.socket.destroy();
});
