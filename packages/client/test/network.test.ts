import assert from "node:assert/strict";
import { test } from "node:test";
import { begin } from "./begin.ts";
import type { ConnectOptions, Network } from "../src/index.ts";
import { settled } from "./fake-clock.ts";
import type { FakeServer } from "./fake-server.ts";

type Event = Parameters<Parameters<Network["watch"]>[0]>[0];

/** A page with a network that the test has in its hand. */
function page(options: ConnectOptions = {}, prepare?: (server: FakeServer) => void) {
  const listeners = new Set<(event: Event) => void>();
  const network = {
    isOffline: false,
    watch(told: (event: Event) => void) {
      listeners.add(told);
      return () => void listeners.delete(told);
    },
    say(event: Event) {
      network.isOffline = event === "offline";
      for (const told of listeners) told(event);
    },
    listeners,
  };
  return { network, ...begin({ network, random: () => 0.99, ...options }, prepare) };
}

test("a connection whose network is gone is lost at once, and back as soon as it is online", async () => {
  const { network, server, clock, session, states, names } = page();
  await clock.advance(10_000);
  server.isDown = true;
  network.say("offline");
  assert.equal(session.state.name, "waiting");
  assert.equal(session.state.name === "waiting" && session.state.cause.code, "offline");
  await clock.advance(60_000);
  const waits = states.filter((state) => state.name === "waiting");
  assert.ok(waits.length > 2 && waits.every(({ cause }) => cause.code === "offline"));
  server.isDown = false;
  network.say("online");
  await settled();
  assert.equal(session.state.name, "connected");
  assert.equal(names().filter((name) => name === "connected").length, 2);
  await session.close();
  assert.equal(network.listeners.size, 0);
});

test("a browser that is wrong about its network costs one connection", async () => {
  const { network, server, clock, session } = page();
  await settled();
  network.say("offline");
  await clock.advance(500);
  assert.equal(session.state.name, "connected");
  assert.equal(server.dials, 2);
  await session.close();
});

test("offline while it connects, and while it waits, is a state at once", async () => {
  const { network, server, session, states } = page({}, (it) => {
    it.intercept = () => null;
  });
  await settled();
  network.say("offline");
  const [state] = states;
  assert.ok(state?.name === "waiting" && state.cause.code === "offline");
  assert.equal(server.conn.isOpen, false);

  const other = page({}, (it) => {
    it.isDown = true;
  });
  await settled();
  const before = other.session.state;
  assert.equal(before.name === "waiting" && before.cause.code, "dial_failed");
  other.network.say("offline");
  const after = other.session.state;
  assert.ok(before.name === "waiting" && after.name === "waiting");
  assert.deepEqual([after.cause.code, after.retryAt], ["offline", before.retryAt]);
  await Promise.all([session.close(), other.session.close()]);
  assert.equal(states.at(-1)?.name, "closed");
});

test("a page that is looked at again probes its connection, or connects at once", async () => {
  const { network, server, clock, session } = page();
  await settled();
  network.say("visible");
  await settled();
  assert.equal(server.conn.count("ping"), 1);
  server.isDown = true;
  server.conn.cut();
  await settled();
  server.isDown = false;
  network.say("visible");
  await settled();
  assert.equal(session.state.name, "connected");
  assert.equal(clock.uptime(), 1_000_000);
  await session.close();
});

test("a process that was held up does not open what waits past its backoff, and probes what is connected", async () => {
  const backoff = { baseMs: 60_000, maxMs: 60_000 };
  const { server, clock, session } = page({ backoff }, (it) => {
    it.isDown = true;
  });
  const connected = page({ clock });
  await settled();
  server.isDown = false;
  clock.standStill(30_000);
  await clock.advance(2_000);
  assert.equal(session.state.name, "waiting");
  assert.equal(connected.server.conn.count("ping"), 1);
  await clock.advance(30_000);
  assert.equal(session.state.name, "connected");
  await Promise.all([session.close(), connected.session.close()]);
});
