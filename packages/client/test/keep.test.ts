import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, ReceivedPublish } from "@zocalo/protocol";
import { begin } from "./begin.ts";
import type { ConnectOptions, KeepOptions, LeftPublication, OpenOutbox, OutboxStore } from "../src/index.ts";
import { settled } from "./fake-clock.ts";
import type { FakeServer } from "./fake-server.ts";
import { MemoryStore } from "./memory-store.ts";

const name = "plaza:general";
const MINUTE_MS = 60_000;

/** A page with a store, and what it was told. */
function page(store: MemoryStore, options: ConnectOptions = {}, prepare?: (server: FakeServer) => void) {
  const left: LeftPublication[] = [];
  const told: string[] = [];
  const keep: KeepOptions = {
    store,
    left: (publication) => {
      left.push(publication);
      const { json } = publication;
      publication.published.then(
        ({ offset }) => told.push(`${json} is ${offset}`),
        (error: { code: string }) => told.push(`${json} ${error.code}`),
      );
    },
    notKept: (error) => told.push(`not kept: ${error.message}`),
  };
  const begun = begin({ token: "ana", keep, ...options }, prepare);
  return { ...begun, left, told, room: begun.session.channel<string>(name) };
}

/** A server for several pages. */
function joined(server: FakeServer, store: MemoryStore, options: ConnectOptions = {}) {
  return page(store, { dial: server.dial, ...options });
}

const texts = (server: FakeServer) => server.log(name).publications.map(({ data }) => data);
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "resolved",
    (error: { code?: string; name: string }) => error.code ?? error.name,
  );

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

for (const [title, ageMs, keyMs, expected] of [
  ["within the time of its key", 3 * MINUTE_MS, undefined, "resolved"],
  ["past the time of its key", 4 * MINUTE_MS, undefined, "unknown_outcome"],
  ["within the time that the server says", 40 * MINUTE_MS, 60 * MINUTE_MS, "resolved"],
  ["past the time that the server says", 50_000, MINUTE_MS, "unknown_outcome"],
] as const) {
  test(`sent and not acknowledged, in the same page: ${title}`, async () => {
    const { server, clock, session, room } = page(new MemoryStore(), { keep: undefined as never }, (it) => {
      it.keyMs = keyMs;
    });
    await settled();
    server.intercept = ({ type }) => (type === "publish" ? null : undefined);
    const outcome = codeOf(room.publish("a"));
    await settled();
    server.intercept = () => undefined;
    server.isDown = true;
    server.conn.cut();
    await clock.advance(ageMs);
    server.isDown = false;
    await clock.advance(20_000);
    assert.equal(await outcome, expected);
    assert.equal(server.head(name), expected === "resolved" ? 1 : 0);
    await session.close();
  });

  test(`sent and not acknowledged, found by the next page: ${title}`, async () => {
    const store = new MemoryStore();
    const first = page(store, {}, (it) => {
      it.keyMs = keyMs;
    });
    await settled();
    first.server.intercept = ({ type }) => (type === "publish" ? null : undefined);
    void first.room.publish("a");
    await settled();
    store.opened[0]?.die();
    first.server.intercept = () => undefined;
    const second = joined(first.server, store, { clock: first.clock });
    first.clock.setWall(ageMs); // It was closed meanwhile.
    await settled();
    await first.clock.advance(0);
    assert.deepEqual(second.told, [expected === "resolved" ? '"a" is 1' : '"a" unknown_outcome']);
    await settled();
    assert.deepEqual(store.texts, [], "told, and forgotten");
    await Promise.all([first.session.close(), second.session.close()]);
  });
}

test("what was never sent waits for as long as it takes", async () => {
  const store = new MemoryStore();
  const first = page(store, {}, (server) => {
    server.isDown = true;
  });
  void first.room.publish("a");
  await settled();
  store.opened[0]?.die();
  first.server.isDown = false;
  first.clock.setWall(30 * 24 * 60 * MINUTE_MS);
  const second = joined(first.server, store, { clock: first.clock });
  await settled();
  assert.deepEqual(second.told, ['"a" is 1']);
  await Promise.all([first.session.close(), second.session.close()]);
});

test("a wall clock that went back between two pages tells nothing of an age", async () => {
  const store = new MemoryStore();
  const first = page(store);
  await settled();
  first.server.intercept = ({ type }) => (type === "publish" ? null : undefined);
  void first.room.publish("a");
  await settled();
  store.opened[0]?.die();
  first.clock.setWall(-1_000);
  first.server.intercept = () => undefined;
  const second = joined(first.server, store, { clock: first.clock });
  await settled();
  assert.deepEqual(second.told, ['"a" unknown_outcome']);
  await Promise.all([first.session.close(), second.session.close()]);
});

test("a machine that slept with something unanswered does not send it again past the time of its key", async () => {
  const { server, clock, session, room } = plain();
  await settled();
  server.intercept = ({ type }) => (type === "publish" ? null : undefined);
  const outcome = codeOf(room.publish("a"));
  await settled();
  server.intercept = () => undefined;
  clock.setWall(5 * MINUTE_MS); // Uptime stood still.
  server.conn.cut();
  await clock.advance(1_000);
  assert.equal(await outcome, "unknown_outcome");
  await session.close();
});

test("refused for its rate for long, it was never taken, and is still sent", async () => {
  const store = new MemoryStore();
  const { server, clock, session, room } = page(store);
  await settled();
  server.intercept = (command) =>
    command.type === "publish"
      ? { type: "error", id: command.id ?? 0, code: "rate_limited", message: "slow", retryMs: 5_000 }
      : undefined;
  const outcome = codeOf(room.publish("a"));
  for (let minutes = 0; minutes < 10; minutes++) await clock.advance(MINUTE_MS);
  server.intercept = () => undefined;
  await clock.advance(10_000);
  assert.equal(await outcome, "resolved");
  const rows = [...store.rows.values()];
  assert.deepEqual(rows, []);
  await session.close();
});

test("unavailable for long, it may be there, and is told", async () => {
  const { server, clock, session, room } = plain();
  await settled();
  server.intercept = (command) =>
    command.type === "publish"
      ? { type: "error", id: command.id ?? 0, code: "unavailable", message: "disk" }
      : undefined;
  const outcome = codeOf(room.publish("a"));
  for (let minutes = 0; minutes < 4; minutes++) await clock.advance(MINUTE_MS);
  assert.equal(await outcome, "unknown_outcome");
  await session.close();
});

test("no room in one channel: it is tried again when the server says, and others go on", async () => {
  const { server, clock, session, room } = plain();
  await settled();
  server.intercept = (command) =>
    command.type === "publish" && command.channel === name
      ? { type: "error", id: command.id ?? 0, code: "limit_reached", message: "keys", retryMs: 10_000 }
      : undefined;
  const full = room.publish("a");
  await settled();
  const behind = room.publish("b");
  assert.equal((await session.channel("plaza:other").publish("c")).offset, 1);
  assert.equal(server.conn.count("publish"), 2, "b is not sent into a full channel");
  assert.equal((await room.history()).head, 0, "it can be read");
  server.intercept = () => undefined;
  await clock.advance(9_999);
  assert.equal(server.head(name), 0);
  await clock.advance(1);
  assert.deepEqual([(await full).offset, (await behind).offset], [1, 2]);
  await session.close();
});

test("limit_reached without a time is final", async () => {
  const { server, session, room } = plain();
  server.intercept = (command) =>
    command.type === "publish"
      ? { type: "error", id: command.id ?? 0, code: "limit_reached", message: "no" }
      : undefined;
  assert.equal(await codeOf(room.publish("a")), "limit_reached");
  await session.close();
});

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

function plain() {
  const begun = begin({ token: "ana" });
  return { ...begun, room: begun.session.channel<string>(name) };
}
