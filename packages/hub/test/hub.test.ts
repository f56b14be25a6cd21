import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub, type HubOptions } from "../src/index.ts";
import { FakeConn, type FakeConnOptions } from "./fake-conn.ts";

const namespaces = {
  plaza: { subscribe: "anyone", publish: "anyone", presence: true },
  quiet: { subscribe: "anyone", publish: "anyone" },
} as const;

function makeHub(options: Partial<HubOptions> = {}): {
  hub: Hub;
  conn: (given?: FakeConnOptions) => FakeConn;
} {
  const hub = new Hub({ namespaces, ...options });
  return {
    hub,
    conn(given) {
      const conn = new FakeConn(given);
      hub.accept(conn);
      return conn;
    },
  };
}

test("a publication reaches every subscriber, with the offset its publisher is told", async () => {
  const { hub, conn } = makeHub();
  const [ana, ben] = [conn(), conn({ transport: "tcp" })];
  await ana.ask({ type: "subscribe", channel: "plaza:general" });
  await ben.ask({ type: "subscribe", channel: "plaza:general" });
  const published = await ana.ask({ type: "publish", channel: "plaza:general", data: { text: "hola" } });
  assert.equal(published.type === "published" && published.offset, 1);
  for (const { received } of [ana, ben]) {
    const publications = received.filter(({ type }) => type === "publication");
    assert.deepEqual(
      publications.map((message) => message.type === "publication" && [message.offset, message.data]),
      [[1, { text: "hola" }]],
    );
  }
  await hub.close();
});

test("closing the hub tells every session to go away, and closes it with 1001", async () => {
  const { hub, conn } = makeHub();
  const ana = conn();
  await ana.ask({ type: "ping" });
  await hub.close();
  assert.deepEqual(ana.received.at(-1), {
    type: "disconnect",
    code: 1001,
    reason: "the server is closing",
    reconnect: true,
  });
  assert.equal(ana.closed?.code, 1001);
  assert.equal(hub.stats().sessions, 0);
});
