// What is of this moment, at the client: what it casts and when it does not, and what it is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { begin } from "./begin.ts";

/** A session that is connected. */
async function connected(...given: Parameters<typeof begin>) {
  const begun = begin(...given);
  await begun.clock.advance(0);
  return begun;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a cast leaves at once, as JSON or bytes, and is not numbered", async () => {
  const { server, session } = await connected();
  const room = session.channel("arena:1");
  assert.equal(room.cast({ x: 1 }, { key: "at" }), true);
  assert.equal(room.cast(new Uint8Array([0, 255])), true);
  assert.equal(session.cast("arena.input", [1]), true);
  await turn();
  const casts = server.conn.commands.filter(({ type }) => type === "cast");
  assert.deepEqual(
    casts.map((cast) => JSON.parse(JSON.stringify({ ...cast, data: undefined }))),
    [
      { type: "cast", channel: "arena:1", key: "at", json: '{"x":1}' },
      { type: "cast", channel: "arena:1", json: "" },
      { type: "cast", method: "arena.input", json: "[1]" },
    ],
  );
  assert.throws(() => room.cast(undefined), {
    name: "TypeError",
    message: "cast: JSON cannot say undefined",
  });
  await session.close();
});

test("without a connection, or room in it, a cast is not sent, and says so", async () => {
  const { server, session, clock } = await connected();
  server.conn.isFull = true;
  assert.equal(session.cast("m", 1), false);
  server.conn.drain();
  assert.equal(session.cast("m", 2), true);
  const around = '{"type":"cast","method":"m","data":""}'.length;
  const text = (length: number): string => "x".repeat(length - around);
  assert.equal(session.cast("m", text(16_384)), true);
  assert.equal(session.cast("m", text(16_385)), false, "longer than any may be");
  Object.assign(server.conn, { bufferedAmount: 16_384 });
  assert.equal(session.cast("m", 3), false, "what waits to leave counts");
  Object.assign(server.conn, { bufferedAmount: 0 });
  await turn();
  server.conn.cut();
  await turn();
  assert.equal(session.cast("m", 4), false);
  await clock.advance(20_000);
  await turn();
  assert.equal(session.state.name, "connected");
  assert.equal(session.cast("m", 5), true);
  await turn();
  await session.close();
  assert.equal(session.cast("m", 6), false);
  const sent = server.conns.flatMap(({ commands }) => commands.filter(({ type }) => type === "cast"));
  assert.deepEqual(
    sent.map((cast) => ("json" in cast ? cast.json.slice(0, 2) : "")),
    ["2", '"x', "5"],
  );
});

test("casts are paid like commands: past what the server takes they are not sent", async () => {
  const { session, clock } = await connected({}, (server) => {
    server.commandBurst = 20;
    server.commandsPerSecond = 10;
  });
  let sent = 0;
  while (session.cast("m", 1)) sent++;
  assert.ok(sent >= 10 && sent < 20, `${sent}`);
  await clock.advance(1_000);
  assert.equal(session.cast("m", 1), true);
  await session.close();
});

test("casts and messages come to who listens, until they stop", async () => {
  const { server, session } = await connected();
  const heard: unknown[] = [];
  const listener = (one: unknown): void => void heard.push(one);
  const stops = [
    session.channel("arena:1").onCast(listener),
    session.channel("arena:1").onCast(({ data }) => heard.push(data)),
    session.onMessage("shop.ready", listener),
  ];
  const say = (): void => {
    server.conn.push({
      type: "cast",
      channel: "arena:1",
      user: "ben",
      key: "k",
      sender: "s",
      data: { x: 1 },
    });
    server.conn.push({ type: "cast", channel: "arena:2", user: "ben", data: 1 });
    server.conn.push({ type: "message", topic: "shop.ready", data: { order: 7 } });
    server.conn.push({ type: "message", topic: "shop.other", data: 1 });
  };
  say();
  await turn();
  const [cast, data, message] = heard;
  const { type: _, ...said } = cast as { type: string };
  assert.deepEqual(said, {
    channel: "arena:1",
    user: "ben",
    key: "k",
    sender: "s",
    data: { x: 1 },
    json: '{"x":1}',
  });
  assert.deepEqual([data, heard.length], [{ x: 1 }, 3]);
  const ready = { type: "message", topic: "shop.ready", data: { order: 7 }, json: '{"order":7}' };
  assert.deepEqual(message, ready);
  for (const stop of stops) stop();
  say();
  await turn();
  assert.equal(heard.length, 3);
  await session.close();
});

test("a publication is known as one's own where the server tells senders", async () => {
  const { server, session } = await connected({}, (made) => {
    made.sender = "me";
  });
  const own: (boolean | undefined)[] = [];
  session.channel("plaza:1").subscribe({}, { publication: ({ isOwn }) => own.push(isOwn), gap() {} });
  await turn();
  const entry = { type: "publication", channel: "plaza:1", at: 1, user: "ana", data: 1 } as const;
  server.conn.push({ ...entry, offset: 1, sender: "me" });
  server.conn.push({ ...entry, offset: 2, sender: "other" });
  server.conn.push({ ...entry, offset: 3 });
  await turn();
  assert.deepEqual(own, [true, false, undefined]);
  await session.close();
});
