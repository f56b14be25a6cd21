// One address does its worst over real sockets; the round trips of an honest client beside it are printed.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { type Conn, dial, lines, listen, type MessageConn } from "@zocalo/net";
import type { Command, ServerMessage } from "@zocalo/protocol";
import { Hub, type HubLimits } from "../src/index.ts";
import { namespaces } from "./square.ts";

interface Site {
  readonly hub: Hub;
  readonly greedy: () => Promise<Conn>;
  readonly honest: () => Promise<MessageConn>;
}

async function open(t: TestContext, limits: Partial<HubLimits>): Promise<Site> {
  const hub = new Hub({ namespaces, limits, exemptAddresses: [] });
  const listener = await listen("tcp", "127.0.0.1:0");
  void hub.serve(lines(listener));
  t.after(() => hub.close({ deadline: Date.now() }));
  const from = async (localAddress: string): Promise<Conn> => {
    const conn = await dial("tcp", String(listener.addr), { localAddress: `${localAddress}:0` });
    t.after(() => conn.abort());
    return conn;
  };
  return {
    hub,
    greedy: () => from("127.0.0.2"),
    honest: async () => lines(await from("127.0.0.1"), { maxMessageBytes: 1_048_576 }),
  };
}

async function ask(conn: MessageConn, command: Command): Promise<ServerMessage> {
  await conn.send(JSON.stringify(command));
  return JSON.parse(String(await conn.receive())) as ServerMessage;
}

/** Round trips of an honest client until the work is done; prints the worst. */
async function beside(t: TestContext, honest: MessageConn, work: Promise<unknown>): Promise<void> {
  let isDone = false;
  void work.finally(() => (isDone = true));
  let worstMs = 0;
  let count = 0;
  while (!isDone) {
    const startedAt = process.hrtime.bigint();
    assert.equal((await ask(honest, { type: "ping" })).type, "pong");
    worstMs = Math.max(worstMs, Number(process.hrtime.bigint() - startedAt) / 1e6);
    count++;
  }
  t.diagnostic(`worst of ${count} round trips of an honest client beside it: ${worstMs.toFixed(1)} ms`);
  await work;
}

/** Reads so many lines; gives the beginning of each piece that came. */
async function readLines(conn: Conn, count: number): Promise<string> {
  const heads: string[] = [];
  let lineCount = 0;
  for await (const bytes of conn) {
    const read = Buffer.from(bytes);
    heads.push(read.toString("latin1", 0, 100));
    for (let at = read.indexOf(10); at >= 0; at = read.indexOf(10, at + 1)) lineCount++;
    if (lineCount >= count) break;
  }
  return heads.join("\n");
}

test("ten connections of one address send a thousand of the dearest commands each, at once", async (t) => {
  const { hub, greedy, honest } = await open(t, {});
  for (let count = 0; count < 1_000; count++) await hub.publish("quiet:log", "y".repeat(100));
  const command = `${JSON.stringify({ type: "history", channel: "quiet:log", limit: 1_000 })}\n`;
  const burst = Buffer.from(command.repeat(1_000));
  const beasts = await Promise.all(Array.from({ length: 10 }, greedy));
  const told = beasts.map(async (conn) => {
    const writing = conn.write(burst).catch(() => undefined); // Not all of it is taken.
    const text = await readLines(conn, 20);
    conn.abort();
    await writing;
    return text;
  });
  await beside(t, await honest(), Promise.all(told));
  for (const text of await Promise.all(told)) assert.match(text, /^\{"type":"(?:history|error)"/);
});

test("subscribers that read nothing are cut past the bound, and one that reads gets all", async (t) => {
  const { hub, greedy, honest } = await open(t, { unreadBytes: 400_000 });
  const subscribe = JSON.stringify({ type: "subscribe", channel: "quiet:x" });
  for (let number = 0; number < 8; number++) {
    const deaf = await greedy();
    await deaf.write(Buffer.from(`${subscribe}\n`));
    assert.match(await readLines(deaf, 1), /subscribed/);
  }
  const reader = await honest();
  assert.equal((await ask(reader, { type: "subscribe", channel: "quiet:x" })).type, "subscribed");
  const data = "y".repeat(48_000);
  const flood = async (): Promise<number> => {
    let offset = 0;
    // The system's own buffers take some first; then each lets 100 kB wait here, and falls behind.
    while (hub.stats().disconnected < 4) {
      assert.ok(offset < 5_000);
      await hub.publish("quiet:x", data);
      const message = JSON.parse(String(await reader.receive())) as ServerMessage;
      assert.ok(message.type === "publication" && message.offset === ++offset);
    }
    return offset;
  };
  const flooding = flood();
  await beside(t, await honest(), flooding);
  t.diagnostic(`${await flooding} publications of 48 kB, ${hub.stats().disconnected} of 8 cut`);
  assert.equal(hub.stats().subscriptions + hub.stats().disconnected, 9);
});
