import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, type ConnectOptions, type SessionState } from "../src/index.ts";
import { FakeClock, settled } from "./fake-clock.ts";
import { FakeServer } from "./fake-server.ts";

function begin(options: ConnectOptions = {}) {
  const server = new FakeServer();
  const clock = new FakeClock();
  const session = connect("fake:", { dial: server.dial, clock, random: () => 0.5, ...options });
  const states: SessionState[] = [];
  session.onState((state) => states.push(state));
  return { server, clock, session, states, names: () => states.map(({ name }) => name) };
}

test("a session connects with version, token and info, and knows its user", async () => {
  const { server, session, names } = begin({ token: "ana", info: { name: "Ana" } });
  assert.deepEqual(session.state, { name: "connecting", attempt: 1 });
  assert.equal(session.user, undefined);
  await settled();
  assert.deepEqual(server.conn.commands, [
    { id: 1, type: "connect", version: 1, token: "ana", info: { name: "Ana" } },
  ]);
  assert.deepEqual(session.state, { name: "connected", user: "ana", session: "s1" });
  assert.equal(session.user, "ana");
  assert.deepEqual(session.info, { name: "Ana" });
  await session.close();
  assert.deepEqual(names(), ["connected", "closed"]);
  assert.equal(server.conn.closedWith, 1000);
});

test("a publication is acknowledged with its offset and reaches subscribers", async () => {
  const { session } = begin();
  const room = session.channel<{ text: string }>("plaza:general");
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { data, offset } of room.subscribe()) {
      seen.push(`${offset} ${data.text}`);
      if (data.text === "bye") break;
    }
  })();
  await settled();
  assert.equal((await room.publish({ text: "hola" })).offset, 1);
  assert.deepEqual(await room.publish({ text: "bye" }), { epoch: "e1", offset: 2 });
  await reading;
  assert.deepEqual(seen, ["1 hola", "2 bye"]);
  await session.close();
});

test("after a lost connection it subscribes again since its position", async () => {
  const { server, clock, session, names } = begin();
  const seen: unknown[] = [];
  session.channel("plaza:general").subscribe(
    { last: 10 },
    {
      publication: ({ offset }) => seen.push(offset),
      gap: (gap) => seen.push(gap),
      recovered: (recovered) => seen.push(recovered),
    },
  );
  server.publish("plaza:general", "a");
  await settled();
  server.conn.cut();
  await settled();
  server.publish("plaza:general", "b");
  server.publish("plaza:general", "c");
  await clock.advance(250);
  server.publish("plaza:general", "d");
  await settled();
  assert.deepEqual(seen, [1, { since: { epoch: "e1", offset: 1 }, missed: 2 }, 2, 3, 4]);
  assert.deepEqual(names(), ["connected", "waiting", "connecting", "connected"]);
  await session.close();
  assert.equal(clock.timers, 0);
});
