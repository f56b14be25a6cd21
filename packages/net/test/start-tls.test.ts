// TLS on a connection that exists (STARTTLS): both roles on both sides, refused where the clear and the
// secured could be mixed up, and the old connection out of use.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import {
  type Conn,
  dial,
  fromNodeStream,
  listen,
  pipe,
  startTls,
  type StreamListener,
  type TcpListenOptions,
  toNodeStream,
} from "@zocalo/net";
import { enableReadBuffer, trialsOver } from "@zocalo/net/transport";
import { ca, local } from "./tls-identities.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-starttls-"));
after(() => rmSync(directory, { recursive: true }));

const asServer = { cert: local.cert, key: local.key };
const asClient = { serverName: "localhost", ca: ca.cert };

interface Met {
  readonly listener: StreamListener;
  readonly dialed: Conn;
  readonly accepted: Conn;
}

async function meet(t: TestContext, options?: TcpListenOptions): Promise<Met> {
  const listener = await listen("tcp", "127.0.0.1:0", options);
  t.after(() => listener.abort());
  const [dialed, accepted] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  t.after(() => dialed.abort());
  return { listener, dialed, accepted };
}

async function meetUnix(t: TestContext): Promise<Met> {
  const path = join(directory, "s");
  const listener = await listen("unix", path);
  t.after(() => listener.abort());
  const [dialed, accepted] = await Promise.all([dial("unix", path), listener.accept()]);
  t.after(() => dialed.abort());
  return { listener, dialed, accepted };
}

function secureBoth(client: Conn, server: Conn): Promise<[Conn, Conn]> {
  return Promise.all([startTls(client, "client", asClient), startTls(server, "server", asServer)]);
}

async function say(from: Conn, to: Conn, text: string): Promise<void> {
  await from.write(Buffer.from(text));
  assert.equal(String(await to.readFull(Buffer.byteLength(text))), text);
}

for (const [network, open] of [
  ["tcp", meet],
  ["unix", meetUnix],
] as const) {
  for (const clientIs of ["dialed", "accepted"] as const) {
    test(`over ${network} TLS begins after bytes both ways, with the client on the ${clientIs} side`, async (t) => {
      const { dialed, accepted } = await open(t);
      await say(dialed, accepted, "STARTTLS\r\n");
      await say(accepted, dialed, "220 go ahead\r\n");
      const [client, server] = await (clientIs === "dialed"
        ? secureBoth(dialed, accepted)
        : secureBoth(accepted, dialed));
      assert.equal(client.tls?.version, "TLSv1.3");
      assert.equal(client.tls.isAuthorized, true);
      assert.equal(server.tls?.serverName, "localhost");
      assert.deepEqual([client.remoteAddr, client.localAddr], [server.localAddr, server.remoteAddr]);
      const long = Buffer.alloc(1_000_000, "hola");
      await Promise.all([client.write(long), server.readFull(long.length)]).then(([, got]) =>
        assert.ok(got && long.equals(got)),
      );
      await say(server, client, "adiós");
      await client.closeWrite();
      assert.equal(await server.read(), null);
      await server.close();
      assert.equal(await client.read(), null);
      await client.close();
    });
  }
}

test("a hundred connections in a row begin TLS however the client's first message comes", async (t) => {
  const listener = await listen("tcp", "127.0.0.1:0");
  t.after(() => listener.abort());
  const options = { ...asServer, goAhead: "220 go ahead\r\n" };
  for (let i = 0; i < 100; i++) {
    const [dialed, accepted] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
    const serving = startTls(accepted, "server", options);
    assert.equal(String(await dialed.readFull(14)), "220 go ahead\r\n");
    const [client, server] = await Promise.all([startTls(dialed, "client", asClient), serving]);
    await say(client, server, "hola");
    client.abort();
    server.abort();
  }
});

test("bytes that came in the clear and are unread refuse TLS on a server, which can still answer (RFC 3207 §6)", async (t) => {
  const { dialed, accepted } = await meet(t);
  await dialed.write(Buffer.from("STARTTLS\r\nRSET\r\n"));
  assert.equal(String(await accepted.readFull(10)), "STARTTLS\r\n");
  await assert.rejects(startTls(accepted, "server", { ...asServer, goAhead: "220\r\n" }), {
    code: "invalid_argument",
    message: /: 6 bytes that came before are unread$/,
  });
  await accepted.write(Buffer.from("503 no\r\n"));
  assert.equal(String(await dialed.readFull(8)), "503 no\r\n"); // And no 220 before it.
  assert.equal(String(await accepted.readFull(6)), "RSET\r\n");
});

test("where a socket reads by data events, what Node has read and nobody took refuses TLS, too", async (t) => {
  await trialsOver();
  enableReadBuffer(false);
  t.after(() => enableReadBuffer(true));
  const { dialed, accepted } = await meet(t);
  await dialed.write(Buffer.from("STARTTLS\r\n"));
  assert.equal(String(await accepted.readFull(10)), "STARTTLS\r\n");
  const missing = join(directory, "missing.pem");
  await assert.rejects(startTls(accepted, "server", { certFile: missing, keyFile: missing }), /missing.pem/);
  await dialed.write(Buffer.from("RSET\r\n")); // The connection stands still now.
  while (accepted.bytesRead < 16) await turn(); // Nobody asks for it, and Node reads ahead.
  await assert.rejects(startTls(accepted, "server", asServer), {
    code: "invalid_argument",
    message: /: 6 bytes that came before are unread$/,
  });
  assert.equal(String(await accepted.readFull(6)), "RSET\r\n");
});

test("an answer that somebody put behind the go-ahead refuses TLS on a client", async (t) => {
  const { dialed, accepted } = await meet(t);
  await accepted.write(Buffer.from("220 go ahead\r\n250-AUTH PLAIN\r\n"));
  assert.equal(String(await dialed.readFull(14)), "220 go ahead\r\n");
  await assert.rejects(startTls(dialed, "client", asClient), /16 bytes that came before are unread/);
  assert.equal(String(await dialed.readFull(16)), "250-AUTH PLAIN\r\n");
});

test("a command that arrives in the clear after the check is taken for TLS, and breaks it", async (t) => {
  const { dialed, accepted } = await meet(t);
  const serving = startTls(accepted, "server", { ...asServer, goAhead: "220\r\n" });
  await dialed.write(Buffer.from("MAIL FROM:<eve@example.org>\r\n"));
  await assert.rejects(serving, { code: "tls" });
  await assert.rejects(accepted.read(), { code: "closed" });
});

test("TLS is refused while something is being written, and begins once it is", async (t) => {
  const { dialed, accepted } = await meet(t);
  const length = 32 * 1024 * 1024;
  const writing = accepted.write(Buffer.alloc(length));
  await assert.rejects(startTls(accepted, "server", asServer), {
    code: "invalid_argument",
    message: /something is still being written/,
  });
  await Promise.all([writing, dialed.readFull(length)]);
  const [client, server] = await secureBoth(dialed, accepted);
  await say(client, server, "hola");
});

test("TLS is refused while the connection is being read or served, and once a side has ended", async (t) => {
  const { dialed, accepted } = await meet(t);
  const reading = accepted.read();
  await assert.rejects(startTls(accepted, "server", asServer), /it is being read/);
  await dialed.write(Buffer.from("x"));
  await reading;
  await accepted.closeWrite();
  await assert.rejects(startTls(accepted, "server", asServer), { code: "closed" });
  assert.equal(await dialed.read(), null);
  await assert.rejects(startTls(dialed, "client", asClient), { code: "end_of_stream" });
  accepted.serve({ data() {} });
  await assert.rejects(startTls(accepted, "server", asServer), /it is being served/);
  dialed.abort();
  await assert.rejects(startTls(dialed, "client", asClient), { code: "closed" });
});

test("TLS is refused on what TLS is under already, and on what no socket carries", async (t) => {
  const { dialed, accepted } = await meet(t);
  const [client] = await secureBoth(dialed, accepted);
  await assert.rejects(startTls(client, "client", asClient), /under TLS already/);
  const [end] = pipe();
  await assert.rejects(startTls(end, "client", asClient), { code: "unsupported" });
  const stream = fromNodeStream(toNodeStream(end));
  await assert.rejects(startTls(stream, "client", asClient), { code: "unsupported" });
});

test("TLS does not go past what an application has put around a connection", async (t) => {
  const { dialed, accepted } = await meet(t);
  const around = new Proxy(dialed, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  await assert.rejects(startTls(around, "client", asClient), { code: "unsupported" });
  await secureBoth(dialed, accepted); // As if it had not been tried.
});

test("the old connection is out of use, and its close is that of the new one", async (t) => {
  const { dialed, accepted } = await meet(t);
  dialed.setDeadline(Date.now() + 3_600_000);
  const [client, server] = await secureBoth(dialed, accepted);
  const closed = { code: "closed" };
  await assert.rejects(dialed.read(), closed);
  await assert.rejects(dialed.readFull(1), closed);
  await assert.rejects(dialed.write(Buffer.from("clear")), closed);
  await assert.rejects(dialed.writev([Buffer.from("clear")]), closed);
  await assert.rejects(dialed.closeWrite(), closed);
  assert.throws(() => dialed.serve({ data() {} }), closed);
  await assert.rejects(startTls(dialed, "client", asClient), closed);
  dialed.setDeadline(Date.now() - 1);
  dialed.closeRead();
  await say(server, client, "still there");
  await dialed.close();
  await assert.rejects(client.write(Buffer.from("x")), closed);
  assert.equal(await server.read(), null);
  accepted.abort();
  await assert.rejects(server.read(), closed);
});

test("the new connection keeps the old one's place in the listener", async (t) => {
  const { listener, dialed, accepted } = await meet(t, { maxConnections: 1 });
  const [client, server] = await secureBoth(dialed, accepted);
  const refused = await dial("tcp", String(listener.addr));
  await assert.rejects(async () => assert.notEqual(await refused.read(), null));
  let isDrained = false;
  const draining = listener.drain(Date.now() + 3_600_000).then(() => (isDrained = true));
  await say(client, server, "hola");
  assert.equal(isDrained, false);
  await Promise.all([client.close(), server.close()]);
  await draining;
});

test("the listener's totals have what was said in the clear and under TLS, and the place is given back at its end", async (t) => {
  const { listener, dialed, accepted } = await meet(t);
  await say(dialed, accepted, "STARTTLS");
  await say(accepted, dialed, "ok");
  const [client, server] = await secureBoth(dialed, accepted);
  const totals = (): number[] => {
    const { open, bytesRead, bytesWritten } = listener.totals();
    return [open, bytesRead, bytesWritten];
  };
  assert.deepEqual(totals(), [1, 8, 2]);
  await say(client, server, "hello");
  await say(server, client, "you");
  assert.deepEqual(totals(), [1, 13, 5]);
  assert.deepEqual([client.bytesRead, client.bytesWritten], [3, 5]);
  assert.deepEqual([dialed.bytesRead, dialed.bytesWritten], [5, 13]);
  client.abort();
  await assert.rejects(server.read(), { code: "reset" });
  assert.deepEqual(totals(), [0, 13, 5]);
});

test("drain does not wait for the peer of a new connection that is closed and flushed", async (t) => {
  const { listener, dialed, accepted } = await meet(t);
  const [, server] = await secureBoth(dialed, accepted);
  const draining = listener.drain(Date.now() + 3_600_000);
  await server.close();
  await draining;
  // Its peer has not ended, so it is still held; a listener that was not told would have waited for its end.
  assert.equal(listener.totals().open, 1);
});

test("a listener that is aborted cuts the new connection, and one in its handshake", async (t) => {
  const { listener, dialed, accepted } = await meet(t);
  const [second, secondAccepted] = await Promise.all([dial("tcp", String(listener.addr)), listener.accept()]);
  const [client] = await secureBoth(dialed, accepted);
  const shaking = startTls(secondAccepted, "server", { ...asServer, goAhead: "220" });
  assert.equal(String(await second.readFull(3)), "220");
  await Promise.all([listener.abort(), assert.rejects(shaking, { code: "tls" })]);
  await assert.rejects(client.read());
});

test("a handshake that fails cuts the connection, and frees its place", async (t) => {
  const { listener, dialed, accepted } = await meet(t);
  const other = { ...asClient, serverName: "other.example" };
  const [client, server] = await Promise.allSettled([
    startTls(dialed, "client", other),
    startTls(accepted, "server", asServer),
  ]);
  assert.equal(client.status, "rejected");
  assert.match(String(client.reason), /dial tls .*other\.example/);
  if (server.status === "fulfilled") await assert.rejects(server.value.read(), { code: "tls" });
  await assert.rejects(dialed.write(Buffer.from("x")), { code: "closed" });
  await dialed.close();
  await listener.drain(Date.now() + 3_600_000);
});

test("a handshake ends with its time, and with the signal", async (t) => {
  const first = await meet(t);
  await assert.rejects(startTls(first.dialed, "client", { ...asClient, handshakeTimeoutMs: 20 }), {
    code: "timeout",
  });
  await assert.rejects(startTls(first.accepted, "server", { ...asServer, handshakeTimeoutMs: 20 }));
  const second = await meet(t);
  const controller = new AbortController();
  const { signal } = controller;
  const serving = startTls(second.accepted, "server", { ...asServer, goAhead: "220", signal });
  assert.equal(String(await second.dialed.readFull(3)), "220");
  controller.abort();
  await assert.rejects(serving, { code: "canceled" });
  await assert.rejects(startTls(second.dialed, "client", { ...asClient, signal }), { code: "canceled" });
});

test("where the certificate cannot be read the old connection lives on, and the next look finds it", async (t) => {
  const { dialed, accepted } = await meet(t);
  const missing = { certFile: join(directory, "none"), key: local.key, goAhead: "220 go ahead\r\n" };
  await assert.rejects(startTls(accepted, "server", missing), { code: "not_found" });
  await say(accepted, dialed, "454 no TLS now\r\n");
  await say(dialed, accepted, "QUIT\r\n");
});

test("options and role are checked before anything happens", async (t) => {
  const { dialed, accepted } = await meet(t);
  for (const [wrong, message] of [
    [{ ca: ca.cert }, /serverName undefined is not a host name/],
    [{ ...asClient, serverNam: "x" }, /has no option "serverNam"; it has .*serverName/],
    [{ ...asClient, noDelay: true }, /has no option "noDelay"/],
  ] as [object, RegExp][]) {
    const given = wrong as typeof asClient;
    await assert.rejects(startTls(dialed, "client", given), { code: "invalid_argument", message });
  }
  for (const [wrong, message] of [
    [{}, /needs cert or certFile/],
    [{ ...asServer, goAhead: 220 }, /goAhead is of type number, and not a string or Uint8Array/],
    [{ ...asServer, serverName: "x" }, /has no option "serverName"/],
    [undefined, /what startTls of a server was given is null, and not an object/],
  ] as [object, RegExp][]) {
    await assert.rejects(startTls(accepted, "server", wrong), { code: "invalid_argument", message });
  }
  const role = "peer" as "client";
  await assert.rejects(startTls(dialed, role, asClient), /role "peer" is not "client" or "server"/);
  await say(dialed, accepted, "clear");
});
