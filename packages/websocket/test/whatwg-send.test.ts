import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { Message } from "@zocalo/net";
import { WebSocket } from "../src/index.ts";
import { accepting, rawServer, upgradeAnswer } from "./peers.ts";
import { next, pair } from "./whatwg-sockets.ts";

function bytesOf(message: Message | null): Uint8Array {
  assert.ok(message instanceof Uint8Array);
  return Uint8Array.from(message);
}

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
