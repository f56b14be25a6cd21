import assert from "node:assert/strict";
import { test } from "node:test";
import { CloseEvent, WebSocket } from "../src/index.ts";
import { accepting, echoAll } from "./peers.ts";
import { next, tagOf } from "./whatwg-sockets.ts";

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
