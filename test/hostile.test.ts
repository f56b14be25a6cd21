// Bad input through each door of the built command: the answer is the one docs/protocol.md states, the
// process lives, nobody else notices.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { after, before, test } from "node:test";
import { dial, type WebSocketConn } from "@zocalo/websocket";
import type { Command } from "@zocalo/protocol";
import { type Client, Received, TcpClient, UdpClient } from "./e2e-clients.ts";
import { ServerProcess } from "./e2e-server.ts";
import { BINARY, frame, RawWebSocket, TEXT } from "./hostile-websocket.ts";

/** Where the bystanders are; nobody who means harm publishes there. */
const QUIET = "plaza:quiet";
/**
 * What the server may take in the worst moment of all of this, in bytes; 75 MiB were measured, 70 for a fresh
 * one.
 */
const MAX_MEMORY = 192 * 1_048_576;
const FLOOD = 100_000;

let server: ServerProcess;
/** One on each transport, all subscribed to the quiet channel. */
let bystanders: readonly Client[];
let publisher: TcpClient;
let published = 0;

before(async () => {
  server = await ServerProcess.start();
  bystanders = [
    await TcpClient.connect(server.ports.tcp),
    await UdpClient.connect(server.ports.udp),
    await WebSocketClient.connect(server.ports.http),
  ];
  for (const bystander of bystanders) {
    bystander.send({ type: "subscribe", guest: true, channel: QUIET });
    await bystander.received.next("subscribed");
  }
  publisher = await TcpClient.connect(server.ports.tcp);
});

after(async () => {
  for (const client of [...bystanders, publisher]) await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** A well-behaved WebSocket client. */
class WebSocketClient implements Client {
  readonly received = new Received();
  readonly #conn: WebSocketConn;

  private constructor(conn: WebSocketConn) {
    this.#conn = conn;
    conn.serve({
      message: (message) => this.received.push(String(message)),
      close: () => this.received.end(),
    });
  }

  static async connect(port: number): Promise<WebSocketClient> {
    return new WebSocketClient(await dial(`ws://localhost:${port}/ws`));
  }

  send(command: Command | string): void {
    this.#conn.trySend(typeof command === "string" ? command : JSON.stringify(command));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#conn.close();
  }
}

/**
 * Publishes into the quiet channel and waits until every bystander has it, with the next offset and nothing
 * between.
 */
async function nobodyNoticed(): Promise<void> {
  published++;
  publisher.send({ type: "publish", channel: QUIET, data: { text: `tick ${published}` } });
  const { offset } = await publisher.received.next("published");
  assert.equal(offset, published);
  for (const { received } of bystanders) {
    await received.next("publication", (message) => message.offset === published);
    const expected = Array.from({ length: published }, (_, i) => `${i + 1} tick ${i + 1}`);
    assert.deepEqual(received.publications, expected);
  }
}

/** Texts that are no good command, and the error that answers each. */
const NO_COMMANDS: readonly (readonly [string, string])[] = [
  ["hola", "bad_json"],
  ["{", "bad_json"],
  ['{"type":"ping"}}', "bad_json"],
  ["null", "bad_json"],
  ["42", "bad_json"],
  ['"ping"', "bad_json"],
  ['["ping"]', "bad_json"],
  ["\0\u0001", "bad_json"],
  ["{}", "bad_command"],
  ['{"type":42}', "bad_command"],
  ['{"__proto__":{"type":"ping"}}', "bad_command"],
  ['{"type":"fly"}', "unknown_command"],
  ['{"type":"constructor"}', "unknown_command"],
  ['{"type":"subscribe"}', "bad_command"],
  ['{"type":"subscribe","channel":["plaza:x"]}', "bad_command"],
  ['{"type":"subscribe","channel":"plaza:x","since":"yesterday"}', "bad_command"],
  ['{"type":"subscribe","channel":"plaza:x","since":{"epoch":"e","offset":-1}}', "bad_command"],
  ['{"type":"subscribe","channel":"plaza:x","last":1e9}', "bad_command"],
  ['{"type":"subscribe","channel":"__proto__:x"}', "unknown_channel"],
  ['{"type":"subscribe","channel":"constructor"}', "unknown_channel"],
  [`{"type":"subscribe","channel":"plaza:${"x".repeat(200)}"}`, "bad_command"],
  ['{"type":"publish","channel":"plaza:x"}', "bad_command"],
  ['{"type":"publish","channel":"plaza:x","data":1,"key":""}', "bad_command"],
  [`{"type":"publish","channel":"plaza:x","data":${"[".repeat(65)}${"]".repeat(65)}}`, "bad_command"],
  [`{"type":"publish","channel":"plaza:x","data":${"[".repeat(30_000)}${"]".repeat(30_000)}}`, "bad_command"],
  [`{"type":"publish","channel":"plaza:x","data":"${"x".repeat(49_151)}"}`, "too_large"],
  ['{"type":"history","channel":"plaza:x","before":0}', "bad_command"],
  ['{"type":"unsubscribe","channel":"plaza:x"}', "not_subscribed"],
  ['{"type":"ping","id":0}', "bad_command"],
  ['{"type":"ping","id":"1"}', "bad_command"],
];

const TRANSPORTS = {
  TCP: () => TcpClient.connect(server.ports.tcp),
  WebSocket: () => WebSocketClient.connect(server.ports.http),
  UDP: () => UdpClient.connect(server.ports.udp),
};

for (const [name, connect] of Object.entries(TRANSPORTS)) {
  test(`${name}: what is no command gets its typed error, and the connection goes on`, async () => {
    await using client = await connect();
    client.send({ type: "ping", guest: true, id: 6 }); // There is a session, over UDP too.
    assert.equal((await client.received.next("pong")).id, 6);
    for (const [text, code] of NO_COMMANDS) {
      client.send(text);
      const error = await client.received.next("error");
      assert.deepEqual([text.slice(0, 80), error.code], [text.slice(0, 80), code]);
      assert.ok(error.message.length < 300, error.message);
    }
    client.send({ type: "ping", guest: true, id: 7 });
    assert.equal((await client.received.next("pong")).id, 7);
    await nobodyNoticed();
  });

  test(`${name}: the largest command there can be is taken`, async () => {
    await using client = await connect();
    const command = '{"type":"ping","guest":true,"id":1}';
    const most = name === "UDP" ? 65_507 : 65_536;
    client.send(command + " ".repeat(most - command.length));
    assert.equal((await client.received.next("pong")).id, 1);
  });
}

test("TCP: a line past the limit ends with 1009, however long it is", async () => {
  for (const length of [65_537, 2_097_152]) {
    await using client = await TcpClient.connect(server.ports.tcp);
    client.socket.write("x".repeat(length));
    client.socket.write("\n");
    assert.equal((await client.received.next("disconnect")).code, 1009);
    await client.ended;
  }
  await nobodyNoticed();
});

test("TCP: a line that never ends is cut at the limit", async () => {
  await using client = await TcpClient.connect(server.ports.tcp);
  client.socket.write("x".repeat(70_000));
  assert.equal((await client.received.next("disconnect")).code, 1009);
  await nobodyNoticed();
});

test("TCP: a line that is not UTF-8 ends with 1007", async () => {
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
    await using client = await TcpClient.connect(server.ports.tcp);
    client.socket.write(
      Buffer.from([...Buffer.from('{"type":"ping","x":"'), ...bytes, ...Buffer.from('"}\n')]),
    );
    const { code, reconnect } = await client.received.next("disconnect");
    assert.deepEqual([code, reconnect], [1007, false]);
    await client.ended;
  }
  await nobodyNoticed();
});

test("TCP: half a line and gone, cut or closed, is no more than that", async () => {
  for (let i = 0; i < 50; i++) {
    const client = await TcpClient.connect(server.ports.tcp);
    client.socket.write('{"type":"publish","channel":"plaza:x","da');
    if (i % 2 === 0) client.socket.resetAndDestroy();
    else client.socket.end();
    await client.ended;
  }
  await nobodyNoticed();
});

test("TCP: empty lines are ignored, and a browser's request is no command", async () => {
  await using client = await TcpClient.connect(server.ports.tcp);
  client.socket.write('\n\r\n\n{"type":"ping","id":1}\r\n');
  assert.equal((await client.received.next("pong")).id, 1);
  assert.deepEqual(
    client.received.all.map(({ type }) => type),
    ["pong"],
  );
  await using browser = await TcpClient.connect(server.ports.tcp);
  const body = '{"type":"publish","channel":"plaza:x","data":"from an evil page"}\n';
  browser.socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  assert.equal((await browser.received.next("disconnect")).code, 4400);
  await browser.ended;
  assert.deepEqual(
    browser.received.all.map(({ type }) => type),
    ["disconnect"],
  );
  await nobodyNoticed();
});

test("WebSocket: each breach closes with its code", async () => {
  const half = frame(TEXT, Buffer.from('{"type":"ping"}')).subarray(0, 8);
  const breaches: readonly (readonly [string, Buffer, number])[] = [
    ["binary", frame(BINARY, Buffer.from('{"type":"ping"}')), 1003],
    ["not UTF-8", frame(TEXT, Buffer.from([0x7b, 0xff])), 1007],
    ["one byte too long", frame(TEXT, Buffer.alloc(65_537, "x")), 1009],
    ["2 MB", frame(TEXT, Buffer.alloc(2_097_152, "x")), 1009],
    ["2^62 bytes announced", Buffer.from([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 1009],
    ["not masked", frame(TEXT, Buffer.from('{"type":"ping"}'), { isMasked: false }), 1002],
    ["reserved bit", frame(TEXT, Buffer.from('{"type":"ping"}'), { reserved: 4 }), 1002],
    ["reserved opcode", frame(3, Buffer.alloc(0)), 1002],
    ["long ping", frame(9, Buffer.alloc(126)), 1002],
    ["bytes that are no frame", randomBytesThatBreak(), 1002],
  ];
  for (const [what, bytes, code] of breaches) {
    using client = await RawWebSocket.open(server.ports.http);
    client.socket.write(bytes);
    const ending = await client.ending();
    assert.deepEqual([what, ending.code], [what, code]);
  }
  for (let i = 0; i < 50; i++) {
    const client = await RawWebSocket.open(server.ports.http);
    client.socket.write(half);
    if (i % 2 === 0) client.socket.resetAndDestroy();
    else client.socket.end();
    await client.frames;
  }
  await nobodyNoticed();
});

test("WebSocket: a page of another host, also one whose name was turned to this machine, is refused with 403", async () => {
  const { http } = server.ports;
  const host = `evil.example:${http}`;
  assert.equal(await upgradeStatus(http, { Origin: "https://evil.example" }), 403);
  assert.equal(await upgradeStatus(http, { Origin: `http://${host}`, Host: host }), 403);
  assert.equal(await upgradeStatus(http, { Origin: `http://localhost:${http}` }), 101);
});

/** What the server answers to a request for a WebSocket with these headers. */
async function upgradeStatus(port: number, headers: Record<string, string>): Promise<number | undefined> {
  const upgrade = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13" };
  const key = { "Sec-WebSocket-Key": randomBytes(16).toString("base64") };
  const sent = request({ host: "localhost", port, path: "/ws", headers: { ...upgrade, ...key, ...headers } });
  const answered = Promise.race([once(sent, "response"), once(sent, "upgrade")]);
  sent.end();
  const [{ statusCode, socket }] = (await answered) as [IncomingMessage];
  socket.destroy();
  return statusCode;
}

test("one bad command after the other ends with 4400", async () => {
  await using client = await TcpClient.connect(server.ports.tcp);
  client.socket.write("hola\n".repeat(101));
  const { code, reconnect } = await client.received.next("disconnect");
  assert.deepEqual([code, reconnect], [4400, false]);
  await client.ended;

  using socket = await RawWebSocket.open(server.ports.http);
  for (let i = 0; i < 101; i++) socket.sendText("hola");
  assert.equal((await socket.ending()).code, 4400);
  await nobodyNoticed();
});

test("UDP: rubbish gets silence or an error, and no session ends by it", async () => {
  await using client = await UdpClient.connect(server.ports.udp);
  for (let i = 0; i < 200; i++) client.send(Buffer.concat([Buffer.from([0xff]), randomBytes(i)]));
  client.send(Buffer.alloc(0));
  client.send(Buffer.alloc(65_507, "x"));
  client.send(Buffer.alloc(65_507, "["));
  await using other = await UdpClient.connect(server.ports.udp);
  other.send({ type: "ping", guest: true, id: 3 });
  assert.equal((await other.received.next("pong")).id, 3);
  assert.deepEqual(
    client.received.all.filter(({ type }) => type !== "error"),
    [],
  );
  await nobodyNoticed();
});

test(`TCP: ${FLOOD} commands at once are slowed, then the connection ends with 4429`, async () => {
  await using client = await TcpClient.connect(server.ports.tcp);
  const command = `${JSON.stringify({ type: "publish", channel: "plaza:flood", data: { text: "x".repeat(80) } })}\n`;
  client.socket.write(command.repeat(FLOOD));
  const noticed = nobodyNoticed();
  const { code, reconnect } = await client.received.next("disconnect");
  assert.deepEqual([code, reconnect], [4429, false]);
  const limited = client.received.all.find((message) => message.type === "error");
  assert.ok(limited?.type === "error" && limited.code === "rate_limited" && (limited.retryMs ?? 0) > 0);
  await client.ended;
  await noticed;
  await nobodyNoticed();
});

test(`WebSocket: ${FLOOD} commands at once are slowed, then the connection ends with 4429`, async () => {
  using client = await RawWebSocket.open(server.ports.http);
  const one = frame(TEXT, Buffer.from('{"type":"ping","id":1}'));
  client.socket.write(Buffer.concat(Array.from({ length: FLOOD }, () => one)));
  const noticed = nobodyNoticed();
  const { code, texts } = await client.ending();
  assert.equal(code, 4429);
  assert.ok(texts.some((text) => text.includes('"rate_limited"')));
  await noticed;
  await nobodyNoticed();
});

test(`UDP: ${FLOOD} commands at once leave the server answering`, async () => {
  await using client = await UdpClient.connect(server.ports.udp);
  for (let i = 0; i < FLOOD; i++) client.send('{"type":"ping","guest":true}');
  await nobodyNoticed();
  // What a flood did to the socket's queue is over when an answer comes: ask until it does.
  await using other = await UdpClient.connect(server.ports.udp);
  const timer = setInterval(() => other.send({ type: "ping", guest: true, id: 4 }), 20);
  assert.equal((await other.received.next("pong")).id, 4);
  clearInterval(timer);
  await nobodyNoticed();
});

test("a flood of connections that say nothing, or only begin a request, is no matter", async () => {
  const clients: TcpClient[] = [];
  for (let i = 0; i < 300; i++) {
    const port = i % 2 === 0 ? server.ports.tcp : server.ports.http;
    const client = await TcpClient.connect(port);
    if (port === server.ports.http) client.socket.write("GET / HT");
    clients.push(client);
  }
  await nobodyNoticed();
  for (const client of clients) await client[Symbol.asyncDispose]();
  await nobodyNoticed();
});

test("after all of it the server is the same process, took a bounded amount of memory and logged no fault", async () => {
  await nobodyNoticed();
  const peak = server.peakMemory();
  assert.ok(peak < MAX_MEMORY, `${Math.round(peak / 1_048_576)} MiB at the peak`);
  assert.deepEqual(
    server.stderr.split("\n").filter((line) => /"level":"(?:error|fatal)"/.test(line)),
    [],
  );
  assert.deepEqual(await server.kill("SIGTERM"), { code: 0, signal: null });
});

/** Not a frame whatever follows: all reserved bits are set. */
function randomBytesThatBreak(): Buffer {
  return Buffer.concat([Buffer.from([0xff]), randomBytes(100)]);
}
