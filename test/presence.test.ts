// Who is in a channel of 10,000 users, seen by clients that take little: over real sockets, and by the SDK.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, type PresentUser } from "@zocalo/client";
import { Hub, MemoryEngine } from "@zocalo/hub";
import { dial, lines, listen, listenPacket, peers } from "@zocalo/net";
import type { Command, PresenceAnswer, ServerMessage } from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";

const USERS = 10_000;
const CHANNEL = "plaza:crowd";
/** What these clients take, in bytes. */
const MAX_MESSAGE_BYTES = 65_536;

const engine = new MemoryEngine();
const hub = new Hub({
  engine,
  namespaces: { plaza: { subscribe: "anyone", publish: "anyone", presence: true } },
  limits: { commandBurst: 100_000 },
});
const names = Array.from({ length: USERS }, (_, index) => `user-${index}`);
/** A client that asks, and sees each message as text. */
interface Asking {
  send(command: Command): Promise<void>;
  next(): Promise<string>;
  close(): Promise<void>;
}
const opens: Record<string, () => Promise<Asking>> = {};
let url = "";

before(async () => {
  for (const [index, user] of names.entries()) {
    await engine.join(CHANNEL, { session: `s${index}`, user, info: '{"name":"Ana María"}' });
  }
  const web = await websocket.listen("127.0.0.1:0");
  const tcp = await listen("tcp", "127.0.0.1:0");
  const packets = await listenPacket("udp", "127.0.0.1:0");
  for (const listener of [web, lines(tcp), peers(packets)]) void hub.serve(listener);
  url = `ws://${String(web.addr)}`;
  opens["WebSocket"] = async () => {
    const conn = await websocket.dial(url, { maxMessageBytes: MAX_MESSAGE_BYTES });
    return {
      send: (command) => conn.send(JSON.stringify(command)),
      next: async () => String(await conn.receive()),
      close: () => conn.close(),
    };
  };
  opens["TCP"] = async () => {
    const conn = lines(await dial("tcp", String(tcp.addr)), { maxMessageBytes: MAX_MESSAGE_BYTES });
    return {
      send: (command) => conn.send(JSON.stringify(command)),
      next: async () => String(await conn.receive()),
      close: () => conn.close(),
    };
  };
  opens["UDP"] = async () => {
    const conn = await dial("udp", String(packets.localAddr));
    return {
      send: (command) => conn.send(JSON.stringify(command)),
      next: async () => Buffer.from((await conn.receive()) ?? []).toString(),
      close: () => conn.close(),
    };
  };
});
after(() => hub.close());

for (const transport of ["WebSocket", "TCP", "UDP"]) {
  test(`over ${transport} all ${USERS} are read, page by page`, async (t) => {
    const open = opens[transport];
    assert.ok(open);
    const conn = await open();
    const ask = async (command: Command): Promise<{ text: string; answer: ServerMessage }> => {
      await conn.send(command);
      const text = await conn.next();
      return { text, answer: JSON.parse(text) as ServerMessage };
    };
    const { answer: connected } = await ask({ type: "connect", key: "k" });
    assert.ok(connected.type === "connected");
    const { session } = connected;
    const pages: PresenceAnswer[] = [];
    let largest = 0;
    for (let next: number | undefined = 0; next !== undefined; ) {
      const { text, answer } = await ask({ type: "presence", channel: CHANNEL, after: next, session });
      assert.ok(answer.type === "presence", text);
      largest = Math.max(largest, Buffer.byteLength(text));
      pages.push(answer);
      next = answer.next;
    }
    t.diagnostic(`${pages.length} pages, at most ${largest} bytes`);
    assert.ok(largest <= (transport === "UDP" ? 1_200 : MAX_MESSAGE_BYTES));
    assert.ok(pages.every(({ total }) => total === USERS));
    assert.deepEqual(
      pages.flatMap(({ users }) => users.map(({ user }) => user)),
      names,
    );
    await conn.close();
  });
}

test("the SDK has all of them, how many there are, and who comes and leaves, with messages of 64 KiB", async () => {
  let largest = 0;
  const session = connect(url, {
    token: "t".repeat(32),
    dial: async (to, options) => {
      const conn = await websocket.dial(to, { ...options, maxMessageBytes: MAX_MESSAGE_BYTES });
      return {
        serve: (handler) =>
          conn.serve({
            message: (message) => {
              largest = Math.max(largest, Buffer.byteLength(message));
              handler.message(message);
            },
            drain: () => handler.drain(),
            close: (info) => handler.close(info),
          }),
        trySend: (message) => conn.trySend(message),
        close: (code, reason) => conn.close(code, reason),
        abort: () => conn.abort(),
      };
    },
  });
  let told: { users: readonly PresentUser[]; total: number } = { users: [], total: 0 };
  const waiting = new Set<() => void>();
  const subscription = session.channel(CHANNEL).subscribe(
    {},
    {
      publication() {},
      gap() {},
      presence(users, total) {
        told = { users, total };
        for (const wake of waiting) wake();
      },
    },
  );
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise<void>((resolve) => waiting.add(resolve));
  };
  await until(() => told.total === USERS + 1);
  assert.equal(told.users.length, USERS); // As many as are listed.
  await engine.leave(CHANNEL, "s0");
  await engine.leave(CHANNEL, "s1");
  await engine.join(CHANNEL, { session: "new", user: "late" });
  await until(() => told.total === USERS);
  const seen = new Set(told.users.map(({ user }) => user));
  assert.deepEqual([seen.has("user-0"), seen.has("user-2"), seen.has("late")], [false, true, true]);
  assert.equal(subscription.total, USERS);
  const asked = await session.channel(CHANNEL).presence();
  assert.deepEqual([asked.total, asked.users.length], [USERS, USERS]);
  assert.ok(largest > 10_000 && largest <= MAX_MESSAGE_BYTES, `${largest}`);
  await engine.join(CHANNEL, { session: "s0", user: "user-0" });
  await engine.join(CHANNEL, { session: "s1", user: "user-1" });
  await session.close();
});
