// A server, or whoever answers in its place, may say anything. The session goes on, ends, or connects again;
// its process does not end: an unhandled rejection fails these tests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Random } from "@zocalo/integrity";
import type { ClientConn, ConnHandler } from "../src/connection/conn.ts";
import { connect } from "../src/connect.ts";
import { begin } from "./begin.ts";
import { settled } from "./fake-clock.ts";

/** Values that are no JSON of the protocol in most places. */
const VALUES = [null, true, 0, -1, 1.5, "", "x", [], [null], {}, { length: 1 }, "plaza:general", 1, 2, 3];
const TYPES = [
  "connected",
  "published",
  "subscribed",
  "unsubscribed",
  "publication",
  "gap",
  "join",
  "leave",
  "changes",
  "ping",
  "history",
  "presence",
  "pong",
  "error",
  "verify",
  "disconnect",
  "nothing",
];
const FIELDS = [
  "id",
  "channel",
  "epoch",
  "offset",
  "head",
  "oldest",
  "publications",
  "recovered",
  "from",
  "to",
  "reset",
  "user",
  "users",
  "total",
  "next",
  "changes",
  "info",
  "version",
  "presence",
  "code",
  "message",
  "retryMs",
  "pingMs",
  "commandBytes",
  "keyMs",
  "reconnect",
  "at",
  "data",
];

test("whatever a server says, in whatever form, nothing is thrown at the connection", async () => {
  const random = new Random(8);
  const garbage = (): string => {
    if (random.chance(0.1)) return random.pick(["", "{", "null", "[]", '"x"', "\ufeff{}", "\0", "1e999"]);
    const fields = FIELDS.filter(() => random.chance(0.5)).map((field) => [field, random.pick(VALUES)]);
    return JSON.stringify({ type: random.pick(TYPES), ...Object.fromEntries(fields) });
  };
  const thrown = new Set<string>();
  for (let round = 0; round < 300; round++) {
    let handler: ConnHandler | undefined;
    const say = (text: string): void => {
      try {
        handler?.message(text);
      } catch (error) {
        thrown.add(`${text} ${String(error instanceof Error ? error.stack : error)}`);
      }
    };
    const conn: ClientConn = {
      serve: (given) => {
        handler = given;
      },
      trySend: () => "sent",
      close: () => Promise.resolve(),
      abort: () => undefined,
    };
    const session = connect("", { dial: () => Promise.resolve(conn) });
    await turn();
    const room = session.channel("plaza:general");
    // Nobody waits for these.
    void room.publish("hola");
    void room.history();
    void room.presence();
    room.subscribe({ last: 5, presence: true }, { publication: () => undefined, gap: () => undefined });
    if (round % 2 === 0) {
      say(
        '{"type":"connected","id":1,"version":1,"server":"s","session":"s","user":"u","pingMs":1000,"commandBytes":65536}',
      );
    }
    for (let count = 0; count < 100; count++) say(garbage());
    await turn();
    await session.close();
  }
  await turn();
  assert.deepEqual([...thrown], []);
});

test("a publication nobody waits for may be refused; who does wait is told", async () => {
  const { server, session } = begin({ token: "ana" });
  await settled();
  server.intercept = (command) =>
    command.type === "publish"
      ? { type: "error", id: command.id ?? 0, code: "forbidden", message: "not you" }
      : undefined;
  const room = session.channel<string>("plaza:general");
  const publishing = room.publish("hola");
  await settled();
  await turn();
  await assert.rejects(publishing, { code: "forbidden" });
  await session.close();
});

test("an interval of pings that is none, or longer than a timer, makes no flood of them", async () => {
  for (const [pingMs, mayLive] of [
    ["x", false],
    [-1, false],
    [0, false],
    [1e12, true],
  ] as const) {
    const sent: string[] = [];
    let handler: ConnHandler | undefined;
    let wasAborted = false;
    const conn: ClientConn = {
      serve: (given) => {
        handler = given;
      },
      trySend: (text) => (sent.push(text), "sent"),
      close: () => Promise.resolve(),
      abort: () => {
        wasAborted = true;
      },
    };
    const delays: number[] = [];
    const clock = {
      wall: () => 0,
      uptime: () => 0,
      after: (ms: number) => {
        delays.push(ms);
        return () => undefined;
      },
    };
    const session = connect("", { dial: () => Promise.resolve(conn), clock });
    await turn();
    handler?.message(
      JSON.stringify({
        type: "connected",
        id: 1,
        version: 1,
        server: "s",
        session: "s",
        user: "u",
        pingMs,
        commandBytes: 65_536,
      }),
    );
    assert.equal(wasAborted, !mayLive, String(pingMs));
    assert.ok(
      delays.every((ms) => ms > 0),
      String(delays),
    );
    assert.equal(sent.length, 1);
    await session.close();
  }
});
