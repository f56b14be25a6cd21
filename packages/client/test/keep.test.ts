// What a store keeps, and who sends it when its page is gone.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, ReceivedPublish } from "@zocalo/protocol";
import { codeOf } from "./begin.ts";
import { settled } from "./fake-clock.ts";
import { joined, name, page, texts } from "./keeping.ts";
import { MemoryStore } from "./memory-store.ts";

test("what was published before a crash of the page is sent by the next one, once and in order", async () => {
  const store = new MemoryStore();
  const first = page(store, {}, (server) => {
    server.isDown = true;
  });
  const kept: string[] = [];
  for (const text of ["a", "b", "c"]) void first.room.publish(text, { kept: () => kept.push(text) });
  await settled();
  assert.deepEqual(kept, ["a", "b", "c"]);
  store.opened[0]?.die();

  first.server.isDown = false;
  const second = joined(first.server, store);
  const own = second.room.publish("d");
  assert.equal((await own).offset, 4);
  assert.deepEqual(texts(first.server), ["a", "b", "c", "d"]);
  assert.deepEqual(
    second.left.map(({ channel, data }) => [channel, data]),
    [
      [name, "a"],
      [name, "b"],
      [name, "c"],
    ],
  );
  assert.deepEqual(second.told, ['"a" is 1', '"b" is 2', '"c" is 3']);
  await settled();
  assert.deepEqual(store.texts, []);
  await second.session.close();
});

test("bytes outlive the page as they were when they were published", async () => {
  const store = new MemoryStore();
  const bytes = Uint8Array.of(0, 255, 128);
  const first = page(store, {}, (server) => {
    server.isDown = true;
  });
  const mine = bytes.slice();
  void first.session.channel<Uint8Array>(name).publish(mine);
  mine.fill(0);
  await settled();
  store.opened[0]?.die();

  first.server.isDown = false;
  const came: unknown[] = [];
  first.server.intercept = (command) => {
    if (command.type === "publish") came.push(command.data);
    return undefined;
  };
  const second = joined(first.server, store);
  await settled();
  assert.deepEqual(
    second.left.map(({ data, json }) => [data, json]),
    [[bytes, ""]],
  );
  await second.left[0]?.published;
  assert.deepEqual(came, [bytes]);
  await second.session.close();
});

test("what was committed and not acknowledged before a crash is in the log once", async () => {
  const store = new MemoryStore();
  const first = page(store);
  await settled();
  first.server.intercept = (command) => {
    if (command.type !== "publish") return undefined;
    first.server.publish(name, command.data as Json, command.key);
    return null;
  };
  void first.room.publish("a");
  await settled();
  assert.deepEqual(texts(first.server), ["a"]);
  store.opened[0]?.die();
  first.server.intercept = () => undefined;
  const second = joined(first.server, store);
  await settled();
  assert.deepEqual(texts(first.server), ["a"]);
  assert.deepEqual(second.told, ['"a" is 1']);
  await second.session.close();
});

test("what is sent is written down before: the store is asked first, and nothing is sent until it answers", async () => {
  const store = new MemoryStore();
  const { server, room, session } = page(store);
  await settled();
  let open: () => void = () => {};
  store.delay = () => new Promise((resolve) => (open = resolve));
  const publishing = room.publish("a");
  await settled();
  assert.equal(server.conn.count("publish"), 0);
  assert.deepEqual(store.log.slice(-1), ["add"]);
  open();
  await publishing;
  assert.ok(store.rows.get(1)?.sentAt !== undefined);
  open();
  await session.close();
});

test("a closed session leaves what waits to the next one in the same page, with its key", async () => {
  const store = new MemoryStore();
  const first = page(store, {}, (server) => {
    server.isDown = true;
  });
  const outcome = codeOf(first.room.publish("a", { key: "mine" }));
  await first.session.close();
  assert.equal(await outcome, "closed");
  first.server.isDown = false;
  const second = joined(first.server, store);
  await settled();
  assert.deepEqual(
    second.left.map(({ key }) => key),
    ["mine"],
  );
  assert.deepEqual(second.told, ['"a" is 1']);
  assert.equal((first.server.conn.commands.at(-1) as ReceivedPublish).key, "mine");
  await second.session.close();
});

test("two tabs send each its own; when one crashes the other sends what it left, once", async () => {
  const store = new MemoryStore();
  const one = page(store, {}, (server) => {
    server.isDown = true;
  });
  const two = joined(one.server, store);
  const own = two.room.publish("two");
  void one.room.publish("one");
  await settled();
  assert.deepEqual([one.left.length, two.left.length], [0, 0]);
  store.opened[0]?.die();
  await settled();
  assert.deepEqual(
    two.left.map(({ data }) => data),
    ["one"],
  );
  one.server.isDown = false;
  await two.clock.advance(1_000);
  await own;
  assert.deepEqual(texts(one.server), ["one", "two"]);
  await two.session.close();
});

test("what is of this moment is not stored", async () => {
  const store = new MemoryStore();
  const { session, room } = page(store, {}, (server) => {
    server.isDown = true;
  });
  const outcome = codeOf(room.publish("typing", { keep: false }));
  await settled();
  assert.deepEqual(store.texts, []);
  await session.close();
  assert.equal(await outcome, "closed");
});

test("what was left counts against the limits", async () => {
  const store = new MemoryStore();
  const first = page(store, {}, (server) => {
    server.isDown = true;
  });
  for (const text of ["a", "b"]) void first.room.publish(text);
  await settled();
  store.opened[0]?.die();
  const second = joined(first.server, store, { outbox: { entries: 3 } });
  await settled();
  void second.room.publish("c");
  assert.equal(await codeOf(second.room.publish("d")), "outbox_full");
  await settled();
  assert.deepEqual(store.texts, ['"a"', '"b"', '"c"']);
  await second.session.close();
});

test("who is refused is told before it is forgotten; who takes it back has it forgotten", async () => {
  const store = new MemoryStore();
  const { server, clock, session, room } = page(store);
  await settled();
  server.intercept = (command) =>
    command.type === "publish"
      ? { type: "error", id: command.id ?? 0, code: "forbidden", message: "no" }
      : undefined;
  const atTheTime = room.publish("a").catch(() => store.texts);
  assert.deepEqual(await atTheTime, ['"a"']);
  await clock.advance(0);
  await settled();
  assert.deepEqual(store.texts, []);

  server.intercept = ({ type }) => (type === "publish" ? null : undefined);
  const aborter = new AbortController();
  const aborted = codeOf(room.publish("b", { signal: aborter.signal }));
  aborter.abort(); // The store is still at it. Its code is that of an AbortError.
  const later = new AbortController();
  const second = codeOf(room.publish("c", { signal: later.signal }));
  await settled();
  later.abort();
  assert.deepEqual(await Promise.all([aborted, second]), [20, 20]);
  await clock.advance(0);
  await settled();
  assert.deepEqual(store.texts, []);
  await session.close();
});

test("a thousand that were left are begun as they are sent, not all at once", async () => {
  const store = new MemoryStore();
  const first = page(store, {}, (server) => {
    server.isDown = true;
  });
  for (let index = 0; index < 1_000; index++) void first.room.publish(`${index}`);
  await settled();
  store.opened[0]?.die();
  first.server.isDown = false;
  first.server.intercept = ({ type }) => (type === "publish" ? null : undefined);
  const second = joined(first.server, store);
  await settled();
  const begun = [...store.rows.values()].filter(({ sentAt }) => sentAt !== undefined);
  assert.equal(begun.length, 8);
  first.server.intercept = () => undefined;
  first.server.conn.cut();
  for (let turn = 0; turn < 200 && first.server.head(name) < 1_000; turn++) await second.clock.advance(1_000);
  assert.deepEqual(
    texts(first.server),
    Array.from({ length: 1_000 }, (_, index) => `${index}`),
  );
  await settled();
  assert.deepEqual(store.texts, []);
  await second.session.close();
});
