// What the package tells about itself on `node:diagnostics_channel`.
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { connect } from "node:net";
import { test } from "node:test";
import { type Conn, dial as dialNet, listen as listenNet, type NetTrace, NetError } from "@zocalo/net";
import { dial, listen, type WebSocketTrace } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { ANY_PORT, portOf } from "./peers.ts";

type Messages = WebSocketTrace & NetTrace;

const names: readonly (keyof Messages)[] = [
  "zocalo:websocket:dial:start",
  "zocalo:websocket:dial:end",
  "zocalo:websocket:dial:error",
  "zocalo:websocket:listener:open",
  "zocalo:websocket:listener:close",
  "zocalo:websocket:conn:open",
  "zocalo:websocket:conn:refuse",
  "zocalo:websocket:conn:close",
  "zocalo:net:attempt:start",
  "zocalo:net:attempt:end",
  "zocalo:net:tls:end",
  "zocalo:net:conn:accept",
  "zocalo:net:conn:close",
];

/** Listens to all channels from now on. */
class Recorder implements Disposable {
  readonly told: { name: string; message: unknown }[] = [];
  #wake: (() => void)[] = [];

  constructor() {
    for (const name of names) subscribe(name, this.#listener);
  }

  readonly #listener = (message: unknown, name: string | symbol): void => {
    this.told.push({ name: String(name), message });
    for (const wake of this.#wake.splice(0)) wake();
  };

  /** The messages of one channel, as soon as there are so many. */
  async of<Name extends keyof Messages>(name: Name, count = 1): Promise<Messages[Name][]> {
    for (;;) {
      const found = this.told
        .filter((each) => each.name === name)
        .map(({ message }) => message as Messages[Name]);
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => void this.#wake.push(resolve));
    }
  }

  [Symbol.dispose](): void {
    for (const name of names) unsubscribe(name, this.#listener);
  }
}

test("a WebSocket's life is told by both sides, with its close code and counters", async () => {
  using recorder = new Recorder();
  const listener = await listen(ANY_PORT, { subprotocols: ["chat"] });
  const url = `ws://ana:secret@127.0.0.1:${portOf(listener)}/room?token=secret`;
  const [client, server] = await Promise.all([dial(url, { subprotocols: ["chat"] }), listener.accept()]);
  await client.send("hola");
  assert.equal(await server.receive(), "hola");
  const [over] = await Promise.all([server.receive(), client.close(3000, "done")]);
  assert.equal(over, null);
  const closed = await recorder.of("zocalo:websocket:conn:close", 2);
  await listener.close();

  const [listening] = await recorder.of("zocalo:websocket:listener:open");
  assert.equal(listening?.listener, listener);
  assert.equal(String(listening?.addr), String(listener.addr));
  const [started] = await recorder.of("zocalo:websocket:dial:start");
  const shown = `ws://127.0.0.1:${portOf(listener)}/room?…`;
  assert.deepEqual(started?.dial, { network: "websocket", address: shown });
  const [ended] = await recorder.of("zocalo:websocket:dial:end");
  assert.equal(ended?.dial, started?.dial);
  assert.equal(ended?.conn, client);
  const [attempt] = await recorder.of("zocalo:net:attempt:end");
  assert.equal(attempt?.dial, started?.dial, "the attempts of `@zocalo/net` are those of this dial");
  assert.equal(attempt?.outcome, "connected");
  const opened = await recorder.of("zocalo:websocket:conn:open", 2);
  for (const { conn, role, subprotocol, extensions } of opened) {
    assert.equal(conn, role === "server" ? server : client);
    assert.deepEqual([subprotocol, extensions], ["chat", ""]);
  }
  assert.deepEqual(opened.map(({ role }) => role).sort(), ["client", "server"]);
  for (const { conn, role, code, wasClean, error, ...counts } of closed) {
    assert.equal(conn, role === "server" ? server : client);
    assert.deepEqual([code, wasClean, error], [3000, true, undefined]);
    assert.ok(counts.bytesRead > 0 && counts.bytesWritten > 0 && counts.durationMs >= 0);
  }
  assert.equal((await recorder.of("zocalo:websocket:listener:close"))[0]?.listener, listener);
});

for (const isRead of ["here", "by node:http"] as const) {
  test(`a refused upgrade is told with its status, read ${isRead}, and the dial that failed with its error`, async () => {
    using recorder = new Recorder();
    await using listener = await listen(ANY_PORT, {
      authorize: () => ({ status: 401, reason: "who are you?" }),
      path: isRead === "here" ? undefined : "/elsewhere",
    });
    await assert.rejects(dial(`ws://127.0.0.1:${portOf(listener)}`), { code: "refused" });
    const [refusal] = await recorder.of("zocalo:websocket:conn:refuse");
    const expected = isRead === "here" ? [401, "who are you?"] : [404, "no WebSocket here"];
    assert.deepEqual([refusal?.status, refusal?.reason], expected);
    assert.match(String(refusal?.remoteAddr), /^127\.0\.0\.1:\d+$/);
    const [failed] = await recorder.of("zocalo:websocket:dial:error");
    assert.ok(failed?.error instanceof NetError && failed.error.code === "refused");
    assert.ok(!recorder.told.some(({ name }) => name === "zocalo:websocket:conn:open"));
  });
}

test("who is past a limit of its address is told of, without a status", async () => {
  using recorder = new Recorder();
  await using listener = await listen(ANY_PORT, { maxHalfOpenPerAddress: 1, exemptAddresses: [] });
  const sockets = [1, 2].map(() => connect(portOf(listener), "127.0.0.1").on("error", () => undefined));
  const [refusal] = await recorder.of("zocalo:websocket:conn:refuse");
  assert.deepEqual([refusal?.status, refusal?.reason], [undefined, "max_half_open_per_address"]);
  for (const socket of sockets) socket.destroy();
});

test("a connection that breaks is told with 1006 and why", async () => {
  using recorder = new Recorder();
  await using listener = await listen(ANY_PORT);
  const [client, server] = await Promise.all([dial(`ws://127.0.0.1:${portOf(listener)}`), listener.accept()]);
  client.abort();
  await assert.rejects(server.receive());
  const closed = await recorder.of("zocalo:websocket:conn:close", 2);
  const ofServer = closed.find(({ role }) => role === "server");
  assert.deepEqual([ofServer?.code, ofServer?.wasClean], [1006, false]);
  assert.ok(ofServer?.error instanceof NetError && ofServer.error.code === "abnormal_closure");
});

test("the TLS handshakes of `wss:` are told by both sides", async () => {
  using recorder = new Recorder();
  const { cert, key } = selfSigned("IP:127.0.0.1");
  await using listener = await listen(ANY_PORT, { tls: { cert, key } });
  const [client] = await Promise.all([
    dial(`wss://127.0.0.1:${portOf(listener)}`, { tls: { dangerouslyAcceptAnyCertificate: true } }),
    listener.accept(),
  ]);
  const done = await recorder.of("zocalo:net:tls:end", 2);
  assert.deepEqual(done.map(({ role }) => role).sort(), ["client", "server"]);
  for (const { version, durationMs } of done) {
    assert.equal(version, "TLSv1.3");
    assert.ok(durationMs >= 0);
  }
  client.abort();
});

for (const below of ["an address", "a listener"]) {
  test(`on ${below}: net tells who is accepted, and the end of those that became no WebSocket`, async () => {
    using recorder = new Recorder();
    const listener = await (below === "an address"
      ? listen(ANY_PORT)
      : listen(await listenNet("tcp", ANY_PORT)));
    const client = await dial(`ws://127.0.0.1:${portOf(listener)}`);
    const server = await listener.accept();
    server.serve({ message: () => undefined });
    await client.close();
    await recorder.of("zocalo:websocket:conn:close", 2);
    const refused = dial(`ws://127.0.0.1:${portOf(listener)}`, {
      headers: { Origin: "http://evil.example" },
    });
    await assert.rejects(refused, { status: 403 });
    const [taken, kept] = await recorder.of("zocalo:net:conn:accept", 2);
    const [closed, ...more] = await recorder.of("zocalo:net:conn:close");
    assert.equal(String(taken?.conn.remoteAddr), String(server.peer.addr));
    assert.equal(closed?.conn, kept?.conn);
    assert.deepEqual(more, []);
    await listener.close();
  });
}

for (const below of ["an address", "a listener"]) {
  for (const readUpgrades of ["here", "node:http"] as const) {
    test(`on ${below} with readUpgrades "${readUpgrades}": one end is told of each that was accepted`, async () => {
      using recorder = new Recorder();
      const listener = await (below === "an address"
        ? listen(ANY_PORT, { readUpgrades })
        : listen(await listenNet("tcp", ANY_PORT), { readUpgrades }));
      const port = portOf(listener);
      const silent = connect(port, "127.0.0.1");
      await recorder.of("zocalo:net:conn:accept", 1);
      silent.destroy();
      const [end] = await recorder.of("zocalo:net:conn:close", 1);
      assert.equal(end?.bytesRead, 0);

      const page = connect(port, "127.0.0.1");
      page.resume().write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
      const [, answered] = await recorder.of("zocalo:net:conn:close", 2);
      assert.ok((answered?.bytesRead ?? 0) > 0);
      assert.ok((answered?.bytesWritten ?? 0) > 0);

      const client = await dial(`ws://127.0.0.1:${port}`);
      const server = await listener.accept();
      server.serve({ message: () => undefined });
      await client.close();
      await recorder.of("zocalo:websocket:conn:close", 2);
      await listener.close();
      const accepted = await recorder.of("zocalo:net:conn:accept", 3);
      const closed = await recorder.of("zocalo:net:conn:close", 2);
      assert.deepEqual(
        closed.map(({ conn }) => conn),
        accepted.slice(0, 2).map(({ conn }) => conn),
      );
    });
  }
}

for (const network of ["tcp", "tls"] as const) {
  for (const isSlow of [false, true]) {
    const when = isSlow ? "later" : "at once";
    test(`the end of a WebSocket from behind a proxy, over ${network}, that authorize lets in ${when} is told once`, async () => {
      using recorder = new Recorder();
      const proxyProtocol = { trusted: ["127.0.0.1"] };
      const below = await (network === "tcp"
        ? listenNet("tcp", ANY_PORT, { proxyProtocol })
        : listenNet("tls", ANY_PORT, { ...selfSigned("IP:127.0.0.1"), proxyProtocol }));
      await using listener = await listen(below, {
        authorize: (request) => {
          assert.equal(request.socket.remoteAddress, "203.0.113.7");
          return isSlow ? Promise.resolve(undefined) : undefined;
        },
      });
      const conn = await dialNet("tcp", `127.0.0.1:${portOf(listener)}`);
      await conn.write(Buffer.from("PROXY TCP4 203.0.113.7 127.0.0.1 5555 80\r\n"));
      const scheme = network === "tcp" ? "ws" : "wss";
      const tls = { dangerouslyAcceptAnyCertificate: true };
      const client = await dial(`${scheme}://127.0.0.1`, { conn, tls });
      const server = await listener.accept();
      server.serve({ message: () => undefined });
      await client.close();
      await recorder.of("zocalo:websocket:conn:close", 2);
      const [accepted] = await recorder.of("zocalo:net:conn:accept");
      const closed = recorder.told.filter(({ name }) => name === "zocalo:net:conn:close");
      const ended = closed.map(({ message }) => (message as NetTrace["zocalo:net:conn:close"]).conn);
      assert.ok(!ended.some((each) => each === accepted?.conn));
    });
  }
}

for (const scheme of ["ws", "wss"] as const) {
  test(`${scheme}: the end of a conn that a WebSocket was dialed over is told once, and by net if there is none`, async () => {
    using recorder = new Recorder();
    const tls = scheme === "wss" ? selfSigned("IP:127.0.0.1") : undefined;
    await using listener = await listen(ANY_PORT, { tls, path: "/room" });
    const address = `127.0.0.1:${portOf(listener)}`;
    const over = (conn: Conn, path: string) =>
      dial(`${scheme}://${address}${path}`, { conn, tls: tls && { ca: tls.cert } });
    const taken = await dialNet("tcp", address);
    const [client, server] = await Promise.all([over(taken, "/room"), listener.accept()]);
    server.serve({ message: () => undefined });
    await client.close();
    await recorder.of("zocalo:websocket:conn:close", 2);
    const refused = await dialNet("tcp", address);
    await assert.rejects(over(refused, "/elsewhere"), { status: 404 });
    const told = await recorder.of("zocalo:net:conn:close", 2); // Of both sides.
    assert.ok(told.some(({ conn }) => conn === refused));
    assert.ok(!told.some(({ conn }) => conn === taken));
  });
}
