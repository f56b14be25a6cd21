import assert from "node:assert/strict";
import dns from "node:dns";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { dial, ipAddr, listen, listenPacket, type NetError, parseAddr } from "@zocalo/net";
import { dialSocket } from "@zocalo/net/transport";
import { resetSocket } from "../src/node/reset.ts";

test("of a host with several addresses the one that answers is taken", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const port = String(listener.addr).split(":")[1];
  const asked: unknown[] = [];
  const resolver = (host: string, { family }: { family: number }): Promise<string[]> => {
    asked.push([host, family]);
    return Promise.resolve(["::1", "127.0.0.2", "127.0.0.1", "not an address"]);
  };
  const conn = await dial("tcp", `several.example:${port}`, { resolver });
  assert.equal(String(conn.remoteAddr), `127.0.0.1:${port}`);
  assert.deepEqual(asked, [["several.example", 0]]);
  conn.abort();
  const four = await dial("tcp4", `several.example:${port}`, { resolver });
  assert.deepEqual(asked.at(-1), ["several.example", 4]);
  four.abort();
  await listener.abort();
});

test("when all addresses fail it is the first one's error, with all as its cause", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  await listener.close();
  const port = String(listener.addr).split(":")[1];
  const resolver = (): Promise<string[]> => Promise.resolve(["127.0.0.1", "127.0.0.2"]);
  await assert.rejects(dial("tcp", `two.example:${port}`, { resolver }), (error: NetError) => {
    assert.equal(error.message, `dial tcp 127.0.0.1:${port}: connection refused (and 1 more)`);
    assert.equal(error.code, "refused");
    assert.ok(error.cause instanceof AggregateError);
    assert.equal(
      (error.cause.errors[1] as NetError).message,
      `dial tcp 127.0.0.2:${port}: connection refused`,
    );
    return true;
  });
});

test("a dial may come from a chosen address", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const [conn, accepted] = await Promise.all([
    dial("tcp", String(listener.addr), { localAddress: "127.0.0.7:0" }),
    listener.accept(),
  ]);
  assert.match(String(accepted.remoteAddr), /^127\.0\.0\.7:\d+$/);
  assert.equal(String(conn.localAddr), String(accepted.remoteAddr));
  await assert.rejects(dial("tcp", ":1", { localAddress: "nonsense" }), {
    code: "invalid_address",
    op: "dial",
  });
  await assert.rejects(dial("tcp", ":1", { localAddress: "localhost:0" }), { op: "dial" });
  await assert.rejects(dial("tcp", ":1", { attemptDelayMs: -1 }), { code: "invalid_argument" });
  await assert.rejects(dial("tcp", ":1", { deadline: Number.NaN }), { code: "invalid_argument" });
  conn.abort();
  await listener.abort();
});

test("only addresses of the IP version that is dialed from are tried", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const port = String(listener.addr).split(":")[1];
  await listener.close();
  const resolver = (): Promise<string[]> => Promise.resolve(["::1", "127.0.0.1"]);
  const dialing = dial("tcp", `both.example:${port}`, { resolver, localAddress: "127.0.0.7:0" });
  await assert.rejects(dialing, (error: NetError) => {
    assert.equal(error.message, `dial tcp 127.0.0.7:0->127.0.0.1:${port}: connection refused`);
    return error.code === "refused";
  });
});

test("the signal and the deadline of a dial do not touch the connection it made", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const controller = new AbortController();
  const deadline = Date.now() + 60_000;
  const [conn, accepted] = await Promise.all([
    dial("tcp", String(listener.addr), { signal: controller.signal, deadline }),
    listener.accept(),
  ]);
  controller.abort();
  await conn.write(Buffer.from("alive"));
  assert.equal(String(await accepted.readFull(5)), "alive");
  conn.abort();
  await listener.abort();
});

test("a socket for another transport: the first address that answers, paused, and nothing that was sent is lost", async () => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const { port } = listener.addr;
  const resolver = async () => ["::1", "127.0.0.2", "127.0.0.1"];
  const { signal } = new AbortController();
  const socket = await dialSocket(
    ipAddr("tcp", "several.example", port),
    { resolver },
    { signal, remainingMs: Number.POSITIVE_INFINITY },
  );
  assert.deepEqual([socket.remoteAddress, socket.isPaused(), socket.connecting], ["127.0.0.1", true, false]);
  const accepted = await listener.accept();
  await accepted.write(Buffer.from("hola"));
  socket.setEncoding("utf8").resume();
  assert.deepEqual(await once(socket, "data"), ["hola"]);
  resetSocket(socket);
  await assert.rejects(accepted.read(), { code: "reset" });
  await listener.abort();
});

test("a socket for another transport: the reason of its signal is thrown as it is", async () => {
  const controller = new AbortController();
  const mine = new Error("mine");
  const limits = { signal: controller.signal, remainingMs: Number.POSITIVE_INFINITY };
  controller.abort(mine);
  await assert.rejects(dialSocket(ipAddr("tcp", "127.0.0.1", 1), {}, limits), (error) => error === mine);
});

test("reset: a socket that is no TCP socket, and one that is closed, are just destroyed", async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux has abstract names");
  const listener = await listen("unix", `@zocalo-reset-${process.pid}`);
  const socket = connect(`\0zocalo-reset-${process.pid}`);
  await once(socket, "connect");
  resetSocket(socket);
  await once(socket, "close");
  resetSocket(socket);
  await listener.abort();
});

test("a cache that a program has put in the place of dns.lookup is asked", async (context) => {
  const listener = await listen("tcp", "127.0.0.1:0");
  const { port } = listener.addr;
  const asked: unknown[] = [];
  context.mock.method(
    dns,
    "lookup",
    (host: string, _options: unknown, done: (...found: unknown[]) => void) => {
      asked.push(host);
      done(null, [{ address: "127.0.0.1", family: 4 }]);
    },
  );
  (await dial("tcp", `cached.example:${port}`)).abort();
  assert.deepEqual(asked, ["cached.example"]);
  await listener.abort();
});

test("the zone of an IPv6 address is an interface by name or index, and no other is taken", async () => {
  const zones = networkInterfaces();
  const [loopback = "lo"] = Object.keys(zones).filter((name) =>
    zones[name]?.some(({ address }) => address === "::1"),
  );
  const known = [loopback];
  if (process.platform === "linux")
    known.push(readFileSync(`/sys/class/net/${loopback}/ifindex`, "utf8").trim());
  for (const zone of known) {
    const listener = await listen("tcp6", `[::1%${zone}]:0`);
    const conn = await dial("tcp6", `[::1%${zone}]:${String(listener.addr).split("]:")[1]}`);
    conn.abort();
    await listener.abort();
    const packets = await listenPacket("udp6", `[::1%${zone}]:0`);
    const sender = await dial("udp6", `[::1%${zone}]:${packets.localAddr.port}`);
    await sender.send(Buffer.from(zone));
    assert.equal(String((await packets.receive()).bytes), zone);
    await Promise.all([packets.close(), sender.close()]);
    const bound = await listenPacket("udp6", "[::]:0");
    const to = parseAddr("udp6", `[::1%${zone}]:${bound.localAddr.port}`);
    await bound.send(Buffer.from("sent"), to);
    assert.equal(String((await bound.receive()).bytes), "sent");
    assert.equal(bound.trySend(Buffer.from("tried"), to), "sent");
    assert.equal(String((await bound.receive()).bytes), "tried");
    await bound.close();
  }
  const nowhere = { code: "address_not_available" };
  const packets = await listenPacket("udp6", "[::]:0");
  for (const zone of ["no-such0", "987654", "0"]) {
    await assert.rejects(listen("tcp6", `[::1%${zone}]:0`), nowhere);
    await assert.rejects(listenPacket("udp6", `[::1%${zone}]:0`), nowhere);
    await assert.rejects(dial("tcp6", `[fe80::1%${zone}]:9`), nowhere);
    await assert.rejects(dial("udp6", `[ff02::1%${zone}]:9`), nowhere);
    await assert.rejects(packets.send(Buffer.from("x"), `[ff02::1%${zone}]:9`), nowhere);
    assert.equal(packets.trySend(Buffer.from("x"), parseAddr("udp6", `[ff02::1%${zone}]:9`)), "refused");
  }
  await packets.close();
});
