// A store that does not open, cannot be written to, or has lost what it had.
import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, codeOf } from "./begin.ts";
import type { OpenOutbox, OutboxStore } from "../src/index.ts";
import { settled } from "./fake-clock.ts";
import { name, page, texts } from "./keeping.ts";
import { MemoryStore } from "./memory-store.ts";

test("where nothing can be stored that is told once, and all goes on in memory", async () => {
  for (const what of ["open", "add"] as const) {
    const store = new MemoryStore();
    store.fails = (asked) => asked === what;
    const { session, room, told } = page(store);
    const kept: string[] = [];
    await Promise.all(["a", "b"].map((text) => room.publish(text, { kept: () => kept.push(text) })));
    await room.publish("c");
    assert.deepEqual(told, [`not kept: no ${what}`]);
    assert.deepEqual(kept, []);
    assert.deepEqual(store.texts, []);
    await session.close();
  }
});

test("a store that does not open is waited for three seconds, and used when it opens", async () => {
  const store = new MemoryStore();
  let open: () => void = () => {};
  store.delay = () => new Promise((resolve) => (open = resolve));
  const { clock, session, room, told } = page(store);
  const publishing = room.publish("a");
  await clock.advance(2_999);
  assert.deepEqual(told, []);
  await clock.advance(1);
  assert.equal((await publishing).offset, 1);
  assert.deepEqual(told, ["not kept: the store does not open"]);
  store.delay = async () => {};
  open();
  await settled();
  let isKept = false;
  await room.publish("b", { kept: () => (isKept = true) });
  assert.ok(isKept);
  await session.close();
});

test("closing does not wait for a store that never opens", async () => {
  const store = new MemoryStore();
  store.delay = () => new Promise(() => {});
  const { clock, session, room } = page(store);
  const outcome = codeOf(room.publish("a"));
  await settled();
  const closing = session.close();
  await clock.advance(3_000);
  await closing;
  assert.equal(await outcome, "closed");
});

test("what cannot be written down is not sent until it can", async () => {
  const store = new MemoryStore();
  const { server, clock, session, room, told } = page(store, {}, (it) => {
    it.isDown = true;
  });
  const publishing = room.publish("a");
  await settled();
  store.fails = (what) => what === "begin";
  server.isDown = false;
  await clock.advance(5_000);
  assert.equal(session.state.name, "connected");
  assert.equal(server.conn.count("publish"), 0);
  assert.deepEqual(told, ["not kept: no begin"]);
  store.fails = () => false;
  await clock.advance(1_000);
  assert.equal((await publishing).offset, 1);
  await session.close();
});

test("what cannot be written down holds up nothing that is sent from memory", async () => {
  const store = new MemoryStore();
  const first = page(store, {}, (it) => {
    it.isDown = true;
  });
  void codeOf(first.room.publish("left"));
  await settled();
  await first.session.close();
  store.fails = (what) => what === "begin" || what === "add";
  const { server, clock, session, room, told } = page(store);
  assert.equal((await room.publish("new")).offset, 1);
  assert.equal((await room.publish("of this moment", { keep: false })).offset, 2);
  store.fails = () => false;
  await clock.advance(1_000);
  assert.deepEqual(texts(server), ["new", "of this moment", "left"]);
  assert.deepEqual(told, ["not kept: no add", '"left" is 3']);
  await session.close();
});

test("a store that throws, or fails to close when it opened too late, has nothing unhandled", async () => {
  const throwing: OutboxStore = {
    open: () => {
      throw new Error("no store");
    },
  };
  const told: string[] = [];
  const { session } = begin({
    keep: { store: throwing, left: () => {}, notKept: ({ message }) => told.push(message) },
  });
  assert.equal((await session.channel(name).publish("a")).offset, 1);
  assert.deepEqual(told, ["no store"]);
  await session.close();

  let open: (outbox: OpenOutbox) => void = () => {};
  const store: OutboxStore = { open: () => new Promise((resolve) => (open = resolve)) };
  const late = begin({ keep: { store, left: () => {} } });
  const closing = late.session.close();
  await late.clock.advance(3_000);
  await closing;
  const none = async () => [];
  open({
    add: none,
    begin: none,
    remove: async () => {},
    close: () => Promise.reject(new Error("no close")),
  });
  await settled();
});

test("what is gone from the store is not sent: another page may have done that", async () => {
  const store = new MemoryStore();
  const { server, clock, session, room } = page(store, {}, (it) => {
    it.isDown = true;
  });
  const outcome = codeOf(room.publish("a"));
  await settled();
  store.rows.clear();
  server.isDown = false;
  await clock.advance(1_000);
  assert.equal(await outcome, "unknown_outcome");
  assert.equal(server.head(name), 0);
  await session.close();
});
