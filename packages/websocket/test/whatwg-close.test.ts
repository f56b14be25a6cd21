import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { CloseInfo, Message } from "@zocalo/net";
import { WebSocketServer } from "ws";
import { WebSocket } from "../src/index.ts";
import { accepting, echoAll, ended, rawServer, upgradeAnswer } from "./peers.ts";
import { next, pair, tagOf } from "./whatwg-sockets.ts";

test("close without a code sends an empty Close frame, and one with a reason alone gets 1000", async () => {
  await using server = await accepting();
  const closings: [Parameters<WebSocket["close"]>, Partial<CloseInfo>][] = [
    [[], { code: 1005, reason: "" }],
    [[undefined], { code: 1005, reason: "" }],
    [[undefined, ""], { code: 1005, reason: "" }],
    [[undefined, "why"], { code: 1000, reason: "why" }],
    [[1000], { code: 1000, reason: "" }],
    [[3999.6, "a\ud800b"], { code: 4000, reason: "a\ufffdb" }],
    [["4999" as unknown as number, "x".repeat(123)], { code: 4999, reason: "x".repeat(123) }],
  ];
  for (const [args, expected] of closings) {
    const [socket, conn] = await pair(server);
    const told = ended(conn);
    const closed = next(socket, "close");
    socket.close(...args);
    const { code, reason, wasClean } = await told;
    assert.deepEqual({ code, reason, wasClean }, { ...expected, wasClean: true });
    const event = await closed;
    assert.deepEqual([event.code, event.wasClean], [expected.code, true]);
  }
});

test("a wrong close code or reason throws in every state, and changes nothing", async () => {
  await using server = await accepting();
  void echoAll(server.listener);
  const socket = new WebSocket(server.url);
  const check = (state: number): void => {
    for (const code of [0, 500, 999, 1001, 1005, 1006, 2999, 5000, 0x10000 + 1000, Number.NaN, "x", null]) {
      assert.throws(() => socket.close(code as number), { name: "InvalidAccessError" }, String(code));
    }
    for (const reason of ["x".repeat(124), "ñ".repeat(62), "\ud800".repeat(42)]) {
      assert.throws(() => socket.close(1000, reason), { name: "SyntaxError" });
      assert.throws(() => socket.close(undefined, reason), { name: "SyntaxError" });
    }
    assert.throws(() => socket.close(Symbol("1000") as unknown as number), TypeError);
    assert.throws(() => socket.close(1000n as unknown as number), TypeError);
    assert.equal(socket.readyState, state);
  };
  check(WebSocket.CONNECTING);
  await next(socket, "open");
  check(WebSocket.OPEN);
  socket.close();
  check(WebSocket.CLOSING);
  assert.equal((await next(socket, "close")).wasClean, true);
  check(WebSocket.CLOSED);
});

test("a server that closes, with ws", async () => {
  const wss = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(wss, "listening");
  wss.on("connection", (ws, { url }) => (url === "/bare" ? ws.close() : ws.close(4000, "bye")));
  const { port } = wss.address() as { port: number };
  for (const [path, expected] of [
    ["", [true, 4000, "bye"]],
    ["/bare", [true, 1005, ""]],
  ] as const) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    let errors = 0;
    socket.onerror = () => errors++;
    const { wasClean, code, reason } = await next(socket, "close");
    assert.deepEqual([wasClean, code, reason, errors], [...expected, 0]);
  }
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
  closing.send("dropped");
  assert.equal(closing.bufferedAmount, 7);
  const outcomes = [...failing, closing].map(async (socket) => {
    const types: string[] = [];
    socket.onerror = ({ type }) => types.push(`${type} ${socket.readyState}`);
    socket.onclose = ({ type }) => types.push(`${type} ${socket.readyState}`);
    const { wasClean, code, reason } = await next(socket, "close");
    return [wasClean, code, reason, ...types];
  });
  for (const outcome of outcomes) {
    assert.deepEqual(await outcome, [false, 1006, "", "error 3", "close 3"]);
  }
});

test("the events of close while connecting come after what the caller awaits", async () => {
  await using silent = await rawServer(() => undefined);
  const socket = new WebSocket(`ws://127.0.0.1:${silent.port}`);
  socket.close();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assert.equal((await next(socket, "close")).code, 1006);
  // A call within the event does nothing more.
  let count = 0;
  const again = new WebSocket(`ws://127.0.0.1:${silent.port}`);
  again.onclose = () => {
    count++;
    again.close();
    assert.equal(again.readyState, WebSocket.CLOSED);
  };
  again.close();
  again.close();
  await next(again, "close");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(count, 1);
});

test("a connection that breaks, and one that breaks the protocol, give an error and 1006", async () => {
  for (const frame of ["", "\x81\x04test\x83\x03LOL"]) {
    await using server = await rawServer((head, socket) => {
      socket.write(upgradeAnswer(head));
      socket.end(Buffer.from(frame, "latin1"));
    });
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}`);
    const seen: string[] = [];
    for (const type of ["open", "message", "error", "close"]) {
      socket.addEventListener(type, (event) => {
        seen.push(`${tagOf(event)} ${event.type} ${event.bubbles} ${event.cancelable}`);
      });
    }
    const { wasClean, code } = await next(socket, "close");
    assert.deepEqual([wasClean, code], [false, 1006]);
    assert.deepEqual(seen, [
      "[object Event] open false false",
      ...(frame === "" ? [] : ["[object MessageEvent] message false false"]),
      "[object Event] error false false",
      "[object CloseEvent] close false false",
    ]);
  }
});

for (const isReset of [false, true]) {
  const then = isReset ? "resets" : "reads nothing";
  test(`data that the Close frame of a peer that ${then} finds unsent makes the close unclean, with its code`, async () => {
    const sockets: Socket[] = [];
    await using server = await rawServer((head, socket) => {
      socket.pause();
      socket.write(upgradeAnswer(head));
      socket.write(Buffer.from([0x88, 2, 0x11, 0xd7])); // 4567
      sockets.push(socket);
    });
    const options = { compression: false, closeTimeoutMs: isReset ? 60_000 : 100 };
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}`, [], options);
    await next(socket, "open");
    socket.send(new Uint8Array(16_000_000));
    while (socket.readyState === WebSocket.OPEN) await new Promise((resolve) => setImmediate(resolve));
    const failed = next(socket, "error");
    const closed = next(socket, "close");
    if (isReset) for (const peer of sockets) peer.resetAndDestroy();
    await failed;
    const { wasClean, code } = await closed;
    assert.deepEqual([wasClean, code], [false, 4567]);
    assert.equal(socket.bufferedAmount, 16_000_000);
  });
}

test("what the peer sent before it closed is told first, and the state is CLOSING meanwhile", async () => {
  await using server = await rawServer((head, socket) => {
    socket.write(upgradeAnswer(head));
    socket.write(Buffer.from("\x81\x03uno\x81\x03dos\x88\x00", "latin1"));
  });
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}`);
  const seen: unknown[] = [];
  socket.onmessage = ({ data }) => seen.push(data);
  // The client waits for the server to end TCP.
  while (socket.readyState < WebSocket.CLOSING) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(socket.readyState, WebSocket.CLOSING);
  assert.deepEqual(seen, ["uno", "dos"]);
  socket.send("late");
  assert.equal(socket.bufferedAmount, 4);
  socket.close(3000);
  const closed = next(socket, "close");
  server.end();
  const { wasClean, code } = await closed;
  assert.deepEqual([wasClean, code], [true, 1005]);
});

test("what is sent while closing is counted and dropped", async () => {
  await using server = await accepting();
  const [socket, conn] = await pair(server);
  const messages: Message[] = [];
  const told = ended(conn, messages);
  const closed = next(socket, "close");
  socket.send("before");
  socket.send(new Blob(["blob"]));
  socket.close(3000);
  socket.send("after");
  socket.send(new Blob(["after"]));
  assert.equal((await told).code, 3000);
  await closed;
  assert.deepEqual(messages, ["before", Uint8Array.from(Buffer.from("blob"))]);
  assert.equal(socket.bufferedAmount, 10);
});

test("a blob that is read only after the peer has closed leaves the close clean", async () => {
  await using server = await rawServer((head, socket) => {
    socket.write(upgradeAnswer(head));
    socket.write(Buffer.from([0x88, 0]));
  });
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}`);
  await next(socket, "open");
  let read = (_bytes: ArrayBuffer): void => assert.fail("not yet");
  const blob = new Blob(["late"]);
  const bytes = new Promise<ArrayBuffer>((resolve) => {
    read = resolve;
  });
  Object.defineProperty(blob, "arrayBuffer", { value: () => bytes });
  socket.send(blob);
  while (socket.readyState === WebSocket.OPEN) await new Promise((resolve) => setImmediate(resolve));
  read(new ArrayBuffer(4));
  await new Promise((resolve) => setImmediate(resolve));
  const closed = next(socket, "close");
  server.end();
  const { wasClean, code } = await closed;
  assert.deepEqual([wasClean, code], [true, 1005]);
  assert.equal(socket.bufferedAmount, 4);
});
