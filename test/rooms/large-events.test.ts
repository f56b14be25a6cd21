// Sessions over datagrams, and messages that no datagram carries.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { Hub } from "@zocalo/hub";
import { listenPacket, peers } from "@zocalo/net";
import { roomNamespaces, Rooms } from "@zocalo/room";
import { newKey } from "./raw-player.ts";
import { square, squareRoom } from "./square.ts";

const TOO_LARGE = "x".repeat(65_507);
/** A verified peer is sent more than came from it. */
const PADDING = "x".repeat(1_000);

/** A hub, and a session over UDP with its messages. */
async function session(t: TestContext) {
  const hub = new Hub({ namespaces: roomNamespaces });
  const packets = await listenPacket("udp", "127.0.0.1:0");
  const serving = hub.serve(peers(packets));
  const socket = createSocket("udp4");
  t.after(async () => {
    socket.close();
    await hub.close();
    await serving;
  });
  let id = 0;
  const ask = async (command: object): Promise<Record<string, string>> => {
    id += 1;
    socket.send(JSON.stringify({ ...command, id, padding: PADDING }), packets.localAddr.port, "127.0.0.1");
    for (;;) {
      const [message] = (await once(socket, "message")) as [Buffer];
      const answer = JSON.parse(message.toString()) as Record<string, string>;
      if ("id" in answer) return answer;
    }
  };
  let who = { session: "", user: "" };
  hub.handle("who.am-i", ({ session, user }) => {
    who = { session, user };
    return {};
  });
  await ask({ type: "connect" });
  await ask({ type: "call", method: "who.am-i" });
  return { hub, socket, ask, who };
}

test("what a connection never carries is told as such, to a session and to a user", async (t) => {
  const { hub, who } = await session(t);
  const refused = { sent: 0, waiting: 0, refused: 1, tooLarge: 1 };
  for (const volatile of [false, true]) {
    assert.deepEqual(hub.send({ session: who.session }, "any.topic", TOO_LARGE, { volatile }), refused);
    assert.deepEqual(hub.send({ user: who.user }, "any.topic", TOO_LARGE, { volatile }), refused);
  }
});

test("an event that a connection never carries holds up none of the others", {
  timeout: 20_000,
}, async (t) => {
  const { hub, socket, ask } = await session(t);
  const mode: typeof squareRoom = {
    ...squareRoom,
    holdMs: 600_000,
    event(room) {
      room.send(TOO_LARGE);
      room.send("small");
    },
  };
  const rooms = new Rooms(hub, { square: mode });
  await rooms.open();
  const data = { mode: "square", hash: square.layout.hash, key: newKey(), name: "Ana" };
  const joined = await ask({ type: "call", method: "room.join", data });
  assert.equal(joined["type"], "result");
  const told = new Promise<unknown>((resolve) => {
    socket.on("message", (message) => {
      const { topic, data: event } = JSON.parse(message.toString()) as { topic?: string; data?: unknown };
      if (topic === "room.event") resolve(event);
    });
  });
  await ask({ type: "call", method: "room.event", data: "any" });
  const { log, ...event } = (await told) as { readonly log: string };
  assert.deepEqual([typeof log, event], ["string", { number: 2, data: "small" }]);
  await rooms.close();
});
