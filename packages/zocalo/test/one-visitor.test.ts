// The doors of a server, and one visitor who takes all it can get. An honest client beside it notices
// nothing: its round trip is told. Every address of 127.0.0.0/8 is this machine's on Linux, and none is
// exempt here.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { request as sendRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { dial, type WebSocketConn } from "@zocalo/websocket";
import { MAX_UNANSWERED } from "../src/http-askers.ts";
import { type HttpDoorOptions, openHttpDoor } from "../src/http-door.ts";
import { createLog } from "../src/log.ts";
import { readSettings } from "../src/read-settings.ts";
import { Server } from "../src/server.ts";
import type { SettingName } from "../src/settings.ts";
import { Zocalo } from "./zocalo-process.ts";

const GREEDY = "127.0.0.2";
const HONEST = "127.0.0.3";
const PING = '{"type":"ping"}';

/** A server on free ports, with nobody exempt. */
async function open(t: TestContext, flags: Partial<Record<SettingName, string>> = {}) {
  const all = {
    host: "127.0.0.1",
    httpPort: "0",
    tcpPort: "0",
    udpPort: "0",
    exemptAddresses: "",
    drainMs: "0",
    logLevel: "silent",
    engine: "memory",
  };
  const settings = readSettings({ flags: { ...all, ...flags }, environment: {}, directory: "/" });
  const server = await Server.open(settings, { pages: undefined, log: createLog(settings) });
  t.after(() => server.stop());
  const { http = 0, tcp = 0, udp = 0 } = server.ports;
  return { http, tcp, udp };
}

/** The HTTP door alone, with nobody exempt and room for a hundred of each. */
function openDoor(options: Partial<HttpDoorOptions>) {
  return openHttpDoor("127.0.0.1", 0, {
    site: {
      pages: undefined,
      names: { isAllowedHost: () => true, isAllowedPage: () => true },
      isStopping: () => false,
      whyFull: () => undefined,
    },
    maxMessageBytes: 1_000,
    maxConnectionsPerAddress: 100,
    requestsPerSecondPerAddress: 100,
    exemptAddresses: [],
    onRefuse: () => undefined,
    onTooMany: () => undefined,
    ...options,
  });
}

async function connectFrom(localAddress: string, port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  // A reset is how some are refused, as early as here; the end is looked at.
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
  return socket;
}

/** A TCP client, and the messages it was sent. */
async function lineClient(host: string, port: number, firstLine?: string) {
  const socket = (await connectFrom(host, port)).setEncoding("utf8");
  let heard = "";
  socket.on("data", (piece: string) => (heard += piece));
  const closed = new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
  if (firstLine !== undefined) socket.write(firstLine);
  return {
    socket,
    closed,
    messages: () =>
      heard
        .split("\n")
        .slice(0, -1) // The last one may not be complete.
        .map((line) => JSON.parse(line) as { readonly type: string; readonly code?: number | string }),
    async ask(line: string): Promise<void> {
      const before = heard.length;
      socket.write(`${line}\n`);
      while (!heard.slice(before).includes("\n")) {
        assert.ok(!socket.closed, `closed after ${heard}`);
        await Promise.race([once(socket, "data"), closed]);
      }
    },
  };
}

/** A WebSocket, from this machine's first address. */
function webSocket(port: number, headers: Record<string, string> = {}): Promise<WebSocketConn> {
  return dial(`ws://127.0.0.1:${port}/ws`, { headers });
}

async function pong(conn: WebSocketConn): Promise<string> {
  await conn.send(PING);
  return String(await conn.receive());
}

/** A client of another address asks, and is answered. */
async function honestRoundTrip(t: TestContext, port: number, from = HONEST): Promise<void> {
  const client = await lineClient(from, port);
  const startedAt = process.hrtime.bigint();
  await client.ask(PING);
  const ms = Number(process.hrtime.bigint() - startedAt) / 1e6;
  assert.equal(client.messages()[0]?.type, "pong");
  t.diagnostic(`round trip of an honest client beside it: ${ms.toFixed(2)} ms`);
  client.socket.destroy();
  await client.closed;
}

async function get(port: number, path: string) {
  const request = sendRequest({ host: "127.0.0.1", port, path, agent: false }).end();
  const [response] = (await once(request, "response")) as [import("node:http").IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}

/** Asks until the answer is this one. */
async function untilStatus(port: number, path: string, status: number): Promise<string> {
  for (;;) {
    const answer = await get(port, path);
    if (answer.status === status) return answer.body;
  }
}

test("an address has so many clients through all doors together; one more hears 1013, and others get in", async (t) => {
  const { http, tcp, udp } = await open(t, { maxClientsPerAddress: "3" });
  // This end's address cannot be chosen for a WebSocket here, so that the first address of this machine is
  // the greedy one.
  const greedy = "127.0.0.1";
  const sockets = await Promise.all([webSocket(http), webSocket(http)]);
  for (const conn of sockets) assert.match(await pong(conn), /pong/);
  const third = await lineClient(greedy, tcp);
  await third.ask(PING);
  assert.equal(third.messages()[0]?.type, "pong");

  const fourth = await lineClient(greedy, tcp);
  await fourth.closed;
  assert.deepEqual(
    fourth.messages().map(({ type, code }) => [type, code]),
    [["disconnect", 1013]],
  );
  const datagrams = createSocket("udp4").bind(0, greedy);
  t.after(() => datagrams.close());
  await once(datagrams, "listening");
  datagrams.send(PING, udp, "127.0.0.1");
  const [answer] = (await once(datagrams, "message")) as [Buffer];
  assert.equal((JSON.parse(String(answer)) as { code?: number }).code, 1013);
  const fifth = await webSocket(http);
  assert.match(String(await fifth.receive()), /1013/);
  await honestRoundTrip(t, tcp);

  third.socket.destroy();
  await third.closed;
  for (;;) {
    const next = await webSocket(http);
    await next.send(PING);
    if (String(await next.receive()).includes("pong")) break; // The server has seen the end of the third.
  }
});

test("the clients of an address have so many subscriptions and commands together; what is past them is answered", async (t) => {
  const { tcp } = await open(t, { maxSubscriptionsPerAddress: "2", commandsPerSecondPerAddress: "10" });
  const [one, two] = [await lineClient(GREEDY, tcp), await lineClient(GREEDY, tcp)];
  const subscribe = (channel: string) => JSON.stringify({ type: "subscribe", channel });
  await one.ask(subscribe("plaza:1"));
  await two.ask(subscribe("plaza:1"));
  await two.ask(subscribe("plaza:2"));
  assert.deepEqual(
    [...one.messages(), ...two.messages()].map(({ type, code }) => code ?? type),
    ["subscribed", "subscribed", "limit_reached"],
  );
  // Twenty at once after a silence, of which three are gone; what comes again meanwhile is as much as ten a
  // second.
  const before = one.messages().length;
  one.socket.write(`${PING}\n`.repeat(1_000));
  // And as many are told that they may not; then nothing is read for a while.
  while (one.messages().length < before + 17 + 20) await once(one.socket, "data");
  const answers = one.messages().slice(before);
  assert.deepEqual(
    answers.slice(0, 17).map(({ type }) => type),
    Array.from({ length: 17 }, () => "pong"),
  );
  assert.ok(answers.some(({ code }) => code === "rate_limited"));
  await honestRoundTrip(t, tcp);
  one.socket.destroy();
  two.socket.destroy();
});

test("a client has so many commands, also where its address is exempt; one more is answered, and others have their own", async (t) => {
  const { tcp } = await open(t, { commandsPerSecond: "1", exemptAddresses: "127.0.0.0/8" });
  const [one, two] = [await lineClient(GREEDY, tcp), await lineClient(GREEDY, tcp)];
  // Two at once after a silence.
  one.socket.write(`{"type":"connect"}\n${PING}\n${PING}\n`);
  while (one.messages().length < 3) await once(one.socket, "data");
  await two.ask('{"type":"connect"}');
  await two.ask(PING);
  const [connected = {}, ...answers] = one.messages();
  assert.deepEqual({ ...connected, commandsPerSecond: 1, commandBurst: 2 }, connected);
  assert.deepEqual(
    [...answers, ...two.messages()].map(({ type, code }) => code ?? type),
    ["pong", "rate_limited", "connected", "pong"],
  );
  one.socket.destroy();
  two.socket.destroy();
});

for (const [limit, flags] of [
  [64, {}],
  [2, { maxHalfOpenPerAddress: "2" }],
] as const) {
  test(`silent connections of one address get no further than ${limit}, and others get in`, async (t) => {
    const { tcp } = await open(t, flags);
    const silent = [];
    for (let count = 0; count < limit; count++) silent.push(await lineClient(GREEDY, tcp));
    const past = await lineClient(GREEDY, tcp);
    await past.closed;
    assert.equal(silent.filter(({ socket }) => socket.closed).length, 0);
    await honestRoundTrip(t, tcp);
    for (const { socket } of silent) socket.destroy();
  });
}

test("an address has as many HTTP connections as clients, and a hundred; one more is closed at once", async (t) => {
  const { http, tcp } = await open(t, { maxClientsPerAddress: "1" });
  const most = [];
  for (let count = 0; count < 101; count++) most.push(await lineClient(GREEDY, http));
  const past = await lineClient(GREEDY, http);
  await past.closed;
  assert.deepEqual([past.messages(), most.filter(({ socket }) => socket.closed).length], [[], 0]);
  assert.equal((await get(http, "/healthz")).status, 200);
  await honestRoundTrip(t, tcp);
  for (const { socket } of most) socket.destroy();
});

test("who says nothing, or half a line, is cut in the stated time on every door", async (t) => {
  const { http, tcp } = await open(t, { firstCommandMs: "200", exemptAddresses: "127.0.0.0/8" });
  const talker = await lineClient(HONEST, tcp);
  await talker.ask(PING);
  const cut = [
    await lineClient(GREEDY, tcp),
    await lineClient(GREEDY, tcp, '{"type":"pi'),
    await lineClient(GREEDY, tcp, "\n"),
  ];
  const conn = await webSocket(http);
  assert.match(String(await conn.receive()), /"disconnect","code":4408/);
  await Promise.all(cut.map(({ closed }) => closed));
  const [, half, blank] = cut;
  for (const client of [half, blank]) assert.equal(client?.messages()[0]?.code, 4408);
  await talker.ask(PING);
  assert.equal(talker.messages().length, 2);
  talker.socket.destroy();
  await honestRoundTrip(t, tcp);
});

test("a connection without a request, or with half a head, is answered 408 and cut in the stated time", async (t) => {
  const door = await openDoor({ requestTimeoutMs: 300 });
  const startedAt = Date.now();
  const heard = await Promise.all(
    ["", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n"].map(
      async (head) => {
        const socket = await connectFrom(GREEDY, door.port);
        socket.write(head);
        return text(socket);
      },
    ),
  );
  for (const answer of heard) assert.match(answer, /^HTTP\/1\.1 408 /);
  const ms = Date.now() - startedAt;
  t.diagnostic(`three slow heads, of which each may take 300 ms: ${ms} ms`);
  assert.ok(ms < 20_000, "Node's own interval is 30 s");
  await honestRequest(t, door.port);
  door.cut();
  await door.close();
});

const REQUEST = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/** What came by the time that it was closed, or there were so many answers. */
async function answersTo(socket: Socket, requests: string, most = Number.POSITIVE_INFINITY): Promise<number> {
  let heard = "";
  socket.setEncoding("latin1").on("data", (piece: string) => (heard += piece));
  const count = (): number => heard.split("HTTP/1.1 200 ").length - 1;
  socket.write(requests);
  while (!socket.closed && count() < most) {
    // Not `once` of node:events: it fails for a reset, which is how some are cut.
    await new Promise((resolve) => socket.once("data", resolve).once("close", resolve));
  }
  socket.removeAllListeners("data");
  return count();
}

/** An honest client of the door asks, and is answered. */
async function honestRequest(t: TestContext, port: number): Promise<void> {
  const socket = await connectFrom(HONEST, port);
  const startedAt = process.hrtime.bigint();
  assert.equal(await answersTo(socket, REQUEST, 1), 1);
  const ms = Number(process.hrtime.bigint() - startedAt) / 1e6;
  t.diagnostic(`round trip of an honest client beside it: ${ms.toFixed(2)} ms`);
  socket.destroy();
}

test("so many requests of one connection may wait for their answers; with one more it is cut, exempt or not", async (t) => {
  for (const exemptAddresses of [[], ["127.0.0.0/8"]]) {
    const door = await openDoor({ exemptAddresses });
    const greedy = await connectFrom(GREEDY, door.port);
    assert.equal(await answersTo(greedy, REQUEST.repeat(MAX_UNANSWERED), MAX_UNANSWERED), MAX_UNANSWERED);
    assert.ok(!greedy.closed, "at the limit");
    await answersTo(greedy, REQUEST.repeat(MAX_UNANSWERED + 1));
    assert.ok(greedy.closed, "one past it");
    await honestRequest(t, door.port);
    await door.close(); // Nothing that was not answered is waited for.
  }
});

test("an address has so many requests in a second; one more and those of its connections that are no WebSockets are cut", async (t) => {
  const turnedAway: string[] = [];
  // A tenth of the request's time is the second of this door: it is not over before the test is.
  const second = { requestTimeoutMs: 1_000_000, requestsPerSecondPerAddress: 0.1 };
  const door = await openDoor({ ...second, onTooMany: (...told) => turnedAway.push(...told) });
  // A connection counts, too: two, of which one is a WebSocket, and eight requests.
  const conn = await webSocket(door.port);
  const toConn = await door.clients.accept();
  const greedy = await connectFrom("127.0.0.1", door.port);
  for (let count = 0; count < 8; count++) assert.equal(await answersTo(greedy, REQUEST, 1), 1);
  assert.ok(!greedy.closed, "at the limit");
  assert.equal(await answersTo(greedy, REQUEST), 0, "one past it");
  const next = await connectFrom("127.0.0.1", door.port);
  await answersTo(next, "");
  assert.deepEqual(turnedAway, ["127.0.0.1", "max_requests_per_address"]);
  await toConn.send("still here");
  assert.equal(await conn.receive(), "still here");
  await honestRequest(t, door.port);
  conn.abort();
  await door.close();
});

test("a request for a WebSocket on a path that has none is answered 404 and its connection ends", async (t) => {
  const { http } = await open(t);
  const socket = await connectFrom(GREEDY, http);
  socket.write(
    "GET /elsewhere HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  assert.match(await text(socket), /^HTTP\/1\.1 404 /);
});

test("who does not take an answer, or sends blank lines after one, is cut in the stated time", async (t) => {
  const body = Buffer.alloc(64 * 1024 * 1024);
  const site = {
    pages: new Map([["/large", { body, headers: { "content-length": String(body.length) } }]]),
    names: { isAllowedHost: () => true, isAllowedPage: () => true },
    isStopping: () => false,
    whyFull: () => undefined,
  };
  const times = { requestTimeoutMs: 300, keepAliveMs: 300, answerTimeoutMs: 600 };
  const door = await openDoor({ site, ...times, requestsPerSecondPerAddress: 10_000 });
  const deaf = await connectFrom(GREEDY, door.port);
  deaf.pause().write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  const blank = await connectFrom(GREEDY, door.port);
  assert.equal(await answersTo(blank, REQUEST, 1), 1);
  const sending = setInterval(() => blank.write("\r\n"), 20);
  await Promise.all([
    answersTo(blank, ""),
    // Not told to who does not read, but for a write.
    new Promise<void>((resolve) => {
      const asking = setInterval(() => deaf.write("\r\n"), 20);
      deaf.once("close", () => {
        clearInterval(asking);
        resolve();
      });
    }),
  ]);
  clearInterval(sending);
  await honestRequest(t, door.port);
  await door.close();
});

test("a full server is not ready and says why, and lives", async (t) => {
  const { http, tcp } = await open(t, { maxClients: "2" });
  const first = await lineClient(GREEDY, tcp);
  await first.ask(PING);
  assert.deepEqual(await get(http, "/readyz"), { status: 200, body: "ready\n" });
  const second = await lineClient(HONEST, tcp);
  await second.ask(PING);
  assert.deepEqual(await get(http, "/readyz"), { status: 503, body: "full: 2 clients are connected\n" });
  assert.deepEqual(await get(http, "/healthz"), { status: 200, body: "ok\n" });
  first.socket.destroy();
  assert.equal(await untilStatus(http, "/readyz", 200), "ready\n");
  second.socket.destroy();
});

test("a server whose channels are all in use is not ready and says why, until one is left", async (t) => {
  const { http, tcp } = await open(t, { maxChannels: "1" });
  const client = await lineClient(HONEST, tcp);
  assert.deepEqual(await get(http, "/readyz"), { status: 200, body: "ready\n" });
  await client.ask(JSON.stringify({ type: "subscribe", channel: "plaza:1" }));
  assert.deepEqual(await get(http, "/readyz"), { status: 503, body: "full: 1 channels are in use\n" });
  assert.deepEqual(await get(http, "/healthz"), { status: 200, body: "ok\n" });
  client.socket.destroy();
  assert.equal(await untilStatus(http, "/readyz", 200), "ready\n");
});

test("behind a trusted proxy each visitor has limits of its own, and nobody else is believed", async (t) => {
  const flags = { maxClientsPerAddress: "1", trustedProxies: "127.0.0.1" };
  const { http, tcp } = await open(t, flags);
  const by = (header: string) => webSocket(http, { "X-Forwarded-For": header });
  const visitor = await by("203.0.113.7");
  assert.match(await pong(visitor), /pong/);
  const second = await by("198.51.100.9, 203.0.113.7"); // It wrote the first address itself.
  assert.match(String(await second.receive()), /1013/);
  const other = await by("203.0.113.8");
  assert.match(await pong(other), /pong/);

  const proxied = (host: string) =>
    lineClient("127.0.0.1", tcp, `PROXY TCP4 ${host} 127.0.0.1 4711 7000\r\n`);
  const same = await proxied("203.0.113.7");
  await same.closed;
  assert.equal(same.messages()[0]?.code, 1013, "the same visitor, by another door");
  const third = await proxied("203.0.113.9");
  await third.ask(PING);
  assert.equal(third.messages()[0]?.type, "pong");

  const liar = await lineClient(GREEDY, tcp, "PROXY TCP4 203.0.113.10 127.0.0.1 4711 7000\r\n");
  while (liar.messages().length === 0) await once(liar.socket, "data");
  assert.equal(liar.messages()[0]?.type, "error", "for the server it is a bad command");
  liar.socket.destroy();
  await honestRoundTrip(t, tcp);
  third.socket.destroy();
});

test("one address does not take all files that the process may open, and the log says that they are few", async (t) => {
  const doors = { "--host": "127.0.0.1", "--http-port": "0", "--tcp-port": "0", "--udp-port": "off" };
  const args = ["serve", ...Object.entries({ ...doors, "--exempt-addresses": "192.0.2.1" }).flat()];
  await using zocalo = new Zocalo(args, {}, 256);
  const http = await zocalo.port("stderr", /"door":"http","address":"127\.0\.0\.1:(\d+)"/);
  const tcp = await zocalo.port("stderr", /"door":"tcp","address":"127\.0\.0\.1:(\d+)"/);
  const greedy = [];
  for (let count = 0; count < 300; count++) greedy.push(await lineClient(GREEDY, tcp, `${PING}\n`));
  for (let count = 0; count < 300; count++) greedy.push(await lineClient(GREEDY, http, "GET"));
  await untilStatus(http, "/readyz", 200);
  await honestRoundTrip(t, tcp);
  // 64 clients of the TCP door and 96 connections of the other one stay.
  for (;;) {
    const open = greedy.filter(({ socket }) => !socket.closed);
    if (open.length <= 160) break;
    await Promise.race(open.map(({ closed }) => closed));
  }
  assert.match(zocalo.stderr, /"files":256,"maxClients":192,"maxClientsPerAddress":64,.*ulimit -n/);
  for (const { socket } of greedy) socket.destroy();
});
