// What the package tells about itself on `node:diagnostics_channel`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { after, test } from "node:test";
import { TestCertificates } from "@zocalo/integrity";
import { type Conn, dial, listen, NetError, type NetTrace, startTls } from "@zocalo/net";

const certificates = new TestCertificates();
const { cert, key } = certificates.issue("trace", ["localhost"]);
const { ca } = certificates;
after(() => certificates.remove());

const names = [
  "dial:start",
  "dial:end",
  "dial:error",
  "attempt:start",
  "attempt:end",
  "tls:end",
  "tls:error",
  "listener:open",
  "listener:close",
  "conn:accept",
  "conn:refuse",
  "conn:close",
].map((name) => `zocalo:net:${name}` as keyof NetTrace);

type Told = { [Name in keyof NetTrace]: { name: Name; message: NetTrace[Name] } }[keyof NetTrace];

/** Listens to all channels, or to some, from now on. */
class Recorder implements Disposable {
  readonly told: Told[] = [];
  readonly #names: readonly (keyof NetTrace)[];
  #wake: (() => void)[] = [];

  constructor(listened: readonly (keyof NetTrace)[] = names) {
    this.#names = listened;
    for (const name of listened) subscribe(name, this.#listener);
  }

  readonly #listener = (message: unknown, name: string | symbol): void => {
    this.told.push({ name, message } as Told);
    for (const wake of this.#wake.splice(0)) wake();
  };

  /** The messages of one channel, as soon as there are so many. */
  async of<Name extends keyof NetTrace>(name: Name, count = 1): Promise<NetTrace[Name][]> {
    for (;;) {
      const found = this.told
        .filter((each) => each.name === name)
        .map(({ message }) => message as NetTrace[Name]);
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => void this.#wake.push(resolve));
    }
  }

  get names(): string[] {
    return this.told.map(({ name }) => name.replace("zocalo:net:", ""));
  }

  [Symbol.dispose](): void {
    for (const name of this.#names) unsubscribe(name, this.#listener);
  }
}

function isTime(ms: number): boolean {
  return Number.isFinite(ms) && ms >= 0;
}

test("a connection's life is told in its order, with its counters", async () => {
  using recorder = new Recorder();
  const listener = await listen("tcp", "127.0.0.1:0");
  const address = String(listener.addr);
  const [client, server] = await Promise.all([dial("tcp", address), listener.accept()]);
  await client.write(Buffer.from("secret"));
  await server.readFull(6);
  await server.write(Buffer.from("no"));
  await client.readFull(2);
  await Promise.all([client.close(), server.close()]);
  const closed = await recorder.of("zocalo:net:conn:close", 2);
  await listener.close();

  const [opened] = await recorder.of("zocalo:net:listener:open");
  assert.equal(opened?.listener, listener);
  assert.equal(String(opened?.addr), address);
  const [started] = await recorder.of("zocalo:net:dial:start");
  assert.deepEqual(started?.dial, { network: "tcp", address });
  const [ended] = await recorder.of("zocalo:net:dial:end");
  assert.equal(ended?.dial, started?.dial, "the same object in all messages of a dial");
  assert.equal(ended?.conn, client);
  const [attempted] = await recorder.of("zocalo:net:attempt:start");
  assert.equal(attempted?.dial, started?.dial);
  const [attempt] = await recorder.of("zocalo:net:attempt:end");
  assert.equal(attempt?.outcome, "connected");
  assert.equal(String(attempt?.remoteAddr), address);
  const [accepted] = await recorder.of("zocalo:net:conn:accept");
  assert.equal(accepted?.conn, server);
  assert.equal(accepted?.listener, listener);
  const [ofClient, ofServer] = [client, server].map((conn) => closed.find((each) => each.conn === conn));
  assert.deepEqual([ofClient?.bytesRead, ofClient?.bytesWritten, ofClient?.error], [2, 6, undefined]);
  assert.deepEqual([ofServer?.bytesRead, ofServer?.bytesWritten, ofServer?.error], [6, 2, undefined]);
  assert.equal(String(ofServer?.localAddr), address);
  const [stopped] = await recorder.of("zocalo:net:listener:close");
  assert.deepEqual([stopped?.totals.accepted, stopped?.totals.bytesRead, stopped?.error], [1, 6, undefined]);
  for (const { durationMs } of [ended, attempt, ofClient, ofServer].filter((each) => each !== undefined)) {
    assert.ok(isTime(durationMs), String(durationMs));
  }
  const order = recorder.names;
  assert.equal(order[0], "listener:open");
  assert.deepEqual(order.slice(1, 3), ["dial:start", "attempt:start"]);
  assert.equal(order.at(-1), "listener:close");
});

test("each attempt of a race is told with its outcome, and so is the dial that fails", async () => {
  const listener = await listen("tcp4", "127.0.0.1:0");
  const { port } = listener.addr as { port: number };
  const resolver = (): Promise<string[]> => Promise.resolve(["127.0.0.2", "127.0.0.1"]);
  {
    using recorder = new Recorder();
    const conn = await dial("tcp", `two.test:${port}`, { resolver });
    const attempts = await recorder.of("zocalo:net:attempt:end", 2);
    assert.deepEqual(
      attempts.map(({ remoteAddr, outcome }) => [String(remoteAddr), outcome]),
      [
        [`127.0.0.2:${port}`, "failed"],
        [`127.0.0.1:${port}`, "connected"],
      ],
    );
    assert.ok(attempts[0]?.error instanceof NetError);
    assert.equal(attempts[0].error.code, "refused");
    assert.equal((await recorder.of("zocalo:net:dial:end"))[0]?.dial.address, `two.test:${port}`);
    conn.abort();
  }
  await listener.abort();
  using recorder = new Recorder();
  await assert.rejects(dial("tcp", `two.test:${port}`, { resolver }), { code: "refused" });
  const [failed] = await recorder.of("zocalo:net:dial:error");
  assert.ok(failed?.error instanceof NetError && failed.error.code === "refused");
  assert.equal(recorder.names.filter((name) => name === "attempt:end").length, 2);
  assert.ok(!recorder.names.includes("dial:end"));
});

test("an attempt that is given up counts as canceled, and not as failed", async () => {
  using recorder = new Recorder();
  const given = new AbortController();
  // Nobody answers: 203.0.113.0/24 is for documentation (RFC 5737).
  const dialing = dial("tcp", "203.0.113.1:9", { signal: given.signal });
  await recorder.of("zocalo:net:attempt:start");
  given.abort();
  await assert.rejects(dialing);
  const [attempt] = await recorder.of("zocalo:net:attempt:end");
  // Where there is no route at all the system says so at once.
  const isUnreachable = attempt?.error instanceof NetError && attempt.error.code.endsWith("unreachable");
  assert.ok(attempt?.outcome === "canceled" || isUnreachable, attempt?.outcome);
});

test("a refusal is told with its reason, and who broke off with its error", async () => {
  using recorder = new Recorder();
  await using listener = await listen("tcp", "127.0.0.1:0", { maxConnections: 1 });
  const client = await dial("tcp", String(listener.addr));
  const server = await listener.accept();
  const refused = await dial("tcp", String(listener.addr));
  const [refusal] = await recorder.of("zocalo:net:conn:refuse");
  assert.equal(refusal?.reason, "max_connections");
  assert.equal(String(refusal?.remoteAddr), String(refused.localAddr));
  refused.abort();
  const reading = server.read();
  client.abort();
  await assert.rejects(reading, { code: "reset" });
  const closed = await recorder.of("zocalo:net:conn:close", 2);
  const error = closed.find(({ conn }) => conn === server)?.error;
  assert.ok(error instanceof NetError && error.code === "reset", String(error));
  server.abort();
});

test("TLS handshakes are told by both sides: what they agreed on, or why not", async () => {
  using recorder = new Recorder();
  const identity = { cert, key, alpnProtocols: ["one"] };
  await using listener = await listen("tls", "127.0.0.1:0", identity);
  const trust = { ca: ca.cert, serverName: "localhost", alpnProtocols: ["one"] };
  const [client, server] = await Promise.all([dial("tls", String(listener.addr), trust), listener.accept()]);
  const done = await recorder.of("zocalo:net:tls:end", 2);
  assert.deepEqual(done.map(({ role }) => role).sort(), ["client", "server"]);
  for (const handshake of done) {
    assert.equal(handshake.version, "TLSv1.3");
    assert.match(handshake.cipher, /^TLS_/);
    assert.equal(handshake.alpnProtocol, "one");
    assert.equal(handshake.serverName, "localhost");
    assert.equal(handshake.isResumed, false);
    assert.ok(isTime(handshake.durationMs));
  }
  const ofClient = done.find(({ role }) => role === "client");
  assert.equal(String(ofClient?.remoteAddr), String(listener.addr));
  client.abort();
  server.abort();
  await assert.rejects(dial("tls", String(listener.addr), { serverName: "localhost" }), { code: "tls" });
  const failed = await recorder.of("zocalo:net:tls:error", 2);
  assert.deepEqual(failed.map(({ role }) => role).sort(), ["client", "server"]);
  const [refusal] = await recorder.of("zocalo:net:conn:refuse");
  assert.equal(refusal?.reason, "handshake");
});

test("after `startTls` the end is told once, of the connection that was told of", async () => {
  using recorder = new Recorder();
  await using listener = await listen("tcp", "127.0.0.1:0");
  const [plain, plainServer] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  const [client, server] = await Promise.all([
    startTls(plain, "client", { ca: ca.cert, serverName: "localhost" }),
    startTls(plainServer, "server", { cert, key }),
  ]);
  await client.write(Buffer.from("hola"));
  await server.readFull(4);
  await Promise.all([client.close(), server.close()]);
  const closed = await recorder.of("zocalo:net:conn:close", 2);
  const ofClient = closed.find(({ conn }) => conn === plain);
  assert.deepEqual([ofClient?.network, ofClient?.bytesWritten], ["tls", 4]);
  assert.ok(closed.some(({ conn }) => conn === plainServer));
});

test("the end is told of connections that began while somebody listened, and of no others", async () => {
  await using listener = await listen("tcp", "127.0.0.1:0");
  const pair = (): Promise<[Conn, Conn]> =>
    Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  const before = await pair();
  using recorder = new Recorder(["zocalo:net:conn:close"]);
  const since = await pair();
  for (const conn of [...before, ...since]) conn.abort();
  const closed = await recorder.of("zocalo:net:conn:close", 2);
  assert.deepEqual(new Set(closed.map(({ conn }) => conn)), new Set(since));
});

test("a subscriber that throws is an uncaught exception, and harms no connection", async () => {
  const program = `
    import { subscribe } from "node:diagnostics_channel";
    import { dial, listen } from "@zocalo/net";
    let thrown = 0;
    process.on("uncaughtException", (error) => { if (error.message === "mine") thrown++; else throw error; });
    const names = process.argv.slice(1);
    for (const name of names) subscribe(name, () => { throw new Error("mine"); });
    const listener = await listen("tcp", "127.0.0.1:0");
    const [client, server] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
    await client.write(Buffer.from("hola"));
    const heard = String(await server.readFull(4));
    await Promise.all([client.close(), server.close()]);
    await listener.close();
    setImmediate(() => console.log(heard, thrown > 5));
  `;
  const flags = ["--conditions=zocalo-source", "--import", "tsx", "--input-type=module"];
  const child = spawn(process.execPath, [...flags, "-e", program, ...names], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: import.meta.dirname,
  });
  let said = "";
  child.stdout.on("data", (bytes) => (said += String(bytes)));
  await once(child, "close");
  assert.equal(said.trim(), "hola true");
});
