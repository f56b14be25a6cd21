import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { connect } from "../connect.ts";
import type { ConnEnd, ConnHandler } from "./conn.ts";
import { webSocketDial } from "./dial-websocket.ts";

/** As much of a browser's `WebSocket` as the dialer touches. */
class FakeSocket extends EventTarget {
  static readonly made: FakeSocket[] = [];
  readonly url: string;
  binaryType = "blob";
  readyState = 0;
  bufferedAmount = 0;
  readonly sent: string[] = [];
  readonly closes: unknown[] = [];

  constructor(url: string) {
    super();
    this.url = url;
    FakeSocket.made.push(this);
  }

  static get newest(): FakeSocket {
    const socket = FakeSocket.made.at(-1);
    if (socket === undefined) throw new Error("nobody has dialed");
    return socket;
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(...args: unknown[]): void {
    this.closes.push(args);
    this.readyState = 2;
  }

  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  end(code: number, reason: string): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }

  receive(data: string | ArrayBuffer): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }
}

const original = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");

function install(value: unknown): void {
  Object.defineProperty(globalThis, "WebSocket", { value, configurable: true, writable: true });
}

afterEach(() => {
  if (original === undefined) delete (globalThis as { WebSocket?: unknown }).WebSocket;
  else Object.defineProperty(globalThis, "WebSocket", original);
});

function notes() {
  const log: unknown[] = [];
  const handler: ConnHandler = {
    message: (message) => log.push(message),
    drain: () => log.push("drain"),
    close: (end: ConnEnd) => log.push(end),
  };
  return { log, handler };
}

async function open() {
  install(FakeSocket);
  const aborter = new AbortController();
  const dialing = webSocketDial()("ws://example.org/ws", { signal: aborter.signal });
  const socket = FakeSocket.newest;
  socket.open();
  return { socket, conn: await dialing, aborter };
}

test("without a WebSocket there is one clear error, at once", () => {
  install(undefined);
  assert.throws(() => connect("ws://example.org"), {
    name: "TypeError",
    message: /there is no WebSocket here \(Node has one from 22\): pass \{ dial \}/,
  });
});

test("a URL is made one for WebSocket, or refused at once", async () => {
  install(FakeSocket);
  const cases = [
    ["wss://example.org/ws#here", "wss://example.org/ws"],
    ["https://example.org/ws?room=1", "wss://example.org/ws?room=1"],
    ["http://localhost:8080", "ws://localhost:8080/"],
  ] as const;
  for (const [given, dialed] of cases) {
    const session = connect(given);
    await Promise.resolve();
    assert.equal(FakeSocket.newest.url, dialed);
    await session.close();
  }
  assert.throws(() => connect("not a url"), {
    name: "TypeError",
    message: /^not a URL for WebSocket .*: "not a url"$/,
  });
  assert.throws(() => connect("ws://ana:s3cret@:1/?token=s3cret"), {
    name: "TypeError",
    message: 'not a URL for WebSocket (ws: or wss:): "ws://:1/?…"',
  });
  assert.throws(() => connect("ftp://example.org"), {
    name: "TypeError",
    message: 'not a URL for WebSocket (ws: or wss:): "ftp://example.org"',
  });
});

test("a connection carries messages both ways and says how it ended", async () => {
  const { socket, conn } = await open();
  socket.receive("early");
  const { log, handler } = notes();
  conn.serve(handler);
  socket.receive("late");
  socket.receive(new Uint8Array([1, 2]).buffer);
  assert.equal(conn.trySend("hola"), "sent");
  assert.deepEqual(socket.sent, ["hola"]);
  socket.end(4401, "no");
  assert.equal(conn.trySend("too late"), "refused");
  assert.deepEqual(log, ["early", "late", new Uint8Array([1, 2]), { code: 4401, reason: "no" }]);
});

test("an end before anybody listens is told to whoever comes", async () => {
  const { socket, conn } = await open();
  socket.end(1006, "");
  const { log, handler } = notes();
  conn.serve(handler);
  assert.deepEqual(log, [{ code: 1006, reason: "" }]);
});

test("at the limit of its buffer it takes one more message, past it none until half is sent", async () => {
  const { socket, conn } = await open();
  const drained = new Promise<void>((resolve) => {
    conn.serve({ ...notes().handler, drain: resolve });
  });
  socket.bufferedAmount = 1_048_576;
  assert.equal(conn.trySend("a"), "sent");
  socket.bufferedAmount = 1_048_577;
  assert.equal(conn.trySend("b"), "refused");
  assert.equal(conn.trySend("c"), "refused");
  socket.bufferedAmount = 524_288;
  await drained;
  assert.equal(conn.trySend("b"), "sent");
  assert.deepEqual(socket.sent, ["a", "b"]);
});

test("closing passes on the code, aborting tells the end at once and once", async () => {
  const { socket, conn } = await open();
  const { log, handler } = notes();
  conn.serve(handler);
  await conn.close(1000, "");
  assert.deepEqual(socket.closes, [[1000, ""]]);
  conn.abort();
  socket.end(1000, "");
  assert.deepEqual(log, [{ code: 1006, reason: "aborted" }]);
});

test("a dial that fails or is canceled rejects", async () => {
  install(FakeSocket);
  const dial = webSocketDial();
  const failing = dial("ws://ana:s3cret@example.org/ws?token=s3cret", {
    signal: new AbortController().signal,
  });
  FakeSocket.newest.end(1006, "");
  await assert.rejects(failing, {
    name: "SessionError",
    code: "dial_failed",
    closeCode: 1006,
    message: "cannot connect to ws://example.org/ws?…",
  });
  const aborter = new AbortController();
  const canceled = dial("ws://example.org/ws", { signal: aborter.signal });
  const socket = FakeSocket.newest;
  aborter.abort();
  assert.deepEqual(socket.closes, [[]]);
  socket.end(1006, "");
  await assert.rejects(canceled, { code: "dial_failed" });
});
