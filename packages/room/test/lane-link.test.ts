import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { listenPacket } from "@zocalo/net";
import { LinkRelay } from "../src/lanes/link-relay.ts";

/** A stream server that repeats what it gets, and its address. */
async function echoServer(): Promise<{ address: string; close: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

function dialed(address: string): Socket {
  const [host = "", port = ""] = address.split(":");
  return connect({ host, port: Number(port), allowHalfOpen: true });
}

/** All that comes until the end. */
async function contentOf(socket: Socket): Promise<string> {
  let content = "";
  for await (const bytes of socket) content += String(bytes);
  return content;
}

test("a stream through the worst of links is the same, in order, to its end", {
  timeout: 60_000,
}, async () => {
  const echo = await echoServer();
  const conditions = { delayMs: 5, jitterMs: 20, loss: 0.02, holdMs: 30, holdEveryMs: 100 };
  await using link = new LinkRelay(4, { ...conditions, bytesPerSecond: 2_000_000 });
  const socket = dialed(await link.tcp(echo.address));
  const content = Array.from({ length: 20_000 }, (_, number) => `line ${number}\n`).join("");
  for (let at = 0; at < content.length; at += 9_000) socket.write(content.slice(at, at + 9_000));
  socket.end();
  assert.equal(await contentOf(socket), content);
  echo.close();
});

test("a stream that falls silent goes on where it was, and its end waits, too", {
  timeout: 60_000,
}, async () => {
  const echo = await echoServer();
  await using link = new LinkRelay(4);
  const socket = dialed(await link.tcp(echo.address));
  socket.write("before ");
  await once(socket, "readable");
  link.set({ isSilent: true });
  socket.end("after");
  // It passes none of it, however long: told by what does pass, a stream of another relay.
  await using other = new LinkRelay(4);
  const passing = dialed(await other.tcp(echo.address));
  passing.end("x");
  await contentOf(passing);
  assert.equal(String(socket.read()), "before ");
  assert.equal(socket.read(), null);
  link.set({ isSilent: false });
  assert.equal(await contentOf(socket), "after");
  echo.close();
});

test("a cut relay cuts its streams", { timeout: 60_000 }, async () => {
  const echo = await echoServer();
  const link = new LinkRelay(4);
  const socket = dialed(await link.tcp(echo.address));
  socket.write("x");
  await once(socket, "data");
  const ended = once(socket, "end");
  await link.close();
  await ended;
  socket.destroy();
  echo.close();
});

test("datagrams pass both ways, each client by a port of its own, and by another after a rebinding", async () => {
  const server = await listenPacket("udp", "127.0.0.1:0");
  await using link = new LinkRelay(4);
  const address = await link.udp(String(server.localAddr));
  const clients = [await listenPacket("udp", "127.0.0.1:0"), await listenPacket("udp", "127.0.0.1:0")];
  const ports = new Set<number>();
  const exchange = async (): Promise<void> => {
    for (const [index, client] of clients.entries()) {
      await client.send(`from ${index}`, address);
      const { bytes, addr } = await server.receive();
      assert.equal(String(bytes), `from ${index}`);
      ports.add(addr.port);
      await server.send(`to ${index}`, addr);
      assert.equal(String((await client.receive()).bytes), `to ${index}`);
    }
  };
  await exchange();
  await exchange();
  assert.equal(ports.size, 2);
  link.rebind();
  await exchange();
  assert.equal(ports.size, 4);
  for (const socket of [server, ...clients]) await socket.close();
});

test("one direction falls silent alone", async () => {
  const server = await listenPacket("udp", "127.0.0.1:0");
  const client = await listenPacket("udp", "127.0.0.1:0");
  await using link = new LinkRelay(4);
  const address = await link.udp(String(server.localAddr));
  await client.send("one", address);
  const { addr } = await server.receive();
  link.set({ isSilent: true }, "up");
  await client.send("lost", address);
  await server.send("down", addr);
  assert.equal(String((await client.receive()).bytes), "down");
  link.set({ isSilent: false }, "up");
  await client.send("two", address);
  assert.equal(String((await server.receive()).bytes), "two");
  assert.deepEqual([link.counts("up").lost, link.counts("down").lost], [1, 0]);
  await server.close();
  await client.close();
});
