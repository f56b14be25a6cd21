import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { CloseInfo, Message } from "@zocalo/net";
import { WebSocketServer } from "ws";
import { CloseEvent, MessageEvent, WebSocket, type WebSocketConn } from "../src/index.ts";
import { type Accepting, accepting, echoAll, ended, rawServer, upgradeAnswer } from "./peers.ts";

function next(socket: WebSocket, type: "message"): Promise<MessageEvent>;
function next(socket: WebSocket, type: "close"): Promise<CloseEvent>;
function next(socket: WebSocket, type: "open" | "error"): Promise<Event>;
function next(socket: WebSocket, type: string): Promise<Event> {
  return new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));
}

/** A socket that is open, and the server's end of it. */
async function pair(
  server: Accepting,
  ...rest: [protocols?: string | string[], options?: object]
): Promise<[WebSocket, WebSocketConn]> {
  const accepted = server.listener.accept();
  const socket = new WebSocket(server.url, ...rest);
  await next(socket, "open");
  return [socket, await accepted];
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}

function bytesOf(message: Message | null): Uint8Array {
  assert.ok(message instanceof Uint8Array);
  return Uint8Array.from(message);
}

test("it opens, echoes what browsers can send, and closes", async () => {
  await using server = await accepting({ subprotocols: ["b"] });
  void echoAll(server.listener);
  const socket = new WebSocket(server.url, ["a", "b"]);
  assert.equal(socket.readyState, WebSocket.CONNECTING);
  assert.equal(socket.url, `${server.url}/`);
  assert.equal(socket.protocol, "");
  assert.equal(socket.bufferedAmount, 0);
  assert.throws(() => socket.send("early"), { name: "InvalidStateError" });
  assert.equal(socket.bufferedAmount, 0);
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
  assert.equal(socket.bufferedAmount, 4 + 2 + 5 + 4);
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
});

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

test("bufferedAmount stays while the peer reads nothing, and falls when it does", async () => {
  for (const data of [
    new Uint8Array(32_000_000),
    "x".repeat(32_000_000),
    new Blob([Buffer.alloc(32_000_000)]),
  ]) {
    const peers: Socket[] = [];
    await using server = await rawServer((head, socket) => {
      socket.pause();
      socket.write(upgradeAnswer(head));
      peers.push(socket);
    });
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}`, [], { compression: false });
    await next(socket, "open");
    socket.send(data);
    for (let turns = 0; turns < 100; turns++) {
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(socket.bufferedAmount, 32_000_000, `after ${turns} turns`);
    }
    for (const peer of peers) peer.resume();
    while (socket.bufferedAmount > 0) await new Promise((resolve) => setImmediate(resolve));
    const closed = next(socket, "close");
    for (const peer of peers) peer.resetAndDestroy();
    await closed;
  }
});

test("bufferedAmount counts payload alone, and does not go back at the end", async () => {
  await using server = await accepting({ compression: true });
  for (const compression of [false, true]) {
    const [socket, conn] = await pair(server, [], { compression });
    const sent: [Parameters<WebSocket["send"]>[0], number][] = [
      ["x", 1],
      ["ñ€😀", 9],
      ["\ud800", 3],
      ["", 0],
      ["z".repeat(100_000), 100_000],
      [new Uint8Array(70_000), 70_000],
      [new Uint16Array(3), 6],
      [new ArrayBuffer(5), 5],
      [new Blob(["blob"]), 4],
      ["behind the blob", 15],
    ];
    let expected = 0;
    for (const [data, bytes] of sent) {
      socket.send(data);
      expected += bytes;
      assert.equal(socket.bufferedAmount, expected);
    }
    for (let count = 0; count < sent.length; count++) await conn.receive();
    while (socket.bufferedAmount > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const closed = next(socket, "close");
    socket.close();
    assert.equal(await conn.receive(), null);
    await closed;
    assert.equal(socket.bufferedAmount, 0);
    for (const data of ["12345", new Uint8Array(3), new Blob(["ab"])]) socket.send(data);
    assert.equal(socket.bufferedAmount, 10);
    assert.throws(() => {
      (socket as { bufferedAmount: number }).bufferedAmount = 3;
    }, TypeError);
  }
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

test("whatever is sent is made text, or the bytes it shows", async () => {
  await using server = await accepting();
  const [socket, conn] = await pair(server);
  const others = [null, undefined, 1, {}, [], [1, 2], socket, new Error("e"), { toString: () => "s" }];
  for (const other of others) {
    socket.send(other as unknown as string);
    assert.equal(await conn.receive(), "".concat(other as string));
  }
  socket.send("a\ud800b\udc00c");
  assert.equal(await conn.receive(), "a\ufffdb\ufffdc");
  const memory = Uint8Array.from({ length: 32 }, (_, index) => index).buffer;
  const views = [
    new Uint8Array(memory, 3),
    new Uint8Array(memory, 3, 0),
    new Int16Array(memory, 2, 5),
    new Float64Array(memory, 8, 2),
    new DataView(memory, 1, 7),
    Buffer.from(memory, 4, 4),
  ];
  for (const view of views) {
    socket.send(view);
    const shown = new Uint8Array(memory, view.byteOffset, view.byteLength);
    assert.deepEqual(bytesOf(await conn.receive()), shown);
  }
  const detached = new ArrayBuffer(8);
  structuredClone(detached, { transfer: [detached] });
  socket.send(detached);
  assert.equal(bytesOf(await conn.receive()).length, 0);
  const shared = new SharedArrayBuffer(8);
  const resizable = Reflect.construct(ArrayBuffer, [8, { maxByteLength: 16 }]) as ArrayBuffer;
  const refused = [shared, new Uint8Array(shared), resizable, new Uint8Array(resizable), Symbol("s")];
  for (const other of refused) assert.throws(() => socket.send(other as unknown as string), TypeError);
  const unconvertible = {
    toString() {
      return this;
    },
  };
  assert.throws(() => socket.send(unconvertible as unknown as string), TypeError);
  assert.throws(() => Reflect.apply(Reflect.get(socket, "send"), socket, []), TypeError);
  socket.close();
  assert.equal(await conn.receive(), null);
});

test("bytes may be overwritten as soon as send returns", async () => {
  await using server = await accepting({ compression: true, maxMessageBytes: 10_000_000 });
  for (const compression of [false, true]) {
    for (const size of [1, 200, 16_384, 65_536, 5_000_000]) {
      const [socket, conn] = await pair(server, [], { compression });
      const memory = new Uint8Array(size).fill(1);
      socket.send(memory.buffer);
      memory.fill(2);
      socket.send(memory);
      memory.fill(3);
      socket.send(new Blob(["between"]));
      socket.send(memory.buffer);
      memory.fill(4);
      for (const value of [1, 2, undefined, 3]) {
        const bytes = bytesOf(await conn.receive());
        if (value !== undefined) assert.ok(bytes.length === size && bytes.every((byte) => byte === value));
      }
      socket.close();
      assert.equal(await conn.receive(), null);
    }
  }
});

test("a server's trySend, too, has copied what it was given by the time it returns", async () => {
  await using server = await accepting({ compression: true });
  for (const compression of [false, true]) {
    const [socket, conn] = await pair(server, [], { compression, maxMessageBytes: 10_000_000 });
    socket.binaryType = "arraybuffer";
    const memory = new Uint8Array(5_000_000);
    assert.notEqual(conn.trySend(memory.fill(1)), "refused");
    memory.fill(2);
    const { data } = await next(socket, "message");
    assert.ok(data instanceof ArrayBuffer && data.byteLength === memory.length);
    assert.ok(new Uint8Array(data).every((byte) => byte === 1));
    socket.close();
    assert.equal(await conn.receive(), null);
  }
});

test("bad arguments of the constructor throw what the standard says", async () => {
  assert.equal(WebSocket.length, 1);
  assert.throws(() => Reflect.construct(WebSocket, []), TypeError);
  assert.throws(() => Reflect.apply(WebSocket, undefined, ["ws://127.0.0.1"]), TypeError);
  const urls = [
    "",
    "/path",
    "ftp://a",
    "mailto:a@b",
    "about:blank",
    "ws://a#b",
    "ws://a#",
    "ws:",
    "ws://a b/",
  ];
  for (const url of [...urls, "ws://a:65536/", "ws://[::1", "//a/", undefined]) {
    assert.throws(() => new WebSocket(url as string), { name: "SyntaxError" }, url);
  }
  for (const protocols of [
    "a b",
    "",
    ["a", "A"],
    ["a", "a"],
    ["ñ"],
    "a,b",
    ["\x7f"],
    ["a", ""],
    [undefined, "undefined"],
  ]) {
    assert.throws(() => new WebSocket("ws://127.0.0.1:1", protocols as string[]), { name: "SyntaxError" });
  }
  assert.throws(() => new WebSocket(Symbol("url") as unknown as string), TypeError);
});

test("URLs are parsed as a browser does, and http: becomes ws:", async () => {
  await using server = await accepting();
  const http = server.url.replace("ws:", "http:");
  for (const [given, expected] of [
    [`${http}/a?b`, `${server.url}/a?b`],
    [`${server.url}/a b?c d`, `${server.url}/a%20b?c%20d`],
    [new URL(`${server.url}/å`), `${server.url}/%C3%A5`],
    [server.url.replace("ws:", " WS:"), `${server.url}/`],
  ] as const) {
    const accepted = server.listener.accept();
    const socket = new WebSocket(given);
    assert.equal(socket.url, expected);
    await next(socket, "open");
    assert.equal((await accepted).peer.request?.url, expected.slice(server.url.length));
    socket.close();
    assert.equal(socket.url, expected);
  }
  const secure = new WebSocket("https://127.0.0.1:1/x");
  assert.equal(secure.url, "wss://127.0.0.1:1/x");
  await next(secure, "close");
  const plain = new WebSocket("ws://127.0.0.1:80/");
  assert.equal(plain.url, "ws://127.0.0.1/");
  plain.close();
  await next(plain, "close");
});

test("subprotocols come as a string, as anything iterable, or among the options", async () => {
  await using server = await accepting({ subprotocols: ["b", "a"] });
  const given: [unknown[], string][] = [
    [["a"], "a"],
    [[["a", "b"]], "b"],
    [[new Set(["b"])], "b"],
    [[[]], ""],
    [[undefined], ""],
    [[{}], ""],
    [[{ protocols: ["a"], headers: {} }], "a"],
    [[{ protocols: "b" }], "b"],
    [[null], ""],
    [[undefined, { protocols: ["a"] }], "a"],
    [["b", { protocols: ["a"] }], "b"],
    [["a", "stray"], "a"],
    [[["a"], {}], "a"],
    [[undefined, { compression: false }], ""],
  ];
  for (const [args, protocol] of given) {
    const socket = Reflect.construct(WebSocket, [server.url, ...args]) as WebSocket;
    await next(socket, "open");
    assert.equal(socket.protocol, protocol);
    socket.close();
    await next(socket, "close");
    assert.equal(socket.protocol, protocol);
  }
});

test("past its send limit it fails, as the standard says", async () => {
  await using server = await accepting();
  const [socket, conn] = await pair(server, [], { sendLimitBytes: 100_000, compression: false });
  assert.ok(conn.isOpen);
  const closed = next(socket, "close");
  let given = 0;
  while (socket.readyState === WebSocket.OPEN && given < 50_000_000) {
    for (let i = 0; i < 100; i++) socket.send("x".repeat(10_000));
    given += 1_000_000;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await closed).code, 1006);
});

test("constants and attributes cannot be assigned, and stand where the standard has them", async () => {
  const constants = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
  const socket = new WebSocket("ws://127.0.0.1:1");
  for (const [name, value] of Object.entries(constants)) {
    for (const holder of [WebSocket, WebSocket.prototype]) {
      assert.deepEqual(Object.getOwnPropertyDescriptor(holder, name), {
        value,
        writable: false,
        enumerable: true,
        configurable: false,
      });
    }
    assert.equal(Reflect.get(socket, name), value);
    assert.equal(Reflect.set(WebSocket, name, 9), false);
    assert.equal(Reflect.set(socket, name, 9), false);
    assert.equal(Reflect.deleteProperty(WebSocket, name), false);
  }
  for (const name of ["url", "readyState", "bufferedAmount", "extensions", "protocol"]) {
    const descriptor = Object.getOwnPropertyDescriptor(WebSocket.prototype, name);
    assert.deepEqual([Reflect.get(descriptor ?? {}, "set"), descriptor?.enumerable], [undefined, true], name);
    assert.equal(Reflect.set(socket, name, "nonsense"), false);
    assert.throws(() => Reflect.get(WebSocket.prototype, name), TypeError);
  }
  const names: string[] = [];
  for (const name in socket) names.push(name);
  for (const name of ["binaryType", "close", "onclose", "onerror", "onmessage", "onopen", "send"]) {
    assert.ok(names.includes(name), name);
  }
  assert.deepEqual(Object.getOwnPropertyNames(socket), []);
  assert.deepEqual([WebSocket.prototype.close.length, WebSocket.prototype.send.length], [0, 1]);
  assert.equal(tagOf(socket), "[object WebSocket]");
  assert.equal(WebSocket.name, "WebSocket");
  assert.ok(socket instanceof EventTarget);
  await next(socket, "close");
});

test("an on… handler is kept if it is an object, called if it is a function, and keeps its place", async () => {
  const socket = new WebSocket("ws://127.0.0.1:1");
  const failed = new Promise((resolve) => setImmediate(resolve));
  for (const type of ["open", "message", "error", "close"] as const) {
    const name = `on${type}`;
    const calls: string[] = [];
    assert.equal(Reflect.get(socket, name), null);
    const object = { handleEvent: () => calls.push("handleEvent") };
    Reflect.set(socket, name, object);
    assert.equal(Reflect.get(socket, name), object);
    socket.addEventListener(type, () => calls.push("second"), { once: true });
    const event = new Event(type, { cancelable: true });
    socket.dispatchEvent(event);
    assert.deepEqual(calls, ["second"]);
    calls.length = 0;
    socket.addEventListener(type, () => calls.push("second"), { once: true });
    const handler = function (this: unknown, given: Event): boolean {
      assert.equal(this, socket);
      assert.equal(given.type, type);
      calls.push("first");
      return false;
    };
    Reflect.set(socket, name, handler);
    assert.equal(Reflect.get(socket, name), handler);
    const canceled = new Event(type, { cancelable: true });
    assert.equal(socket.dispatchEvent(canceled), false);
    assert.deepEqual(calls, ["first", "second"]);
    for (const none of [2, "text", undefined, null]) {
      Reflect.set(socket, name, handler);
      Reflect.set(socket, name, none);
      assert.equal(Reflect.get(socket, name), null);
    }
    calls.length = 0;
    // Once it was null it comes behind the others.
    socket.addEventListener(type, () => calls.push("second"), { once: true });
    Reflect.set(socket, name, handler);
    socket.dispatchEvent(new Event(type));
    assert.deepEqual(calls, ["second", "first"]);
    Reflect.set(socket, name, null);
  }
  await failed;
});

test("listeners are objects or functions, for once, or until a signal", async () => {
  await using server = await accepting();
  const [socket, conn] = await pair(server);
  const calls: string[] = [];
  const object = {
    handleEvent(event: Event) {
      assert.equal(this, object);
      calls.push(`object ${event.type}`);
    },
  };
  const controller = new AbortController();
  socket.addEventListener("message", object);
  socket.addEventListener("message", () => calls.push("once"), { once: true });
  socket.addEventListener("message", () => calls.push("until"), { signal: controller.signal });
  const two = new Promise<void>((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      if (data === "one") controller.abort();
      else resolve();
    });
  });
  await conn.send("one");
  await conn.send("two");
  await two;
  assert.deepEqual(calls, ["object message", "once", "until", "object message"]);
  socket.removeEventListener("message", object);
  await conn.close();
});

test("what a listener awaits goes on before the next event", async () => {
  await using server = await rawServer((head, socket) => {
    // In one write with the answer: open, three messages, and the end.
    socket.end(`${upgradeAnswer(head)}\x81\x011\x81\x012\x81\x013\x88\x00`, "latin1");
  });
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}`);
  const seen: unknown[] = [];
  const listen = async (): Promise<void> => {
    await next(socket, "open");
    for (let i = 0; i < 3; i++) {
      for (let hop = 0; hop < 10; hop++) await Promise.resolve();
      seen.push((await next(socket, "message")).data);
    }
    for (let hop = 0; hop < 10; hop++) await Promise.resolve();
    seen.push((await next(socket, "close")).code);
  };
  await listen();
  assert.deepEqual(seen, ["1", "2", "3", 1005]);
});

test("a blob that cannot be read fails the connection, and not the process", async () => {
  await using server = await accepting();
  const [socket] = await pair(server);
  const blob = new Blob(["gone"]);
  Object.defineProperty(blob, "arrayBuffer", {
    value: () => Promise.reject(new Error("the file has changed")),
  });
  socket.send(blob);
  const { wasClean, code } = await next(socket, "close");
  assert.deepEqual([wasClean, code], [false, 1006]);
  assert.equal(socket.bufferedAmount, 4);
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

test("events take what the DOM's take", () => {
  const options = { bubbles: true, cancelable: true, composed: true };
  const close = new CloseEvent("x", { ...options, wasClean: true, code: 7, reason: "a\ud800" });
  assert.ok(close instanceof Event && close instanceof CloseEvent);
  assert.deepEqual(
    [close.type, close.bubbles, close.cancelable, close.composed, close.wasClean, close.code, close.reason],
    ["x", true, true, true, true, 7, "a\ufffd"],
  );
  const message = new MessageEvent("y", { ...options, data: "d", origin: "o", lastEventId: "i" });
  assert.ok(message instanceof Event && message instanceof MessageEvent);
  assert.deepEqual(
    [
      message.bubbles,
      message.cancelable,
      message.composed,
      message.data,
      message.origin,
      message.lastEventId,
    ],
    [true, true, true, "d", "o", "i"],
  );
  const bareClose = new CloseEvent("x");
  assert.deepEqual(
    [
      bareClose.bubbles,
      bareClose.cancelable,
      bareClose.composed,
      bareClose.wasClean,
      bareClose.code,
      bareClose.reason,
    ],
    [false, false, false, false, 0, ""],
  );
  const bare = new MessageEvent("y", undefined);
  assert.deepEqual(
    [bare.bubbles, bare.data, bare.origin, bare.lastEventId, bare.source, bare.ports],
    [false, null, "", "", null, []],
  );
  const wide = new CloseEvent("x", { code: 65_536 + 1000, reason: 5 as unknown as string });
  assert.deepEqual([wide.code, wide.reason], [1000, "5"]);
  assert.deepEqual([tagOf(close), tagOf(message)], ["[object CloseEvent]", "[object MessageEvent]"]);
  assert.deepEqual([CloseEvent.name, MessageEvent.name], ["CloseEvent", "MessageEvent"]);
  assert.deepEqual([CloseEvent.length, MessageEvent.length], [1, 1]);
  for (const Class of [CloseEvent, MessageEvent]) {
    assert.throws(() => Reflect.construct(Class, []), TypeError);
    assert.throws(() => Reflect.construct(Class, ["x", 5]), TypeError);
    assert.doesNotThrow(() => Reflect.construct(Class, ["x", null]));
  }
  for (const name of ["wasClean", "code", "reason"]) {
    assert.equal(Reflect.set(close, name, 1), false);
    assert.ok(Object.getOwnPropertyDescriptor(CloseEvent.prototype, name)?.enumerable);
  }
  assert.equal(Reflect.set(message, "data", 1), false);
});

test("it can be handed to code that is typed for the DOM", async () => {
  const socket = new WebSocket("ws://127.0.0.1:1");
  const dom: globalThis.WebSocket = socket;
  const constructor: new (url: string | URL, protocols?: string | string[]) => globalThis.WebSocket =
    WebSocket;
  const closeEvent: globalThis.CloseEvent = new CloseEvent("close");
  const closed = new Promise<globalThis.CloseEvent>((resolve) => {
    dom.onclose = resolve;
  });
  dom.addEventListener("message", ({ data }) => assert.fail(String(data)));
  assert.equal((await closed).type, closeEvent.type);
  assert.equal(constructor, WebSocket);
});
