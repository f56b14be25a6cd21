import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  type Conn,
  dial,
  type Listener,
  listen,
  type NetError,
  type Refusal,
  type TlsDialOptions,
} from "@zocalo/net";
import { TestCertificates } from "@zocalo/integrity";

const certificates = new TestCertificates();
after(() => certificates.remove());
const { ca } = certificates;
const local = certificates.issue("local", ["localhost", "127.0.0.1"]);

/** Dials, accepts, tells what `look` sees on the two ends, and cuts them. */
async function meet<T>(
  listener: Listener<Conn>,
  options: TlsDialOptions,
  look: (client: Conn, server: Conn) => T | Promise<T>,
): Promise<T> {
  const [client, server] = await Promise.all([
    dial("tls", String(listener.addr), { ca: ca.cert, ...options }),
    listener.accept(),
  ]);
  const seen = await look(client, server);
  client.abort();
  server.abort();
  return seen;
}

const commonName = (conn: Conn): string => String(conn.tls?.peerCertificate?.subject.CN);

test("the name a client asks for chooses the certificate", async () => {
  const one = certificates.issue("one", ["one.example"]);
  const wild = certificates.issue("wild", ["*.wild.example"]);
  const listener = await listen("tls", "127.0.0.1:0", {
    ...local,
    serverNames: { "One.example": one, "*.wild.example": { certFile: wild.certFile, keyFile: wild.keyFile } },
  });
  const names = async (serverName: string): Promise<(string | undefined)[]> =>
    meet(listener, { serverName }, (client, server) => [commonName(client), server.tls?.serverName]);
  assert.deepEqual(await names("one.example"), ["one", "one.example"]);
  assert.deepEqual(await names("a.wild.example"), ["wild", "a.wild.example"]);
  assert.deepEqual(await names("localhost"), ["local", "localhost"]);
  const addressed = await meet(listener, {}, (client, server) => [
    commonName(client),
    server.tls?.serverName,
  ]);
  assert.deepEqual(addressed, ["local", undefined]);
  await listener.close();
});

test("changed files are used for the next client, bad ones are not, and connections live on", async () => {
  const certFile = join(certificates.directory, "live.crt");
  const keyFile = join(certificates.directory, "live.key");
  const use = (name: string): void => {
    const identity = certificates.issue(name, ["127.0.0.1"]);
    copyFileSync(identity.keyFile, keyFile);
    copyFileSync(identity.certFile, certFile);
  };
  use("first");
  const failures: NetError[] = [];
  const onReloadError = (error: NetError): void => {
    failures.push(error);
  };
  const listener = await listen("tls", "127.0.0.1:0", {
    certFile,
    keyFile,
    reloadIntervalMs: 0,
    onReloadError,
  });
  const [client, server] = await Promise.all([
    dial("tls", String(listener.addr), { ca: ca.cert }),
    listener.accept(),
  ]);
  assert.equal(commonName(client), "first");
  use("second");
  assert.equal(await meet(listener, {}, commonName), "second");
  writeFileSync(certFile, "-----BEGIN GARBAGE-----\n");
  assert.equal(await meet(listener, {}, commonName), "second");
  assert.deepEqual(
    failures.map(({ code }) => code),
    ["tls"],
  );
  use("third");
  assert.equal(await meet(listener, {}, commonName), "third");
  await client.write(Buffer.from("still"));
  assert.equal(String(await server.readFull(5)), "still");
  await listener.abort();
  client.abort();
});

test("ALPN: the first protocol both know; none in common is refused", async () => {
  const listener = await listen("tls", "127.0.0.1:0", { ...local, alpnProtocols: ["b", "a"] });
  const agreed = await meet(listener, { alpnProtocols: ["a", "b"] }, (client, server) => [
    client.tls?.alpnProtocol,
    server.tls?.alpnProtocol,
  ]);
  assert.deepEqual(agreed, ["b", "b"]);
  assert.equal(await meet(listener, {}, (client) => client.tls?.alpnProtocol), undefined);
  await assert.rejects(dial("tls", String(listener.addr), { ca: ca.cert, alpnProtocols: ["c"] }), {
    code: "tls",
  });
  await listener.close();
});

test("client certificates: required, requested, not asked for", async () => {
  const me = certificates.issue("me", ["me.example"]);
  const client = { cert: me.cert, key: me.key };
  const isAuthorized = (_: Conn, server: Conn): boolean | undefined => server.tls?.isAuthorized;
  const refusals: Refusal[] = [];
  let told: (() => void) | undefined;
  const required = await listen("tls", "127.0.0.1:0", {
    ...local,
    ca: ca.cert,
    clientCertificates: "require",
    onRefuse(refusal) {
      refusals.push(refusal);
      told?.();
    },
  });
  assert.equal(await meet(required, client, isAuthorized), true);
  assert.equal(await meet(required, client, (_, server) => commonName(server)), "me");
  const refusal = new Promise<void>((resolve) => {
    told = resolve;
  });
  // In TLS 1.3 the client learns of it only when it reads.
  const without = await dial("tls", String(required.addr), { ca: ca.cert });
  await assert.rejects(without.read(), { code: "tls" });
  await refusal;
  assert.deepEqual([refusals[0]?.reason, refusals[0]?.error?.code], ["handshake", "tls"]);
  await required.close();

  const requested = await listen("tls", "127.0.0.1:0", {
    ...local,
    ca: ca.cert,
    clientCertificates: "request",
  });
  assert.equal(await meet(requested, client, isAuthorized), true);
  assert.equal(await meet(requested, {}, isAuthorized), false);
  await requested.close();
  const none = await listen("tls", "127.0.0.1:0", local);
  assert.equal(await meet(none, client, isAuthorized), false);
  await none.close();
});

test("a server that cannot prove who it is is refused, unless the caller insists", async () => {
  const listener = await listen("tls", "127.0.0.1:0", local);
  const address = String(listener.addr);
  await assert.rejects(dial("tls", address), { code: "tls", op: "dial", message: /unable to verify/ });
  await assert.rejects(dial("tls", address, { ca: ca.cert, serverName: "other.example" }), {
    code: "tls",
    message: /altnames/,
  });
  assert.equal(
    await meet(
      listener,
      { ca: undefined, dangerouslyAcceptAnyCertificate: true },
      (c) => c.tls?.isAuthorized,
    ),
    false,
  );
  await listener.close();
  const expired = certificates.issue("expired", ["127.0.0.1"], -1);
  const old = await listen("tls", "127.0.0.1:0", expired);
  await assert.rejects(dial("tls", String(old.addr), { ca: ca.cert }), { code: "tls", message: /expired/ });
  await old.close();
});

test("a handshake that fails, ends or takes too long is refused and told, and others go on", async (t) => {
  const refusals: Refusal[] = [];
  let told: (() => void) | undefined;
  const onRefuse = (refusal: Refusal): void => {
    refusals.push(refusal);
    told?.();
  };
  const listener = await listen("tls", "127.0.0.1:0", { ...local, handshakeTimeoutMs: 120_000, onRefuse });
  const hasty = await listen("tls", "127.0.0.1:0", { ...local, handshakeTimeoutMs: 50, onRefuse });
  t.after(() => Promise.all([listener.abort(), hasty.abort()]));
  const fails = async (
    at: Listener<Conn>,
    code: string,
    send: (conn: Conn) => Promise<void>,
  ): Promise<void> => {
    const refusal = new Promise<void>((resolve) => {
      told = resolve;
    });
    const conn = await dial("tcp", String(at.addr));
    await send(conn);
    await refusal;
    assert.deepEqual([refusals.at(-1)?.reason, refusals.at(-1)?.error?.code], ["handshake", code]);
    conn.abort();
  };
  await fails(listener, "tls", (conn) => conn.write(Buffer.from("GET / HTTP/1.1\r\n\r\n")));
  await fails(listener, "tls", (conn) => conn.closeWrite());
  await fails(listener, "tls", async (conn) => {
    await conn.write(Buffer.from([22, 3, 1, 2, 0, 1]));
    await conn.closeWrite();
  });
  await fails(hasty, "timeout", () => Promise.resolve());
  await fails(hasty, "timeout", (conn) => conn.write(Buffer.from([22, 3, 1])));
  assert.equal(await meet(listener, {}, commonName), "local");
  await Promise.all([listener.close(), hasty.close()]);
});

test("TLS to a server that speaks none, or nothing, is a TLS error or a timeout", async () => {
  const plain = await listen("tcp", "127.0.0.1:0");
  const greeted = dial("tls", String(plain.addr), { ca: ca.cert });
  const server = await plain.accept();
  await server.write(Buffer.from("220 hello\r\n"));
  await assert.rejects(greeted, { code: "tls", op: "dial" });
  await assert.rejects(dial("tls", String(plain.addr), { deadline: Date.now() + 50 }), {
    code: "timeout",
    op: "dial",
  });
  // Another listener: who gave up may or may not wait for the first.
  const ending = await listen("tcp", "127.0.0.1:0");
  const ended = assert.rejects(dial("tls", String(ending.addr)), { code: "tls" });
  const last = await ending.accept();
  await last.close();
  await ended;
  await Promise.all([plain.abort(), ending.abort()]);
});

test("a listener without a usable certificate does not begin", async () => {
  await assert.rejects(listen("tls", ":0", {}), { code: "invalid_argument" });
  await assert.rejects(listen("tls", ":0", { certFile: "/nowhere.crt", key: local.key }), {
    code: "not_found",
  });
  await assert.rejects(listen("tls", ":0", { cert: local.cert, key: ca.key }), { code: "tls" });
  await assert.rejects(listen("tls", ":0", { ...local, handshakeTimeoutMs: 0 }), {
    code: "invalid_argument",
  });
});

test("the PROXY header comes before the handshake", async () => {
  const listener = await listen("tls", "127.0.0.1:0", {
    ...local,
    proxyProtocol: { trusted: ["127.0.0.1"] },
  });
  const tcp = await dial("tcp", String(listener.addr));
  await tcp.write(Buffer.from("PROXY TCP4 203.0.113.7 203.0.113.1 1234 443\r\n"));
  const { toNodeStream } = await import("@zocalo/net");
  const { connect } = await import("node:tls");
  const socket = connect({ socket: toNodeStream(tcp), ca: ca.cert, host: "127.0.0.1" });
  const server = await listener.accept();
  assert.equal(String(server.remoteAddr), "203.0.113.7:1234");
  socket.write("through");
  assert.equal(String(await server.readFull(7)), "through");
  server.abort();
  socket.on("error", () => undefined).destroy();
  await listener.abort();
});

test("a peer that is gone right after the handshake is told as a reset, and one that closed as an end", async (t) => {
  const listener = await listen("tls", "127.0.0.1:0", local);
  t.after(() => listener.abort());
  for (let round = 0; round < 20; round++) {
    await meet(listener, {}, async (client, server) => {
      client.abort();
      await assert.rejects(server.read(), { code: "reset" });
    });
    await meet(listener, {}, async (client, server) => {
      await client.close();
      assert.equal(await server.read(), null);
    });
  }
});

test("a client that is gone in the middle of its handshake frees its place at once", async (t) => {
  let told: (refusal: Refusal) => void = () => undefined;
  const refused = new Promise<Refusal>((resolve) => {
    told = resolve;
  });
  // Past what a test waits for.
  const handshakeTimeoutMs = 2 ** 31 - 1;
  const listener = await listen("tls", "127.0.0.1:0", { ...local, handshakeTimeoutMs, onRefuse: told });
  t.after(() => listener.abort());
  const hearing = await listen("tcp", "127.0.0.1:0");
  const dialing = dial("tls", String(hearing.addr), { ca: ca.cert }).catch(() => undefined);
  const heard = await hearing.accept();
  const hello = Buffer.from((await heard.read()) ?? []);
  heard.abort();
  await Promise.all([dialing, hearing.abort()]);
  const client = await dial("tcp", String(listener.addr));
  await client.write(hello);
  await client.read();
  await client.closeWrite();
  const { reason, error } = await refused;
  assert.deepEqual([reason, error?.code], ["handshake", "tls"]);
  client.abort();
});
