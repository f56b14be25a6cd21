import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { type CloseEvent, type MessageEvent, WebSocket } from "../src/index.ts";
import { accepting, echoAll, rawServer } from "./peers.ts";

function next(socket: WebSocket, type: "message"): Promise<MessageEvent>;
function next(socket: WebSocket, type: "close"): Promise<CloseEvent>;
function next(socket: WebSocket, type: "open" | "error"): Promise<Event>;
function next(socket: WebSocket, type: string): Promise<Event> {
  return new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));
}

test("it opens, echoes what browsers can send, and closes", async () => {
  await using server = await accepting({ subprotocols: ["b"] });
  void echoAll(server.listener);
  const socket = new WebSocket(server.url, ["a", "b"]);
  assert.equal(socket.readyState, WebSocket.CONNECTING);
  assert.equal(socket.url, `${server.url}/`);
  assert.throws(() => socket.send("early"), { name: "InvalidStateError" });
  let opened: Event | undefined;
  socket.onopen = (event) => {
    opened = event;
  };
  await next(socket, "open");
  assert.equal(opened?.type, "open");
  assert.equal(socket.readyState, socket.OPEN);
  assert.equal(socket.protocol, "b");
  socket.send("texto");
  const text = await next(socket, "message");
  assert.equal(text.data, "texto");
  assert.equal(text.origin, server.url);
  assert.equal(socket.binaryType, "blob");
  const memory = new Uint8Array([9, 1, 2, 3, 9]);
  socket.send(memory.subarray(1, 4));
  const blob = (await next(socket, "message")).data;
  assert.ok(blob instanceof Blob);
  assert.deepEqual(new Uint8Array(await blob.arrayBuffer()), new Uint8Array([1, 2, 3]));
  socket.binaryType = "arraybuffer";
  socket.binaryType = "nonsense" as "blob";
  assert.equal(socket.binaryType, "arraybuffer");
  const got: unknown[] = [];
  const four = new Promise<void>((resolve) => {
    socket.onmessage = ({ data }) => {
      got.push(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
      if (got.length === 4) resolve();
    };
  });
  // In the order of the calls, although a blob's bytes come later.
  socket.send(new Blob(["blob"]));
  socket.send(new DataView(memory.buffer, 1, 2));
  socket.send(memory.buffer);
  memory.fill(7);
  socket.send("last");
  assert.ok(socket.bufferedAmount > 0);
  await four;
  assert.deepEqual(got, [
    new Uint8Array(Buffer.from("blob")),
    new Uint8Array([1, 2]),
    new Uint8Array([9, 1, 2, 3, 9]),
    "last",
  ]);
  socket.close(3001, "adiós");
  assert.equal(socket.readyState, WebSocket.CLOSING);
  socket.close();
  const { wasClean, code } = await next(socket, "close");
  assert.deepEqual([wasClean, code], [true, 3001]);
  assert.equal(socket.readyState, WebSocket.CLOSED);
  socket.send("12345");
  assert.equal(socket.bufferedAmount, 5);
});

test("a server that closes, with ws", async () => {
  const wss = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(wss, "listening");
  wss.on("connection", (ws) => ws.close(4000, "bye"));
  const { port } = wss.address() as { port: number };
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  let errors = 0;
  socket.onerror = () => errors++;
  const { wasClean, code, reason } = await next(socket, "close");
  assert.deepEqual([wasClean, code, reason, errors], [true, 4000, "bye", 0]);
  wss.close();
});

test("what fails gives an error and then a close with 1006", async () => {
  await using server = await accepting({ path: "/ws" });
  void echoAll(server.listener);
  await using silent = await rawServer(() => undefined);
  const failing = [
    new WebSocket("ws://127.0.0.1:1"),
    new WebSocket(server.url),
    new WebSocket(`${server.url}/ws`, "unknown"),
  ];
  const closing = new WebSocket(`ws://127.0.0.1:${silent.port}`);
  closing.close();
  assert.equal(closing.readyState, WebSocket.CLOSING);
  const outcomes = [...failing, closing].map(async (socket) => {
    const types: string[] = [];
    socket.onerror = ({ type }) => types.push(type);
    socket.onclose = ({ type }) => types.push(type);
    const { wasClean, code } = await next(socket, "close");
    return [wasClean, code, ...types];
  });
  for (const outcome of outcomes) assert.deepEqual(await outcome, [false, 1006, "error", "close"]);
});

test("bad arguments throw what the standard says", async () => {
  for (const url of ["", "/path", "ftp://a", "ws://a#b", "ws://a#"]) {
    assert.throws(() => new WebSocket(url), { name: "SyntaxError" }, url);
  }
  for (const protocols of ["a b", "", ["a", "A"], ["ñ"]]) {
    assert.throws(() => new WebSocket("ws://127.0.0.1:1", protocols), { name: "SyntaxError" });
  }
  await using server = await accepting();
  void echoAll(server.listener);
  const socket = new WebSocket(server.url.replace("ws:", "http:"));
  assert.ok(socket.url.startsWith("ws://"));
  await next(socket, "open");
  for (const code of [0, 999, 1001, 1006, 2999, 5000]) {
    assert.throws(() => socket.close(code), { name: "InvalidAccessError" });
  }
  assert.throws(() => socket.close(1000, "x".repeat(124)), { name: "SyntaxError" });
  socket.close();
  assert.equal((await next(socket, "close")).wasClean, true);
});

test("past its send limit it fails, as the standard says", async () => {
  await using server = await accepting();
  const accepted = server.listener.accept();
  const socket = new WebSocket(server.url, [], { maxBufferedBytes: 100_000, compression: false });
  await next(socket, "open");
  await accepted;
  const closed = next(socket, "close");
  while (socket.readyState === WebSocket.OPEN && socket.bufferedAmount < 50_000_000) {
    for (let i = 0; i < 100; i++) socket.send("x".repeat(10_000));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await closed).code, 1006);
});
