// Sessions that are resumed, own verification, and the log of keys.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { connect, createServer, type PeerCertificate } from "node:tls";
import {
  dial,
  type IpAddr,
  type Refusal,
  type StreamListener,
  type TlsDialOptions,
  TlsSessions,
} from "@zocalo/net";
import { ana, ca, certificates, local, open } from "./tls-identities.ts";

/** Dials, hears a word (of TLS 1.3 tickets come with it), and says whether the session was resumed. */
async function isResumed(
  listener: StreamListener<IpAddr>,
  options: TlsDialOptions,
): Promise<boolean | undefined> {
  const [client, server] = await Promise.all([
    dial("tls", String(listener.addr), { ca: ca.cert, ...options }),
    listener.accept(),
  ]);
  await server.write(Buffer.from("hola"));
  await client.readFull(4);
  const { tls } = client;
  assert.equal(tls?.peerCertificate?.subject.CN, "local");
  assert.equal(server.tls?.isResumed, tls?.isResumed);
  assert.equal(
    tls?.isAuthorized,
    options.dangerouslyAcceptAnyCertificate !== true || options.ca !== undefined,
  );
  await Promise.all([client.close(), server.close()]);
  return tls?.isResumed;
}

function addressOf({ addr }: StreamListener<IpAddr>): { host: string; port: number } {
  return { host: addr.host, port: addr.port };
}

/** Which of five dials are resumed. */
const always = [false, true, true, true, true];
/**
 * Node gives two sessions of TLS 1.3 with a full handshake, and none with a resumed one. OpenSSL gives one
 * there.
 */
const twoOfThree = [false, true, true, false, true];

for (const [maxVersion, reuse, expected] of [
  ["TLSv1.2", false, always],
  ["TLSv1.3", false, twoOfThree],
  ["TLSv1.3", true, always],
] as const) {
  test(`dials resume the sessions of before (${maxVersion}, reuse ${reuse}), and without a cache none does`, async (t) => {
    const listener = await open(t, { maxVersion });
    const sessions = new TlsSessions({ reuse });
    const resumed: (boolean | undefined)[] = [];
    for (let dials = 0; dials < 5; dials++) resumed.push(await isResumed(listener, { sessions }));
    assert.deepEqual(resumed, expected);
    assert.equal(await isResumed(listener, {}), false);
  });
}

/** Dials a server that is not ours, says a line and waits for the answer. */
async function resumesOf(port: number, sessions: TlsSessions): Promise<unknown[]> {
  const resumed: unknown[] = [];
  for (let dials = 0; dials < 5; dials++) {
    const client = await dial("tls", `127.0.0.1:${port}`, { ca: ca.cert, sessions });
    await client.write(Buffer.from("hola\n"));
    await client.readFull(5);
    resumed.push(client.tls?.isResumed);
    await client.close();
  }
  return resumed;
}

for (const [version, more] of [
  ["-tls1_2", []],
  ["-tls1_2", ["-no_ticket"]],
  ["-tls1_3", []],
  ["-tls1_3", ["-num_tickets", "1"]],
] as const) {
  const name = [version, ...more].join(" ");
  test(`dials resume the sessions of openssl s_server ${name}`, async (t) => {
    const { cert, key } = local;
    const files = { cert: `${certificates.directory}/s.crt`, key: `${certificates.directory}/s.key` };
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key);
    const args = ["-accept", "127.0.0.1:0", "-cert", files.cert, "-key", files.key, "-rev", version, ...more];
    const child = spawn("openssl", ["s_server", ...args]);
    t.after(() => child.kill());
    let said = "";
    let port: string | undefined;
    for await (const chunk of child.stdout) {
      said += String(chunk);
      port = /^ACCEPT 127\.0\.0\.1:(\d+)$/m.exec(said)?.[1];
      if (port !== undefined) break;
    }
    assert.deepEqual(await resumesOf(Number(port), new TlsSessions()), always);
  });
}

for (const [maxVersion, expected] of [
  ["TLSv1.2", always],
  ["TLSv1.3", twoOfThree],
] as const) {
  test(`dials resume the sessions of node:tls (${maxVersion})`, async (t) => {
    const server = createServer({ cert: local.cert, key: local.key, maxVersion }, (socket) => {
      socket.on("error", () => undefined).pipe(socket);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    assert.deepEqual(await resumesOf(address.port, new TlsSessions()), expected);
  });
}

test("a session that comes just as the connection is cut is kept with the certificate it was made with", async (t) => {
  const listener = await open(t, { maxVersion: "TLSv1.3" });
  const sessions = new TlsSessions();
  const kept: unknown[] = [];
  const keep = sessions.keep.bind(sessions);
  t.mock.method(sessions, "keep", (...[server, session]: Parameters<typeof keep>) => {
    kept.push(session.certificate.subject?.CN);
    keep(server, session);
  });
  const address = String(listener.addr);
  const [client, server] = await Promise.all([
    dial("tls", address, { ca: ca.cert, sessions }),
    listener.accept(),
  ]);
  await server.write(Buffer.from("hola"));
  await client.readFull(4); // The tickets came in the same portion, and Node tells of them in the next turn.
  client.abort();
  await new Promise((resolve) => setImmediate(resolve));
  server.abort();
  assert.deepEqual(new Set(kept), new Set(["local"]));
  assert.equal(await isResumed(listener, { sessions }), true);
});

test("a session is of one server, one name and one set of authorities", async (t) => {
  const listener = await open(t);
  const other = await open(t);
  const sessions = new TlsSessions();
  await isResumed(listener, { sessions });
  assert.equal(await isResumed(other, { sessions }), false);
  assert.equal(await isResumed(listener, { sessions, serverName: "localhost" }), false);
  assert.equal(await isResumed(listener, { sessions, ca: `${ca.cert}${ana.cert}` }), false);
  assert.equal(await isResumed(listener, { sessions }), true);
});

/** A session as a dialer would keep it, made just now, of a certificate that has a year to go. */
function sessionOf(name: string, more: { isReusable?: boolean; since?: number; validTo?: number } = {}) {
  const { isReusable = false, since = performance.now(), validTo = Date.now() + 31_536_000_000 } = more;
  const certificate = { valid_to: new Date(validTo).toUTCString() } as PeerCertificate;
  return { session: Buffer.from(name), certificate, isReusable, since };
}

function taken(sessions: TlsSessions, servers: readonly string[]): (string | undefined)[] {
  return servers.map((server) => sessions.take(server)?.session.toString());
}

test("as many sessions are kept as the cache may have, and not one more", () => {
  const sessions = new TlsSessions({ maxSessions: 2 });
  for (const name of ["a", "b", "c"]) sessions.keep(name, sessionOf(name));
  assert.equal(sessions.size, 2);
  assert.deepEqual(taken(sessions, ["a", "b", "c", "c"]), [undefined, "b", "c", undefined]);
  assert.equal(sessions.size, 0);
  assert.throws(
    () => new TlsSessions({ maxSessions: 0 }),
    /maxSessions 0 is not a whole number of at least 1/,
  );
});

test("of one server the four newest sessions are kept, and the newest is taken first", () => {
  const sessions = new TlsSessions({ maxSessions: 5 });
  sessions.keep("other", sessionOf("other"));
  for (const name of ["1", "2", "3", "4", "5"]) sessions.keep("server", sessionOf(name));
  assert.equal(sessions.size, 5);
  assert.deepEqual(taken(sessions, Array(5).fill("server")), ["5", "4", "3", "2", undefined]);
  assert.deepEqual(taken(sessions, ["other", "other"]), ["other", undefined]);
});

test("a session that may be reused stays until another comes or it is dropped, and reuse keeps the last of all", () => {
  const sessions = new TlsSessions();
  const first = sessionOf("first", { isReusable: true });
  sessions.keep("server", first);
  assert.deepEqual(taken(sessions, ["server", "server"]), ["first", "first"]);
  sessions.keep("server", sessionOf("second", { isReusable: true }));
  sessions.drop("server", first);
  assert.deepEqual(taken(sessions, ["server"]), ["second"]);
  sessions.keep("server", sessionOf("third"));
  assert.deepEqual(taken(sessions, ["server", "server"]), ["third", undefined]);

  const reusing = new TlsSessions({ reuse: true });
  const last = sessionOf("1");
  for (const session of [last, sessionOf("2")]) reusing.keep("server", session);
  assert.deepEqual(taken(reusing, ["server", "server", "server"]), ["2", "1", "1"]);
  reusing.drop("server", last);
  assert.deepEqual(taken(reusing, ["server"]), [undefined]);
});

test("what a full handshake agreed on is resumed for a day, and while the certificate is valid", () => {
  const sessions = new TlsSessions();
  const day = 86_400_000;
  const now = performance.now();
  sessions.keep("young", sessionOf("young", { isReusable: true, since: now - day + 60_000 }));
  sessions.keep("old", sessionOf("old", { isReusable: true, since: now - day }));
  sessions.keep("expired", sessionOf("expired", { isReusable: true, validTo: Date.now() - 1000 }));
  assert.deepEqual(taken(sessions, ["young", "old", "expired"]), ["young", undefined, undefined]);
  assert.equal(sessions.size, 1);
});

test("a session that refused a server is not tried again", async (t) => {
  const listener = await open(t, { maxVersion: "TLSv1.2" });
  const sessions = new TlsSessions();
  await isResumed(listener, { sessions });
  let isPinned = false;
  const verifyPeer = (): void => {
    if (!isPinned) throw new Error("not the pinned key");
  };
  const options = { ca: ca.cert, sessions, verifyPeer };
  await assert.rejects(dial("tls", String(listener.addr), options), /not the pinned key/);
  isPinned = true;
  const accepting = isResumed(listener, { sessions, verifyPeer });
  assert.equal(await accepting, false);
});

test("listeners that share their ticket keys resume each other's sessions (openssl s_client)", async (t) => {
  const ticketKeys = randomBytes(48);
  const first = await open(t, { ticketKeys, maxVersion: "TLSv1.2" });
  const second = await open(t, { ticketKeys, maxVersion: "TLSv1.2" });
  const stranger = await open(t, { maxVersion: "TLSv1.2" });
  const file = `${certificates.directory}/session.pem`;
  const sClient = async (listener: StreamListener<IpAddr>, ...args: string[]): Promise<string> => {
    const child = spawn("openssl", ["s_client", "-connect", String(listener.addr), ...args]);
    let said = "";
    child.stdout.on("data", (chunk) => (said += String(chunk)));
    child.stdin.end();
    await once(child, "close");
    return said;
  };
  assert.match(await sClient(first, "-sess_out", file), /^New, /m);
  assert.match(await sClient(second, "-sess_in", file), /^Reused, /m);
  assert.match(await sClient(stranger, "-sess_in", file), /^New, /m);
});

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a session without a certificate makes nobody authorized, nor lets them in where one is required (${maxVersion})`, async (t) => {
    const ticketKeys = randomBytes(48);
    const seen: unknown[] = [];
    const common = { maxVersion, ticketKeys, ca: ca.cert } as const;
    const verifyPeer = (certificate: PeerCertificate): void => void seen.push(certificate);
    const asking = await open(t, { ...common, clientCertificates: "request", verifyPeer });
    const tickets: Buffer[] = [];
    for (const resumes of [false, true]) {
      const session = tickets.at(-1);
      const client = connect({
        ...addressOf(asking),
        ca: ca.cert,
        servername: "localhost",
        ...(session && { session }),
      });
      client.on("session", (ticket: Buffer) => tickets.push(ticket));
      const [server] = await Promise.all([asking.accept(), once(client, "secureConnect")]);
      const { isResumed, isAuthorized, peerCertificate } = server.tls ?? {};
      assert.deepEqual([isResumed, isAuthorized, peerCertificate], [resumes, false, undefined]);
      await server.write(Buffer.from("hola"));
      await once(client, "data");
      while (tickets.length === 0) await once(client, "session");
      client.destroy();
      server.abort();
    }
    assert.deepEqual(seen, []);
    const refusals: Refusal[] = [];
    const strict = { ...common, clientCertificates: "require" } as const;
    const requiring = await open(t, { ...strict, onRefuse: (refusal) => refusals.push(refusal) });
    const session = tickets.at(-1);
    assert.ok(session);
    const stranger = connect({ ...addressOf(requiring), ca: ca.cert, servername: "localhost", session });
    stranger.on("error", () => undefined).resume();
    const accepting = requiring.accept();
    const cut = new Promise<string>((resolve) => stranger.once("close", () => resolve("cut")));
    assert.equal(await Promise.race([accepting, cut]), "cut");
    assert.match(String(refusals[0]?.error), /TLS/);
    await requiring.abort();
    await assert.rejects(accepting, { code: "closed" });
  });

  test(`a session that another authority let in is not resumed with the same ticket keys (${maxVersion})`, async (t) => {
    const ticketKeys = randomBytes(48);
    const clientCertificates = "require";
    const ours = await open(t, { ticketKeys, maxVersion, clientCertificates, ca: ca.cert });
    const same = await open(t, { ticketKeys, maxVersion, clientCertificates, ca: ca.cert });
    const theirs = await open(t, {
      ticketKeys,
      maxVersion,
      clientCertificates,
      ca: `${ca.cert}${local.cert}`,
    });
    const resumed: (boolean | undefined)[] = [];
    for (const listener of [same, theirs]) {
      let session: Buffer | undefined;
      for (const to of [ours, listener]) {
        const options = { ca: ca.cert, cert: ana.cert, key: ana.key, servername: "localhost" };
        const client = connect({ ...addressOf(to), ...options, ...(session && { session }) });
        client.on("session", (ticket: Buffer) => (session = ticket));
        const [server] = await Promise.all([to.accept(), once(client, "secureConnect")]);
        await server.write(Buffer.from("hola"));
        await once(client, "data");
        while (session === undefined) await once(client, "session");
        if (to === listener) resumed.push(server.tls?.isResumed);
        client.destroy();
        server.abort();
      }
    }
    assert.deepEqual(resumed, [true, false]);
  });
}

test("what verifyPeer throws refuses the server, with the reason, also for a session that is resumed", async (t) => {
  const refusals: Refusal[] = [];
  const listener = await open(t, { onRefuse: (refusal) => refusals.push(refusal) });
  const sessions = new TlsSessions();
  const seen: unknown[] = [];
  const verifyPeer: TlsDialOptions["verifyPeer"] = ({ subject }) => void seen.push(subject.CN);
  await isResumed(listener, { sessions, verifyPeer });
  assert.equal(await isResumed(listener, { sessions, verifyPeer }), true);
  assert.deepEqual(seen, ["local", "local"]);
  const refuse = (): never => {
    throw new Error("not the pinned key");
  };
  for (const more of [{}, { sessions }]) {
    const dialed = dial("tls", String(listener.addr), { ca: ca.cert, verifyPeer: refuse, ...more });
    await assert.rejects(dialed, { code: "tls", message: /not the pinned key/ });
  }
  const any = { dangerouslyAcceptAnyCertificate: true, verifyPeer: refuse };
  await assert.rejects(dial("tls", String(listener.addr), any), /verifyPeer is not asked/);
});

test("what verifyPeer throws refuses a client, and who shows no certificate is not looked at", async (t) => {
  const refusals: Refusal[] = [];
  const listener = await open(t, {
    ca: ca.cert,
    clientCertificates: "request",
    verifyPeer: ({ subject }) => {
      if (subject.CN === "ana") throw new Error("ana has left");
    },
    onRefuse: (refusal) => refusals.push(refusal),
  });
  assert.equal(await isResumed(listener, {}), false);
  await assert.rejects(async () => {
    const conn = await dial("tls", String(listener.addr), { ca: ca.cert, cert: ana.cert, key: ana.key });
    if ((await conn.read()) === null) throw new Error("ended");
  });
  assert.match(String(refusals[0]?.error), /the client's certificate is refused: ana has left/);
});

test("the keys of both sides are told, line by line, and are the same", async (t) => {
  const ofServer: string[] = [];
  const ofClient: string[] = [];
  const listener = await open(t, { dangerouslyLogKeys: (line) => ofServer.push(line) });
  await isResumed(listener, { dangerouslyLogKeys: (line) => ofClient.push(line) });
  assert.ok(ofClient.some((line) => /^CLIENT_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]{64,96}$/.test(line)));
  assert.deepEqual(ofClient.toSorted(), ofServer.toSorted());
});

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`who asks only once it is over hears what was agreed on (${maxVersion})`, async (t) => {
    const listener = await open(t, { maxVersion, ca: ca.cert, clientCertificates: "require" });
    const address = String(listener.addr);
    const identity = { cert: ana.cert, key: ana.key };
    const dialed = dial("tls", address, { ca: ca.cert, ...identity });
    const [client, server] = await Promise.all([dialed, listener.accept()]);
    const told = new Promise<typeof server.tls>((resolve) => {
      server.serve({ data: (bytes) => server.write(bytes), close: () => resolve(server.tls) });
    });
    await client.write(Buffer.from("hola"));
    await client.readFull(4);
    await client.close();
    for (const [tls, peer] of [
      [await told, "ana"],
      [client.tls, "local"],
    ] as const) {
      assert.equal(tls?.version, maxVersion);
      assert.match(tls.cipher, /^TLS_/);
      assert.equal(tls.isResumed, false);
      assert.equal(tls.peerCertificate?.subject.CN, peer);
      assert.equal(tls.isAuthorized, true);
    }
  });
}
