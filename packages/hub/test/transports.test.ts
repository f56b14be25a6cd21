import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, lines, listen, listenPacket, type MessageConn, peers } from "@zocalo/net";
import type { Command, ServerMessage } from "@zocalo/protocol";
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
  const { hub } = square();
  const [tcp, packets] = [await listen("tcp", "127.0.0.1:0"), await listenPacket("udp", "127.0.0.1:0")];
  const served = [hub.serve(lines(tcp)), hub.serve(peers(packets))];
  const ana = lines(await dial("tcp", String(tcp.addr)));
  const device = await dial("udp", String(packets.localAddr));
  await say(ana, { type: "subscribe", channel: "plaza:x", presence: true });
  assert.equal((await until(ana, "subscribed")).offset, 0);
  const send = (command: Command): Promise<void> => device.send(Buffer.from(JSON.stringify(command)));
  await send({ type: "subscribe", channel: "plaza:x", id: 1 });
  const subscribed = JSON.parse(String(Buffer.from((await device.receive()) ?? []))) as ServerMessage;
  assert.ok(subscribed.type === "subscribed" && (subscribed.expiresMs ?? 0) > 0, JSON.stringify(subscribed));
  assert.equal((await until(ana, "join")).version, 2);
  await send({ type: "publish", channel: "plaza:x", data: "from UDP" });
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
